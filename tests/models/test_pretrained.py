"""Models saved in the hub's layout: the same predictions, readable by others, and nothing trusted that is not known."""

import json
import os
import resource
import shutil
import signal
from itertools import count
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors import safe_open

import hqlm
from hqlm import files
from hqlm.backends import PennyLaneBackend
from hqlm.circuits import RingAnsatz
from hqlm.config.slots import SLOTS
from hqlm.encoders import HashingEncoder, QuantumFeatureEncoder, SentenceTransformerEncoder
from hqlm.errors import CheckpointError, ConfigError, PluginError, StorageError, user_mistake
from hqlm.heads import QuantumHead
from hqlm.models import TextModel
from hqlm.models.recipes import to_primitives
from hqlm.models.trust import check_trusted
from hqlm.registry import Component
from tests.commands.conftest import fit, run, trained  # noqa: F401 (fixtures)
from tests.kill_points import in_a_copy

TEXTS = ["The plot is far from dull.", "The soup ruined it.", "A phone that works."]


def probabilities(model):
    return torch.tensor([list(each.probabilities.values()) for each in model.predict(TEXTS)])


def small(head=None, **options):
    encoder = QuantumFeatureEncoder(4, n_layers=1, center=True, offset=1.0, ansatz=RingAnsatz(1))
    head = head or QuantumHead(encoder, ansatz=RingAnsatz(1))
    return TextModel(HashingEncoder(dim=15), head, class_names=["bad", "good"], embedding_dim=15, **options)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model that has seen a text, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    found = small()
    found.predict(TEXTS)
    return found


@pytest.fixture
def saved(model):
    model.save_pretrained("saved")
    return Path("saved")


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "two renames"])
def test_wherever_a_save_is_killed_the_folder_holds_the_old_or_the_new_model(model, monkeypatch, exchanges):
    if not exchanges:  # as on NFS
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    torch.manual_seed(1)
    newer = small()
    newer.predict(TEXTS)
    old, new = probabilities(model), probabilities(newer)
    assert not torch.equal(old, new)
    killed = 0
    for at in count(1):
        folder = Path(f"{at}/saved")
        model.save_pretrained(folder)
        code, _ = in_a_copy(lambda folder=folder: newer.save_pretrained(folder), folder.parent, at)
        found = probabilities(TextModel.from_pretrained(str(folder)))
        assert torch.equal(found, old) or torch.equal(found, new)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
        newer.save_pretrained(folder)
        assert torch.equal(probabilities(TextModel.from_pretrained(str(folder))), new)
        assert os.listdir(folder.parent) == ["saved"]
    assert killed >= 4


def test_a_full_disk_leaves_the_model_that_was_saved(model):
    model.save_pretrained("saved")
    before = {path.name: path.read_bytes() for path in Path("saved").iterdir()}

    def fill_up():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        with pytest.raises(Exception, match="File too large") as refused:
            model.save_pretrained("saved")
        assert isinstance(user_mistake(refused.value), StorageError)

    assert in_a_copy(fill_up, Path.cwd())[0] == 0
    assert {path.name: path.read_bytes() for path in Path("saved").iterdir()} == before
    assert not list(Path.cwd().glob(".*"))


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def edit(folder, change):
    config = config_of(folder)
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def test_predictions_are_equal_before_and_after(model, saved):
    before = model
    for after in (TextModel.from_pretrained("saved"), TextModel.from_pretrained(saved), hqlm.load(saved)):
        assert torch.equal(probabilities(after), probabilities(before))
        settings, optimizer = dict(after.hparams), dict(before.hparams)["optimizer"]
        assert settings.pop("optimizer")["class_path"] == optimizer["class_path"]  # its defaults are filled in
        assert settings == {name: value for name, value in before.hparams.items() if name != "optimizer"}
        assert not after.training
    assert sorted(os.listdir()) == sorted(["cache", "saved"])
    assert sorted(os.listdir(saved)) == ["README.md", "config.json", "model.safetensors"]


@pytest.mark.parametrize("folder", [".", "..", "../../link"])
def test_the_working_directory_is_not_replaced(model, monkeypatch, folder):
    Path("above/here").mkdir(parents=True)
    Path("link").symlink_to("above/here")
    monkeypatch.chdir("above/here")
    with pytest.raises(CheckpointError, match="is the working directory or contains it"):
        model.save_pretrained(folder)
    assert not list(Path.cwd().iterdir())


def test_weights_are_read_with_plain_safetensors(model, saved):
    state = model.state_dict()
    with safe_open(saved / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert set(file.keys()) == set(state)
        assert all(torch.equal(file.get_tensor(name), state[name]) for name in state)


@pytest.mark.slow
def test_the_card_is_the_hubs_and_tells_what_was_measured(run, trained):  # noqa: F811
    run("test", "--ckpt_path=tiny", "--model.head.execution.shots=10")
    run("test", "--ckpt_path=tiny")
    run("test", "--ckpt_path=tiny", "--data.limit_test=5")
    last = trained / "checkpoints/last.ckpt"
    run("test", f"--ckpt_path={last}")
    hqlm.load("tiny").save_pretrained("saved")
    card = ModelCard.load("saved/README.md")
    summary = json.loads((trained / "summary.json").read_text())
    metrics = json.loads((trained / "test-2/metrics.json").read_text())
    results = {(each.dataset_split, each.metric_type): each.metric_value for each in card.data.eval_results}
    assert results == {
        ("val", "accuracy"): summary["val_acc"],
        ("test", "accuracy"): metrics["test/acc"],
        ("test", "f1"): metrics["test/f1"],
        ("test", "loss"): metrics["test/loss"],
    }
    assert card.data.eval_results[0].dataset_type == "ReviewsData"
    assert card.data.library_name == "hqlm"
    assert card.data.pipeline_tag == "text-classification"
    assert "ReviewsData" in card.data.eval_results[0].dataset_name
    assert f"| test | accuracy | {metrics['test/acc']:.4f} |" in card.text
    assert (trained / "config.yaml").read_text().strip() in card.text
    assert f"{sum(summary['parameters'].values())} trainable" in card.text
    assert 'TextModel.from_pretrained("saved")' in card.text
    assert torch.equal(probabilities(hqlm.load("saved")), probabilities(hqlm.load("tiny")))


def test_the_card_of_another_checkpoint_has_what_was_measured_of_that_one(run, trained):  # noqa: F811
    last = trained / "checkpoints/last.ckpt"
    run("test", "--ckpt_path=tiny")
    hqlm.load(last).save_pretrained("saved")
    assert ModelCard.load("saved/README.md").data.eval_results is None
    run("test", f"--ckpt_path={last}")
    hqlm.load(last).save_pretrained("saved")
    results = ModelCard.load("saved/README.md").data.eval_results
    assert {each.dataset_split for each in results} == {"test"}


def test_a_model_without_a_run_has_a_card_without_a_table(saved):
    TextModel.from_pretrained(saved).save_pretrained("again")
    card = ModelCard.load("again/README.md")
    assert card.data.eval_results is None
    assert "Nothing was measured" in card.text


def test_the_command_line_takes_a_saved_folder(saved, run):  # noqa: F811
    data = ["--data=FileData", "--data.folder=reviews"]
    Path("reviews").mkdir()
    rows = [f"the plot is {('dull', 'clever')[n % 2]} {n}\t{('bad', 'good')[n % 2]}" for n in range(10)]
    for split in ("train", "test"):
        Path(f"reviews/{split}.tsv").write_text("\n".join(["text\tlabel", *rows]))
    result = run("predict", "--ckpt_path=saved", *data)
    assert result.code == 0, result.err
    assert len((saved / "predict-1/predictions.tsv").read_text().splitlines()) == 11
    assert run("test", "--ckpt_path=saved", *data).code == 0
    refused = run("fit", "--ckpt_path=saved", *data)
    assert refused.code == 2
    assert "no state of training" in refused.err
    refused = run("predict", "--ckpt_path=saved")
    assert "needs a data set" in refused.err


def test_a_configuration_beside_the_weights_is_not_read(saved, run):  # noqa: F811
    (saved / "config.yaml").write_text("plugins: [nobodys_module]")
    result = run("predict", "--ckpt_path=saved", "--data=ReviewsData", "--data.limit_test=5")
    assert result.code == 0, result.err


def test_saving_again_replaces_and_nothing_else_is_touched(model, saved, monkeypatch):
    model.save_pretrained("saved")
    with monkeypatch.context() as patch:
        patch.setattr("hqlm.models.pretrained.model_card", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.save_pretrained("saved")
        with pytest.raises(ZeroDivisionError):
            model.save_pretrained("new")
    assert sorted(os.listdir()) == sorted(["cache", "saved"])
    assert torch.equal(probabilities(hqlm.load("saved")), probabilities(model))
    (saved / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match=r"holds something else \(notes.txt\)"):
        model.save_pretrained("saved")


def test_a_model_that_was_never_trained():
    model = small()
    model.configure_model()
    with pytest.raises(ConfigError, match="never trained"):
        model.save_pretrained("nowhere")


def test_a_model_of_another_class(saved):
    with pytest.raises(CheckpointError, match="holds a TextModel, not an instance of Other"):
        type("Other", (TextModel,), {}).from_pretrained(saved)


def test_a_name_that_no_hub_answers_for(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("nobody/at-all", "no such folder"):
        with pytest.raises(CheckpointError, match="hub did not return it"):
            TextModel.from_pretrained(name)


def test_a_repository_is_downloaded_at_the_revision_that_was_asked_for(saved, monkeypatch):
    asked = {}

    def download(name, **options):
        asked.update(options, name=name)
        return str(saved)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert isinstance(TextModel.from_pretrained("me/mine", revision="v2"), TextModel)
    assert (asked["name"], asked["revision"]) == ("me/mine", "v2")
    assert {"config.json", "model.safetensors", "body/*"} <= set(asked["allow_patterns"])


@pytest.mark.parametrize("place", [0.01, 0.5, 0.99])
def test_damaged_weights_are_refused(saved, place):
    path = saved / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        hqlm.load(saved)


def test_missing_and_foreign_files(saved):
    whole = config_of(saved)
    for text, message in [
        ("{", "cannot read"),
        ("[]", "model_type is 'list'"),
        ('{"model_type": "bert"}', "model_type is 'bert'"),
        ('{"model_type": "hqlm"}', "lacks class_path"),
        (json.dumps({**whole, "init_args": {}}), "lacks the text encoder"),
    ]:
        (saved / "config.json").write_text(text)
        with pytest.raises(CheckpointError, match=message):
            hqlm.load(saved)
    (saved / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"cannot read saved/config.json"):
        hqlm.load(saved)
    (saved / "config.json").write_text(json.dumps(whole))
    (saved / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"has no model.safetensors"):
        TextModel.from_pretrained(saved)


def test_other_content_of_the_text_encoder(saved):
    edit(saved, lambda config: config["init_args"]["text_encoder"]["init_args"].update(ngrams=1))
    with pytest.raises(CheckpointError, match="was trained on a text encoder of content"):
        hqlm.load(saved).predict(TEXTS)


def _in(*keys):
    def change(config, value):
        for key in keys[:-1]:
            config = config[key]
        config[keys[-1]] = value

    return change


EVIL = {"class_path": "evil.Ansatz", "init_args": {}}


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (_in("class_path"), "evil.Model"),
        (_in("init_args", "head", "init_args", "ansatz"), EVIL),
        (_in("init_args", "head", "init_args", "ansatz"), "evil.Ansatz"),
        (_in("init_args", "head", "init_args", "ansatz"), {"class_path": "os.system"}),
        (_in("init_args", "head", "init_args", "feature_encoder", "init_args", "ansatz"), EVIL),
        (_in("init_args", "head", "init_args", "feature_encoder", "init_args", "ansatz"), "evil.Ansatz"),
        (_in("init_args", "optimizer"), "evil.optimizer"),
        (_in("init_args", "optimizer"), {"class_path": "subprocess.getoutput"}),
        (_in("init_args", "optimizer", "init_args"), {"foreach": "evil.thing"}),
        (_in("init_args", "optimizer"), {"class_path": "torch.optim.AdamW", "init_args": {"other": "evil.thing"}}),
        (_in("init_args", "schedule"), "evil.schedule"),
        (_in("init_args", "head", "init_args", "execution"), "evil.Execution"),
        (_in("init_args", "head", "init_args", "execution", "noise"), "evil.Noise"),
        (_in("init_args", "head", "init_args", "execution", "noise"), {"class_path": "evil.Noise"}),
        (_in("init_args", "head", "init_args", "ablate"), [EVIL]),
        (_in("init_args", "head", "init_args", "ablate"), ["evil.word", {"class_path": "evil.Word"}]),
        (
            _in("init_args", "head", "init_args", "backend"),
            {"class_path": "hqlm.backends.qiskit.QiskitBackend", "init_args": {"device": "evil.device"}},
        ),
        (
            _in("init_args", "head", "init_args", "backend"),
            {"class_path": "hqlm.backends.cirq_sampler.CirqSamplerBackend", "init_args": {"sampler": "evil.sampler"}},
        ),
        (
            _in("init_args", "head", "init_args", "ansatz"),
            {"class_path": "hqlm.circuits.ansatze.ring.RingAnsatz", "dict_kwargs": {"x": "evil.thing"}},
        ),
    ],
)
def test_a_folder_imports_nothing_that_it_names(saved, monkeypatch, change, value):
    Path("evil.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.syspath_prepend(".")
    edit(saved, lambda config: change(config, value))
    for load in (hqlm.load, TextModel.from_pretrained):
        with pytest.raises(CheckpointError):
            load(saved)
    assert not Path("ran").exists()


def test_a_component_of_a_plugin_is_imported_when_it_is_asked_for(saved, monkeypatch):
    Path("my_plugin_of_the_test.py").write_text(
        "from dataclasses import dataclass\n"
        "from hqlm.circuits import RingAnsatz\n"
        "@dataclass(frozen=True)\n"
        "class MyRing(RingAnsatz):\n"
        "    pass\n"
    )
    monkeypatch.syspath_prepend(".")
    ring = config_of(saved)["init_args"]["head"]["init_args"]["ansatz"]
    mine = {"class_path": "my_plugin_of_the_test.MyRing", "init_args": ring["init_args"]}
    expected = probabilities(hqlm.load(saved))
    edit(saved, lambda config: config["init_args"]["head"]["init_args"].update(ansatz=mine))
    with pytest.raises(CheckpointError, match=r"plugins=\['my_plugin_of_the_test'\]"):
        TextModel.from_pretrained(saved)
    model = TextModel.from_pretrained(saved, plugins=["my_plugin_of_the_test"])
    assert torch.equal(probabilities(model), expected)
    with pytest.raises(PluginError, match="cannot import the plugin 'no_such_module'"):
        TextModel.from_pretrained(saved, plugins=["no_such_module"])


def test_a_device_is_trusted_when_its_module_is_asked_for():
    options = {"device": "my_lab.device"}
    config = {"class_path": "hqlm.backends.qiskit.QiskitBackend", "init_args": options}
    with pytest.raises(CheckpointError, match=r"my_lab\.device"):
        check_trusted(config, Path("config.json"))
    check_trusted(config, Path("config.json"), plugins=["my_lab"])
    options["device"] = "aer"
    check_trusted(config, Path("config.json"))


def test_whatever_is_shipped_is_trusted():
    shipped = [component for slot in SLOTS.values() for component in slot.values() if issubclass(component, Component)]
    schedulers = [torch.optim.lr_scheduler.StepLR, torch.optim.lr_scheduler.ReduceLROnPlateau]
    for kind in (*shipped, *torch.optim.Optimizer.__subclasses__(), *schedulers):
        check_trusted({"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": {}}, Path("c"))
    check_trusted(to_primitives(PennyLaneBackend("lightning.qubit", (("method", "a.b"),)), "backend"), Path("c"))
    check_trusted(to_primitives(SentenceTransformerEncoder("my.org/my.model"), "text_encoder"), Path("c"))


def test_a_saved_folder_can_be_moved(saved):
    before = probabilities(hqlm.load(saved))
    shutil.move(saved, "elsewhere")
    assert torch.equal(probabilities(hqlm.load("elsewhere")), before)
