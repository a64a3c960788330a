"""Files are data: whatever a checkpoint, a run folder or a study folder names, nothing of it is imported or called."""

import copy
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint

import hqlm
from hqlm.commands import main
from hqlm.config.sources import read_config
from hqlm.data import HubData
from hqlm.errors import DataError, HqlmError
from hqlm.models import TextModel
from hqlm.models.restoring import check_model
from hqlm.models.trust import check_run
from tests.commands.conftest import SMALL, TINY
from tests.kernels import share_kernels

PAYLOAD = """
import pathlib
pathlib.Path({ran!r}).touch()
import dataclasses, lightning, torch
import hqlm.data, hqlm.models, hqlm.circuits, hqlm.backends, hqlm.encoders, hqlm.registry, hqlm.execution

def call(*args, **kwargs):
    raise SystemExit(77)

class Optimizer(torch.optim.AdamW): pass
class Callback(lightning.Callback): pass
class Model(hqlm.models.TextModel): pass

@dataclasses.dataclass(frozen=True)
class Ansatz(hqlm.circuits.RingAnsatz): pass
"""
MODULE = "payload_of_a_stranger"
NAMES = [f"{MODULE}.call", f"{MODULE}.Ansatz", f"{MODULE}.Optimizer"]


def leaves(value, path=()):
    """Paths of all keys below `value`, and of the values themselves."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    yield path


def put(value, path, new):
    """`value` with `new` at a path."""
    if not path:
        return new
    return {**value, path[0]: put(value[path[0]], path[1:], new)}


def with_option(hparams, option, value):
    """Hyperparameters in which an option of the model, or of its head, has another value."""
    name, _, inner = option.partition(".")
    if not inner:
        return {**hparams, name: value}
    return put(hparams, (name, "init_args", inner), value)


def ways(value, path):
    """Each way in which a stranger can name something at a path."""
    for name in NAMES:
        yield name
        yield {"class_path": name}
        yield {"class_path": name, "init_args": {}}
        yield [name, {"class_path": name}]
        escaped = name.replace(".", "\\x2e")
        yield f'{{"class_path": "{escaped}"}}'
        yield f'["class_path":{name}]'
        yield f"class_path:\x85 {name}"
    yield {"class_path": "os.system", "init_args": {"command": "touch ran"}}
    yield {"class_path": "os.abort"}
    yield "os.abort"
    yield "innocent"  # the name of a file
    here = value
    for key in path:
        here = here[key]
    if isinstance(here, dict) and "init_args" in here:
        yield {**here, "init_args": {**here["init_args"], "other": {"class_path": NAMES[0]}}}
        yield {**here, "init_args": {**here["init_args"], "other": NAMES[0]}}
        yield {**here, "dict_kwargs": {"other": NAMES[0]}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a trained run, a kernel model, and a study."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HQLM_CACHE", str(folder / "cache"))
        share_kernels(folder / "cache")
        assert main(["fit", *TINY, "--trainer.max_epochs=1", "--name=tiny", "--trainer.callbacks+=EarlyStopping",
                     "--trainer.callbacks.monitor=val/loss", "--model.schedule=torch.optim.lr_scheduler.StepLR",
                     "--model.schedule.step_size=1"]) == 0  # fmt: skip
        kernel = [flag for flag in SMALL if "epochs" not in flag]
        assert main(["fit", "--model.head=KernelHead", *kernel, "--name=kernel"]) == 0
        base = yaml.safe_load(Path("runs/tiny/config.yaml").read_text())
        base["trainer"] = {"max_epochs": 1, "accelerator": "cpu"}
        Path("base.yaml").write_text(yaml.safe_dump(base))
        study = {
            "base": "base.yaml",
            "design": "FullFactorial",
            "factors": {"model.head.feature_encoder.n_layers": [1, 2]},
        }
        Path("tiny.yaml").write_text(yaml.safe_dump({**study, "seeds": [0]}))
        assert main(["study", "run", "--config=tiny.yaml"]) == 0
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of it as the working directory, which can be imported from, with payloads everywhere."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "runs/tiny"), *sys.path])
    for file in (tmp_path / "runs/tiny/checkpoints").iterdir():  # the run moves with its folder
        whole = torch.load(file, weights_only=True)
        for state in whole["callbacks"].values():
            if "dirpath" in state:
                state["dirpath"] = str(file.parent.resolve())
        torch.save(whole, file)
    for folder in (tmp_path, tmp_path / "runs/tiny", tmp_path / "studies/tiny"):
        (folder / f"{MODULE}.py").write_text(PAYLOAD.format(ran=str(tmp_path / "ran")))
        (folder / "innocent").write_text(json.dumps({"class_path": NAMES[1]}))
    yield tmp_path
    imported = sys.modules.pop(MODULE, None)  # or other tests would find it
    assert imported is None
    assert not (tmp_path / "ran").exists()


def mistake(call):
    """What a call says is wrong; nothing where it succeeds."""
    try:
        call()
    except HqlmError as err:
        return str(err)
    return ""


def checkpoint_of(name, choose="best*"):
    (file,) = Path(f"runs/{name}/checkpoints").glob(f"{choose}.ckpt")
    return file, torch.load(file, weights_only=True)


@pytest.mark.parametrize("name", ["tiny", "kernel"])
def test_no_field_of_a_checkpoint_is_imported_or_called(here, name):
    file, whole = checkpoint_of(name)
    hparams = dict(whole["hyper_parameters"])
    check_model(hparams, file)
    for path in leaves(hparams):
        if not path or path[0] == "_instantiator":
            continue
        accepted = []
        for value in ways(hparams, path):
            changed = put(hparams, path, value)
            if not mistake(lambda: check_model(changed, file)):  # noqa: B023 (called at once)
                accepted.append((value, changed))
        assert all(isinstance(value, str) for value, _ in accepted), path  # text, where text alone can stand
        for _, changed in accepted[:1]:
            torch.save({**whole, "hyper_parameters": changed}, file)
            mistake(lambda: hqlm.load(file).predict(["a text"]))
        assert not (here / "ran").exists(), path
        assert MODULE not in sys.modules, path


EVIL = {"class_path": f"{MODULE}.call"}
PLACES = [
    ("optimizer", EVIL),
    ("optimizer", {"class_path": "os.system", "init_args": {"command": "touch ran"}}),
    ("optimizer", {"class_path": f"{MODULE}.Optimizer"}),
    ("schedule", {"class_path": "os.abort"}),
    ("schedule", f"{MODULE}.call"),
    (
        "head.backend",
        {"class_path": "hqlm.backends.cirq_sampler.CirqSamplerBackend", "init_args": {"sampler": "os.abort"}},
    ),
    ("head.backend", {"class_path": "hqlm.backends.qiskit.QiskitBackend", "init_args": {"device": f"{MODULE}.call"}}),
    ("text_encoder", EVIL),
    ("head", EVIL),
    ("task", EVIL),
    ("head.ansatz", EVIL),
    ("head.execution", {"noise": EVIL}),
    ("_class_path", f"{MODULE}.Model"),
    ("_class_path", "os.abort"),
    ("zzz", 1),
    ("zzz", f"{MODULE}.call"),
    ("plugins", [MODULE]),
]
COMMANDS = [
    ["test", "--ckpt_path=tiny"],
    ["validate", "--ckpt_path=tiny"],
    ["predict", "--ckpt_path=tiny"],
    ["fit", "--ckpt_path=tiny", "--trainer.max_epochs=2"],
    ["fit", "--ckpt_path=runs/tiny/checkpoints/last.ckpt", "--trainer.max_epochs=2"],
]


@pytest.mark.parametrize(("option", "value"), PLACES)
def test_no_command_imports_or_calls_what_a_checkpoint_names(here, option, value, capfd):
    for choose in ("best*", "last"):
        file, whole = checkpoint_of("tiny", choose)
        torch.save({**whole, "hyper_parameters": with_option(whole["hyper_parameters"], option, value)}, file)
    for command in COMMANDS:
        assert main(command) == 2
        error = capfd.readouterr().err
        assert "Traceback" not in error
        assert len(error) < 2000
    message = mistake(lambda: hqlm.load("tiny"))
    assert message
    assert mistake(lambda: TextModel.load_from_checkpoint(file))
    if str(value).count(MODULE) and option not in ("zzz", "plugins"):
        assert f"plugins=['{MODULE}']" in message
    if option == "zzz":
        assert "another version" in message


@pytest.mark.parametrize("section", ["model", "data", "trainer"])
def test_no_field_of_the_configuration_of_a_run_is_imported_or_called(here, section, capfd, monkeypatch):
    path = Path("runs/tiny/config.yaml")
    config = read_config(path)
    check_run(config, path)
    free = 0
    for where in leaves(config[section]):
        for value in ways(config[section], where):
            changed = {section: put(config[section], where, value)}
            if mistake(lambda: check_run(changed, path)):  # noqa: B023 (called at once)
                continue
            assert isinstance(value, str), (where, value)  # text, where text alone can stand
            free += 1
    assert free < 250


@pytest.mark.parametrize(
    "change",
    [
        {"plugins": [MODULE]},
        {"plugins": MODULE},
        {"plugins": {"class_path": NAMES[0]}},
        {"data": {"class_path": f"{MODULE}.call"}},
        {"data": f"{MODULE}.call"},
        {"data": "innocent"},
        {"seed_everything": f"{MODULE}.call"},
    ],
)
def test_no_command_imports_or_calls_what_the_configuration_of_a_run_names(here, change, capfd):
    path = Path("runs/tiny/config.yaml")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    for command in COMMANDS:
        assert main(command) == 2
        error = capfd.readouterr().err
        assert "Traceback" not in error
        if change == {"plugins": [MODULE]}:
            assert f"add --plugins=[{MODULE}]" in error


@pytest.mark.parametrize(
    "change",
    [
        {"trainer": {"callbacks": [{"class_path": f"{MODULE}.Callback"}]}},
        {"trainer": {"callbacks": f"{MODULE}.Callback"}},
        {"trainer": {"callbacks": [{"class_path": "lightning.pytorch.callbacks.LambdaCallback",
                                    "init_args": {"on_fit_start": "os.abort"}}]}},
        {"trainer": {"logger": {"class_path": "os.abort"}}},
        {"trainer": {"logger": "innocent"}},
        {"trainer": {"strategy": f"{MODULE}.call"}},
        {"trainer": {"strategy": "innocent"}},
        {"trainer": {"plugins": [{"class_path": "lightning.pytorch.plugins.io.TorchCheckpointIO"}]}},
        {"trainer": {"profiler": {"class_path": f"{MODULE}.call"}}},
        {"trainer": "innocent"},
        {"config": "innocent"},
        {"model": "innocent"},
        {"zzz": {"class_path": f"{MODULE}.call"}},
    ],
)  # fmt: skip
def test_going_on_with_a_run_imports_and_calls_nothing(here, change, capfd):
    path = Path("runs/tiny/config.yaml")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    assert main(["fit", "--ckpt_path=tiny", "--trainer.max_epochs=2"]) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_an_option_that_is_imported_is_not_inherited_from_another_class(here, capfd):
    file, whole = checkpoint_of("tiny")
    backend = {"class_path": "hqlm.backends.pennylane.PennyLaneBackend", "init_args": {"device": f"{MODULE}.call"}}
    torch.save({**whole, "hyper_parameters": with_option(whole["hyper_parameters"], "head.backend", backend)}, file)
    assert (
        main(["test", "--ckpt_path=tiny", "--model.head.backend=QiskitBackend", "--model.head.execution.shots=10"]) == 2
    )
    assert "Set --model.head.backend.device" in capfd.readouterr().err


STUDY_COMMANDS = [["study", "report", "tiny"], ["study", "publish", "tiny", "--mode=offline"]]


@pytest.mark.parametrize(
    "change",
    [
        {"plugins": [MODULE]},
        {"design": f"{MODULE}.call"},
        {"design": {"class_path": f"{MODULE}.call"}},
        {"design": "innocent"},
        {"executor": {"class_path": f"{MODULE}.call"}},
        {"executor": {"class_path": "hqlm.studies.executors.local.LocalExecutor", "init_args": {"n_workers": EVIL}}},
        {"seeds": EVIL},
        {"config": "innocent"},
        {"zzz": EVIL},
    ],
)
def test_no_command_imports_or_calls_what_a_study_names(here, change, capfd):
    path = Path("studies/tiny/study.yaml")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    for command in STUDY_COMMANDS:
        assert main(command) == 2
        assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("key", ["factors", "overrides"])
def test_what_a_study_varies_is_not_made_for_its_report(here, key):
    path = Path("studies/tiny/study.yaml")
    study = yaml.safe_load(path.read_text())
    values = [EVIL, {"init_args": EVIL}, *ways({}, ())]
    for value in values:
        path.write_text(
            yaml.safe_dump({**study, key: {**study[key], "model.head.ansatz": [value, f"{MODULE}.Ansatz"]}})
        )
        main(STUDY_COMMANDS[0])  # its factors do not fit the trials: that it says so or not is no matter here
        assert MODULE not in sys.modules, value


@pytest.mark.parametrize(("option", "value"), PLACES)
def test_a_report_imports_and_calls_nothing_that_a_trial_names(here, option, value):
    for file in Path("studies/tiny/trials").glob("*/checkpoints/*.ckpt"):
        whole = torch.load(file, weights_only=True)
        torch.save({**whole, "hyper_parameters": with_option(whole["hyper_parameters"], option, value)}, file)
    assert main(STUDY_COMMANDS[0]) == 0
    assert "No circuit is drawn" in Path("studies/tiny/report.md").read_text()


def test_publishing_imports_and_calls_nothing_that_a_trial_names(here, capfd):
    for path in Path("studies/tiny/trials").glob("*/config.yaml"):
        config = yaml.safe_load(path.read_text())
        config["trainer"]["callbacks"] = [{"class_path": f"{MODULE}.Callback"}]
        path.write_text(yaml.safe_dump(config))
    assert main(STUDY_COMMANDS[1]) == 2


def test_plugins_are_imported_on_the_word_of_the_user_alone(here, capfd, monkeypatch):
    name = "payload_of_a_friend"
    Path(f"{name}.py").write_text(Path(f"{MODULE}.py").read_text().replace("touch()", "exists()"))
    for choose in ("best*", "last"):
        file, whole = checkpoint_of("tiny", choose)
        hparams = copy.deepcopy(dict(whole["hyper_parameters"]))
        hparams["head"]["init_args"]["ansatz"]["class_path"] = f"{name}.Ansatz"
        hparams["optimizer"] = {"class_path": f"{name}.Optimizer", "init_args": {"lr": 0.1}}
        torch.save({**whole, "hyper_parameters": hparams}, file)
    path = Path("runs/tiny/config.yaml")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "plugins": [name]}))
    assert main(["test", "--ckpt_path=tiny"]) == 2
    error = capfd.readouterr().err
    assert "add --plugins=" in error, error
    flag = re.search(r"add (--plugins=\S+)", error)[1]
    with pytest.raises(HqlmError, match=name):
        hqlm.load("tiny")
    assert name not in sys.modules
    try:
        assert main(["test", "--ckpt_path=tiny", flag]) == 0, capfd.readouterr().err
        assert isinstance(hqlm.load("tiny", plugins=[name]), TextModel)
    finally:
        sys.modules.pop(name, None)


def test_loading_makes_no_optimizer_and_no_schedule(here, monkeypatch):
    def fail(self, *args, **kwargs):
        raise AssertionError("an optimizer was made")

    monkeypatch.setattr(torch.optim.Optimizer, "__init__", fail)
    expected = checkpoint_of("tiny")[1]["hyper_parameters"]
    model = hqlm.load("tiny")
    model.predict(["a text"])
    assert {name: model.hparams[name] for name in ("optimizer", "schedule")} == {
        name: expected[name] for name in ("optimizer", "schedule")
    }
    for command in ("test", "validate", "predict"):
        assert main([command, "--ckpt_path=tiny"]) == 0


ABSENT = object()
WRONG = [
    ("state_dict", 5), ("state_dict", None), ("state_dict", {"weight": "text"}), ("state_dict", {1: torch.zeros(1)}),
    ("state_dict", {}), ("loops", 5), ("loops", {}), ("loops", {"fit_loop": 3}), ("callbacks", [1]),
    ("callbacks", {"LastCheckpoint": 3}), ("optimizer_states", [3]), ("optimizer_states", "text"),
    ("lr_schedulers", [{"a": 1}]), ("pytorch-lightning_version", 3), ("pytorch-lightning_version", "text"),
    ("epoch", "text"), ("global_step", None), ("hyper_parameters", 3), ("hyper_parameters", {"_class_path": 3}),
    ("hyper_parameters", {3: 4, "_class_path": "hqlm.models.text_model.TextModel"}), ("text_encoder_key", 4),
    ("planned_steps", "many"), ("epoch", ABSENT), ("loops", ABSENT), ("pytorch-lightning_version", ABSENT),
    ("optimizer_options", 3), ("optimizer_options", [3]), ("lr_schedulers", [3]), ("callbacks", {}),
    ("hyper_parameters.class_names", 3), ("state_dict.layer._extra_state", None),
    ("state_dict.layer._extra_state", torch.zeros(2)), ("state_dict.layer._extra_state", torch.tensor(1.5)),
    ("callbacks.RandomState", {}), ("callbacks.RandomState.python", 3), ("callbacks.RandomState.numpy", ["MT19937", 3]),
    ("callbacks.RandomState.torch", torch.zeros(2)), ("callbacks.RandomState.cuda", ["text"]),
    ("callbacks.TrainingTime.seconds", "text"), ("callbacks.StepTime.seconds", [1]),
    ("callbacks.EarlyStopping", {"wait_count": "text"}), ("callbacks.EarlyStopping.wait_count", "text"),
    ("callbacks.BestCheckpoint.best_k_models", {"a": "b"}), ("callbacks.BestCheckpoint.best_model_score", "text"),
    ("callbacks.BestCheckpoint.best_model_path", 3), ("callbacks.BestCheckpoint.best_k_models", [1]),
    ("callbacks.BestCheckpoint.last_model_path", [1]), ("callbacks.BestCheckpoint.best_k_models", {3: None}),
    ("loops.fit_loop.epoch_progress.current", "text"),
    ("loops.fit_loop.epoch_progress.current.completed", "text"), ("loops.fit_loop.state_dict", 3),
    ("loops.fit_loop.epoch_loop.batch_progress.total.ready", None), ("optimizer_states.0.state.0.step", "text"),
    ("optimizer_states.0.state.0.exp_avg", torch.zeros(7)), ("optimizer_states.0.param_groups.0.lr", "text"),
    ("optimizer_states.0.param_groups.0.betas", 3), ("optimizer_states.0.param_groups.0", {}),
]  # fmt: skip


def changed(whole, key, new):
    """A checkpoint with `new` at a dotted key, whose parts may be the ends of names."""
    first, _, rest = key.partition(".")
    if isinstance(whole, list):
        return [changed(item, rest, new) if rest else new for item in whole]
    names = [name for name in whole if str(name) == first or (isinstance(name, str) and name.split("{")[0] == first)]
    if not names:
        names = [name for name in whole if isinstance(name, str) and name.endswith(key)] or [key]
        rest = ""
    value = changed(whole[names[0]], rest, new) if rest else new
    kept = {name: item for name, item in whole.items() if name != names[0]}
    return kept if value is ABSENT else {**kept, names[0]: value}


@pytest.mark.parametrize(
    ("key", "value"),
    [pytest.param(key, value, marks=[pytest.mark.slow] if "." in key else []) for key, value in WRONG],
)
def test_wrong_types_in_a_checkpoint_end_in_a_sentence(here, key, value, capfd):
    for choose in ("best*", "last"):
        file, whole = checkpoint_of("tiny", choose)
        torch.save(changed(whole, key, value), file)
    for command in COMMANDS[:1] + COMMANDS[4:]:
        code = main(command)
        error = capfd.readouterr().err
        assert code in (0, 2)  # what is not needed may be wrong
        assert "Traceback" not in error
        assert len(error) < 2000
    assert len(mistake(lambda: hqlm.load("tiny").predict(["a text"]))) < 1500


def test_a_checkpoint_that_would_have_files_deleted_is_refused(here, capfd):
    file, whole = checkpoint_of("tiny", "last")
    victim = here / "victim"
    victim.touch()
    folder = str((here / "runs/tiny/checkpoints").absolute())
    for name, state in whole["callbacks"].items():
        if "ModelCheckpoint" in name or "Checkpoint" in name:
            path = f"{folder}/../../../victim"
            state |= {"dirpath": folder, "best_k_models": {path: torch.tensor(-1.0)}, "kth_best_model_path": path}
    torch.save(whole, file)
    assert main(["fit", "--ckpt_path=runs/tiny/checkpoints/last.ckpt", "--trainer.max_epochs=3"]) == 2
    assert victim.exists()


@pytest.mark.parametrize("path", ["{here}/victim", "local://{here}/victim", "{folder}/link/victim", "{folder}/victims"])
def test_nothing_but_checkpoints_of_a_run_is_removed_by_it(here, path, capfd):
    file, whole = checkpoint_of("tiny", "last")
    folder = (here / "runs/tiny/checkpoints").absolute()
    (folder / "link").symlink_to(here)
    (folder / "victims").mkdir()
    victims = [here / "victim", folder / "victims/victim"]
    for victim in victims:
        victim.touch()
    path = path.format(here=here, folder=folder)
    (best,) = (state for name, state in whole["callbacks"].items() if name.startswith("BestCheckpoint"))
    best |= {"dirpath": str(folder), "best_k_models": {path: torch.tensor(-1.0)}, "kth_best_model_path": path}
    best |= {"kth_value": torch.tensor(-1.0), "best_model_path": path, "last_model_path": path}
    torch.save(whole, file)
    code = main(["fit", "--ckpt_path=runs/tiny/checkpoints/last.ckpt", "--trainer.max_epochs=3"])
    assert code == (2 if "link" in path else 0)
    assert all(victim.exists() for victim in victims)


def test_a_configuration_cannot_have_files_of_others_removed(here):
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other.ckpt").touch()
    path = Path("runs/tiny/config.yaml")
    config = yaml.safe_load(path.read_text())
    keeper = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
              "init_args": {"dirpath": str(elsewhere), "monitor": "val/loss", "save_top_k": 1}}  # fmt: skip
    path.write_text(yaml.safe_dump({**config, "trainer": {**config["trainer"], "callbacks": [keeper]}}))
    file, whole = checkpoint_of("tiny", "last")
    key = ModelCheckpoint(dirpath=elsewhere, monitor="val/loss").state_key
    (best,) = (state for name, state in whole["callbacks"].items() if name.startswith("BestCheckpoint"))
    victim = str(elsewhere / "other.ckpt")
    state = {"dirpath": str(elsewhere), "best_k_models": {victim: torch.tensor(99.0)}, "kth_best_model_path": victim}
    whole["callbacks"][key] = {**best, **state, "kth_value": torch.tensor(99.0), "best_model_path": victim}
    torch.save(whole, file)
    assert main(["fit", "--ckpt_path=runs/tiny/checkpoints/last.ckpt", "--trainer.max_epochs=3"]) == 0
    assert Path(victim).exists()
    assert len(list(elsewhere.iterdir())) == 2  # its own earlier ones are removed


def test_times_as_text_neither_prevent_testing_nor_going_on(here, capfd):
    path = Path("runs/tiny/config.yaml")
    config = yaml.safe_load(path.read_text())
    callbacks = [
        {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
         "init_args": {"train_time_interval": "0:15:00", "dirpath": "other"}},
        {"class_path": "lightning.pytorch.callbacks.Timer", "init_args": {"duration": "00:12:00:00"}},
    ]  # fmt: skip
    times = {"max_time": "00:12:00:00", "val_check_interval": "00:00:15:00", "callbacks": callbacks}
    check_run({**config, "trainer": {**config["trainer"], **times}}, path)
    times["max_time"] = {"minutes": 12}
    check_run({**config, "trainer": {**config["trainer"], **times}}, path)
    del times["val_check_interval"], times["callbacks"]
    for max_time in ("00:12:00:00", {"minutes": 12}):
        path.write_text(yaml.safe_dump({**config, "trainer": {**config["trainer"], "max_time": max_time}}))
        assert main(["test", "--ckpt_path=tiny"]) == 0, capfd.readouterr().err
        assert main(["fit", "--ckpt_path=tiny", "--trainer.max_epochs=2"]) == 0, capfd.readouterr().err


def test_a_folder_named_like_an_option_is_no_obstacle_and_a_file_is_named(here, capfd):
    for name in ("auto", "cpu", "constant", "cosine"):
        Path(name).mkdir()
    assert main(["fit", "--ckpt_path=tiny", "--trainer.max_epochs=2"]) == 0, capfd.readouterr().err
    Path("auto").rmdir()
    Path("auto").write_text("class_path: lightning.pytorch.strategies.SingleDeviceStrategy")
    for command in (["fit", "--ckpt_path=tiny", "--trainer.max_epochs=3"], ["test", "--ckpt_path=tiny"]):
        main(command)
        error = capfd.readouterr().err
        assert "a file 'auto' is in the working directory" in error or command[0] == "test"
        assert "--plugins" not in error


def test_no_data_set_is_read_from_pickles():
    with pytest.raises(DataError, match="pickles"):
        HubData("pandas").read("train")
