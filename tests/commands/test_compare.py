"""A comparison as a user sees it: its table from the saved predictions, the same rows for all, and going on."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

import hqlm
from hqlm.commands import main
from hqlm.errors import ConfigError, RunError
from hqlm.heads import LinearHead, MLPHead, QuantumHead
from hqlm.studies.comparison.baselines import LEARNING_RATES
from hqlm.studies.comparison.compare import plan_comparison
from hqlm.studies.comparison.outcomes import read_predictions
from hqlm.studies.store import trial_folder
from tests.commands.conftest import TINY

stats = pytest.importorskip("scipy.stats")
metrics = pytest.importorskip("sklearn.metrics")
multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests

INLINE = ["--plugins=tests.studies.inline", "--executor=InlineExecutor"]  # spares the start of processes
ENCODER = ["--model.text_encoder=HashingEncoder", "--model.text_encoder.dim=15"]
FEW = [
    *[flag for flag in TINY if "limit_train" not in flag and "limit_test" not in flag and "epochs" not in flag],
    "--trainer.max_epochs=1",
    "--seeds=0",
    "--heads=LogisticRegressionHead",
    *INLINE,
    "--data.samples_per_class=8",
]
STOP = """
from pathlib import Path
from types import SimpleNamespace
from lightning.pytorch import Callback

class Stop(Callback):
    def on_train_batch_start(self, trainer, *args):
        if trainer.current_epoch == 1 and Path("stop").exists():
            raise KeyboardInterrupt
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The folder of a comparison of two seeds with three baselines."""
    folder = tmp_path_factory.mktemp("compared")
    flags = [flag for flag in TINY if "limit_test" not in flag]
    heads = "--heads=[LogisticRegressionHead, RBFSVMHead, MatchedHead]"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HQLM_CACHE", str(folder / "cache"))
        assert main(["compare", *flags, "--data.limit_test=150", "--name=both", "--seeds=0,1", heads, *INLINE]) == 0
    return folder / "studies/both"


@pytest.fixture
def rows(compared):
    """predictions.tsv, by model and seed, as (label, predicted, probabilities)."""
    with (compared / "predictions.tsv").open(newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found = {}
    for row in table:
        found.setdefault((row["model"], row["seed"]), []).append(
            (row["label"], row["predicted"], [float(row["p_negative"]), float(row["p_positive"])])
        )
    return found


@pytest.fixture
def models(compared):
    return {each["model"]: each for each in json.loads((compared / "comparison.json").read_text())["models"]}


def correct(rows, model):
    return np.array([[label == said for label, said, _ in own] for (name, _), own in rows.items() if name == model])


def test_every_model_and_seed_is_in_the_predictions(rows):
    runs = [("QuantumHead", "0"), ("QuantumHead", "1"), ("LogisticRegressionHead", ""), ("RBFSVMHead", "")]
    assert list(rows) == [*runs, ("MatchedHead", "0"), ("MatchedHead", "1")]
    assert {len(own) for own in rows.values()} == {150}
    assert len({tuple(label for label, *_ in own) for own in rows.values()}) == 1
    for own in rows.values():
        assert all(said == ("negative", "positive")[int(np.argmax(p))] for _, said, p in own)


def test_figures_follow_from_the_predictions(rows, models):
    for name, summary in models.items():
        runs = [own for (model, _), own in rows.items() if model == name]
        scores, errors = [], []
        for own in runs:
            labels, said, table = zip(*own, strict=True)
            scores.append(metrics.f1_score(labels, said, average="macro"))
            errors.append(calibration_error(np.array(table), np.array(labels) == np.array(said)))
        assert summary["accuracy"]["mean"] == pytest.approx(correct(rows, name).mean())
        assert summary["f1"] == pytest.approx(np.mean(scores))
        assert summary["calibration_error"] == pytest.approx(np.mean(errors), abs=1e-6)
        share = correct(rows, name).mean(0)
        interval = stats.bootstrap((share,), np.mean, method="percentile", rng=5).confidence_interval
        assert summary["accuracy"]["low"] == pytest.approx(interval.low, abs=0.01)
        assert summary["accuracy"]["high"] == pytest.approx(interval.high, abs=0.01)


def calibration_error(table, right):
    confidence = table.max(1)
    bins = np.clip(np.ceil(confidence * 15) - 1, 0, 14)
    own = [bins == number for number in range(15)]
    return sum(place.mean() * abs(right[place].mean() - confidence[place].mean()) for place in own if place.any())


def test_differences_and_p_values_follow_from_the_predictions(rows, models):
    names = [name for name in models if name != "QuantumHead"]
    generator = np.random.default_rng(7)
    for name in names:
        difference = correct(rows, "QuantumHead").mean(0) - correct(rows, name).mean(0)
        tosses = generator.choice((-1.0, 1.0), size=(20_000, len(difference)))
        p = np.mean(np.abs(tosses @ difference) >= abs(difference.sum()) - 1e-9)
        found = models[name]["difference"]
        assert found["mean"] == pytest.approx(difference.mean())
        assert found["p"] == pytest.approx(p, abs=4 * np.sqrt(0.25 / 10_000))
        paired = models[name]["difference_over_runs"]
        one, other = correct(rows, "QuantumHead").mean(1), np.broadcast_to(correct(rows, name).mean(1), 2)
        if np.ptp(one - other) > 1e-12:
            result = stats.ttest_rel(one, other)
            assert paired["estimate"]["p"] == pytest.approx(result.pvalue)
            assert paired["estimate"]["low"] == pytest.approx(result.confidence_interval().low)
        assert paired["wilcoxon"] is None
    raw = [models[name]["difference"]["p"] for name in names]
    assert [models[name]["p_holm"] for name in names] == pytest.approx(multipletests(raw, method="holm")[1])


def test_the_table_says_in_words_what_it_found(compared, models):
    text = (compared / "table.md").read_text()
    for name, summary in models.items():
        assert f"| {name} " in text
        if name != "QuantumHead":
            significant = summary["p_holm"] <= 0.05
            assert (f"QuantumHead and {name} is not significant" in text) == (not significant)
    assert "over the 150 test rows" in text
    assert "over seeds by Student's t" in text


def test_parameters_are_counted(compared, models):
    assert models["LogisticRegressionHead"]["parameters"] == 15 + 1
    assert models["QuantumHead"]["parameters"] == 48
    assert abs(models["MatchedHead"]["parameters"] - 48) <= 1
    assert models["RBFSVMHead"]["counted"] == "support vectors"
    assert 2 <= models["RBFSVMHead"]["parameters"] <= 64


def config_of(compared, trial):
    return yaml.safe_load((trial_folder(compared, trial) / "config.yaml").read_text())


@pytest.fixture
def design(compared):
    """design.csv as (trial, head, learning rate, seed, validation accuracy)."""
    with (compared / "design.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        (
            row["trial"],
            json.loads(row["model.head"]),
            float(row["model.optimizer.lr"]) if row["model.optimizer.lr"] else None,
            int(row["seed"]),
            json.loads((trial_folder(compared, row["trial"]) / "trial.json").read_text())["metrics"]["val/acc"],
        )
        for row in rows
    ]


def test_a_run_is_that_of_fit_and_test(compared, design, run):
    flags = [flag for flag in TINY if "limit_test" not in flag]
    assert run("fit", *flags, "--data.limit_test=150", "--name=alone", "--seed_everything=1").code == 0
    assert run("test", "--ckpt_path=alone").code == 0
    [trial] = [trial for trial, head, _, seed, _ in design if head == "QuantumHead" and seed == 1]
    paths = (Path("runs/alone"), trial_folder(compared, trial))
    states = [torch.load(path / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for path in paths]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    alone = Path("runs/alone/test-1/predictions.tsv").read_text()
    assert (paths[1] / "test/predictions.tsv").read_text() == alone


def test_the_best_learning_rate_on_the_validation_rows_goes_on_the_smallest_of_equals(design, models):
    tried = [(lr, score) for _, head, lr, seed, score in design if head == "MatchedHead" and seed == 0]
    assert [lr for lr, _ in tried] == list(LEARNING_RATES)
    best = min(lr for lr, score in tried if score == max(score for _, score in tried))
    assert models["MatchedHead"]["chosen"] == [f"lr={best:g}"]
    assert [lr for _, head, lr, seed, _ in design if head == "MatchedHead" and seed == 1] == [best]


def test_baselines_differ_from_the_reference_in_head_and_optimizer_alone(compared, design):
    whole = {(head, lr, seed): config_of(compared, trial) for trial, head, lr, seed, _ in design}
    reference = whole["QuantumHead", None, 0]
    for (head, lr, seed), config in whole.items():
        assert config["seed_everything"] == seed
        assert config["data"] == reference["data"]
        options, own = reference["model"]["init_args"], config["model"]["init_args"]
        assert own["head"]["class_path"].endswith(f".{head}")
        assert lr is None or own["optimizer"]["init_args"]["lr"] == lr
        assert {**own, "head": 0, "optimizer": 0} == {**options, "head": 0, "optimizer": 0}


def test_an_interrupted_comparison_goes_on(run, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    Path("stop_once.py").write_text(STOP)
    flags = ["--name=broken", "--seeds=3", "--heads=LogisticRegressionHead", "--trainer.callbacks=[stop_once.Stop]"]
    Path("stop").touch()
    first = run("compare", *TINY, *flags, *INLINE)
    assert (first.code, "interrupted" in first.err) == (130, True)
    Path("stop").unlink()
    second = run("compare", *TINY, *flags, *INLINE)
    assert second.code == 0, second.err
    logs = [path.read_text() for path in Path("studies/broken/trials").glob("*/log.txt")]
    assert sum("after epoch 0" in log for log in logs) == 1
    third = run("compare", *TINY, *flags, *INLINE)
    assert (third.code, "[" in third.out.split("studies/broken\n")[1][:1]) == (0, False)  # nothing was left to run
    assert third.out.split("| model")[1] == second.out.split("| model")[1]


def test_draws_are_the_unit_where_they_are_asked_for(run):
    result = run("compare", *FEW, "--draws=2", "--name=draws")
    assert result.code == 0, result.err
    folder = Path("studies/draws")
    assert "difference [draws]" in (folder / "table.md").read_text()
    rows = json.loads((folder / "comparison.json").read_text())["rows"]
    assert rows["0"]["train"] != rows["1"]["train"]
    assert rows["0"]["test"] == rows["1"]["test"]
    assert len(list(folder.glob("trials/*"))) == 4
    again = run("compare", *FEW, "--draws=3", "--name=draws")  # one more draw is added to what is there
    assert again.code == 0, again.err
    assert len(list(folder.glob("trials/*"))) == 6


def test_three_classes_with_names(run):
    Path("data").mkdir()
    words = ("bank money", "river water", "tree wood")
    for split, count in (("train", 60), ("dev", 30), ("test", 45)):
        lines = [f"{words[n % 3]} {split} {n}\t{words[n % 3]}" for n in range(count)]
        Path(f"data/{split}.tsv").write_text("\n".join(["text\tlabel", *lines]))
    flags = [
        *(flag for flag in TINY if "data" not in flag),
        *INLINE,
        "--data=FileData",
        "--data.folder=data",
        "--seeds=0",
    ]
    refused = run("compare", *flags, "--data.limit_train=2")
    assert refused.code == 2
    assert "none of the 2 training rows has the label 'tree wood'" in refused.err
    result = run("compare", *flags, "--heads=RBFSVMHead,LinearHead")
    assert result.code == 0, result.err
    models = json.loads(Path("studies/run-compare/comparison.json").read_text())["models"]
    assert [each["parameters"] for each in models if each["model"] == "LinearHead"] == [16 * 3]
    assert models[1]["accuracy"]["mean"] > 0.9
    assert models[0]["accuracy_over_runs"]["low"] is None  # one seed


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--seeds=0,1,0"], "different whole numbers"),
        (["--seeds=-1"], "different whole numbers from 0"),
        (["--seeds=[]"], "different whole numbers"),
        (["--heads=RBFSVMhead"], "Did you mean 'RBFSVMHead'"),
        (["--heads=MLPHead,MLPHead"], "MLPHead is listed twice"),
        (["--heads=[]"], "give a list of heads"),
        (["--heads=[3]"], "heads: 3 is not a head"),
        (["--heads=[{readout: 2}]"], "is not a head"),
        (["--heads=[{class_path: MLPHead, init_args: 5}]"], "is not a head"),
        (["--executor=Nobody"], "there is no such class"),
        (["--draws=0"], "1 or more"),
        (["--draws=two"], "draws=two"),
        (["--model.head=LogisticRegressionHead"], "LogisticRegressionHead is listed twice"),
        (["--model.head=MatchedHead", "--heads=MatchedHead", "--draws=2000"], "Add --yes"),
        (["--trainer.fast_dev_run=true"], "keeps no checkpoint"),
        (["--ckpt_path=last"], "there is no option ckpt_path"),
        (["--name=a/b"], "a run is named"),
        (["--data.limit_train=1"], "1 are left to train on, all of one class"),
        (["--data.limit_test=1"], "the test split has 1 rows"),
    ],
)
def test_mistakes_are_refused(run, flags, said):
    result = run("compare", *TINY, "--seeds=0", "--heads=LogisticRegressionHead", *flags)
    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--data.samples_per_class=100000"], "data.samples_per_class=100000, but class "),
        (["--draws=2", "--data.limit_test=40"], "Leave data.limit_test and data.folds out"),
        (["--draws=2", "--data.folds=3"], "Leave data.limit_test and data.folds out"),
    ],
)
def test_draws_that_cannot_be(run, flags, said):
    result = run("compare", *FEW, *flags)
    assert result.code == 2
    assert said in result.err


def test_draws_without_drawing_are_refused(run):
    result = run("compare", *[flag for flag in FEW if "samples" not in flag], "--draws=2")
    assert result.code == 2
    assert "Set --data.samples_per_class" in result.err
    assert not Path("studies").exists()  # before anything was trained


def test_labels_of_the_test_rows_alone_are_refused_before_training(run):
    Path("data").mkdir()
    for split, label in (("train", "good"), ("dev", "good"), ("test", "fair")):
        Path(f"data/{split}.tsv").write_text("text\tlabel\n" + f"one\tbad\ntwo\t{label}\nthree\tgood\nfour\tbad\n")
    flags = [flag for flag in TINY if "data" not in flag]
    result = run("compare", *flags, "--data=FileData", "--data.folder=data")
    assert result.code == 2
    assert "'fair'" in result.err
    assert not Path("studies").exists()


def test_a_folder_of_another_configuration_or_a_study_is_refused(run):
    assert run("compare", *FEW, "--name=one").code == 0
    before = sorted(Path("studies/one").rglob("*"))
    other = run("compare", *FEW, "--name=one", "--model.head.readout=2")
    assert other.code == 2
    assert "model.head.readout: auto -> 2" in other.err
    assert sorted(Path("studies/one").rglob("*")) == before
    Path("studies/two").mkdir()
    Path("studies/two/study.yaml").write_text("base: quickstart\n")
    assert "studies/two holds a study" in run("compare", *FEW, "--name=two").err
    Path("one.yaml").write_text("base: quickstart\nfactors: {trainer.max_epochs: [1, 2]}\n")
    assert "studies/one holds a comparison" in run("study", "run", "--config=one.yaml").err


@pytest.fixture
def own_data():
    """Flags of a comparison of two draws on files of the user."""
    Path("data").mkdir()
    for split in ("train", "dev", "test"):
        lines = [f"{('dull', 'clever')[n % 2]} {split} {n}\t{n % 2}" for n in range(40)]
        Path(f"data/{split}.tsv").write_text("\n".join(["text\tlabel", *lines]))
    flags = [flag for flag in FEW if "data" not in flag]
    return [*flags, "--data=FileData", "--data.folder=data", "--data.samples_per_class=8", "--draws=2", "--name=own"]


def test_data_that_has_changed_is_trained_on_anew(run, own_data):
    assert run("compare", *own_data).code == 0
    folder = Path("studies/own")
    trials = set(folder.glob("trials/*"))
    for split in ("train", "dev", "test"):
        path = Path(f"data/{split}.tsv")
        before = path.read_text()
        path.write_text(before.replace("dull", "boring"))
        assert run("compare", *own_data).code == 0
        changed = set(folder.glob("trials/*"))
        assert len(changed) == len(trials) + 4
        trials = changed
        path.write_text(before)


def test_a_trial_that_fails_is_named(run, monkeypatch):
    monkeypatch.setattr("hqlm.studies.trial.measure", lambda *args: 1 / 0)
    result = run("compare", *FEW, "--name=x")
    assert result.code == 2
    assert "2 of 2 trials failed. The first, head=QuantumHead, seed 0: ZeroDivisionError" in result.err


def test_damaged_predictions_are_named(run, tmp_path):
    with pytest.raises(RunError, match="the model is trained again"):
        read_predictions(tmp_path)
    assert run("compare", *FEW, "--name=x").code == 0
    for path in Path("studies/x/trials").glob("*/test/predictions.tsv"):
        path.write_text("\n".join(line.replace("positive", "nonsense", 1) for line in path.read_text().splitlines()))
    result = run("compare", *FEW, "--name=x")
    assert result.code == 2
    assert "predictions.tsv is damaged" in result.err


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))
    options = (
        flag.removeprefix("--").split("=") for flag in FEW if flag.startswith(("--model", "--data", "--trainer"))
    )
    return hqlm.Experiment.read("quickstart", overrides={key: yaml.safe_load(value) for key, value in options})


def test_from_python_with_recipes_and_a_table(experiment):
    from tests.studies.inline import InlineExecutor

    heads = ["LogisticRegressionHead", LinearHead(), LinearHead(rank=2), {"class_path": "MLPHead"}]
    found = hqlm.compare(experiment, heads, seeds=range(1), executor=InlineExecutor())
    names = ["QuantumHead", "LogisticRegressionHead", "LinearHead(rank=None)", "LinearHead(rank=2)", "MLPHead"]
    assert list(found.table["model"]) == names
    assert list(found.table["difference"][1:]) == pytest.approx(
        [found.table["accuracy"][0] - accuracy for accuracy in found.table["accuracy"][1:]]
    )
    assert found.folder == Path("studies/quickstart-compare")
    assert found._repr_html_().startswith("<pre># quickstart-compare")
    assert "LinearHead" in found.markdown()


def test_heads_by_name_get_what_only_a_comparison_knows(experiment):
    plan = plan_comparison(experiment, ["MatchedHead", "KernelHead", MLPHead((7,))], [0, 1])
    counted = experiment.model.recipe.build(15, 2).parameter_counts()
    options = [each.config["model"]["init_args"]["head"]["init_args"] for each in plan.candidates]
    assert options[1] == {"n_parameters": sum(counted.values())}
    assert options[2]["C"] == [0.1, 1.0, 10.0, 100.0]
    assert plan.n_trials == 2 + (len(LEARNING_RATES) + 1) + 1 + (len(LEARNING_RATES) + 1)


def test_equal_heads_are_refused_and_variants_told_apart(experiment):
    def names(*heads):
        return [each.name for each in plan_comparison(experiment, heads, [0]).candidates]

    assert names(LinearHead(rank=2), LinearHead()) == ["QuantumHead", "LinearHead(rank=2)", "LinearHead(rank=None)"]
    assert names(LinearHead, QuantumHead(readout=1))[1] == "LinearHead"
    assert names(QuantumHead(readout=1))[1].startswith("QuantumHead(")
    with pytest.raises(ConfigError, match="LinearHead is listed twice"):
        names(LinearHead(rank=2), LinearHead(rank=2))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seeds": 3}, "seeds: 3 is invalid"),
        ({"seeds": "01"}, "seeds: 01 is invalid"),
        ({"seeds": [0.5]}, "seeds: 0.5 is invalid"),
        ({"seeds": [True]}, "seeds: True is invalid"),
        ({"seeds": [0, 0]}, "different whole numbers"),
        ({"draws": "2"}, "draws=2: give a whole number"),
        ({"heads": "LinearHead"}, "give a list of heads"),
        ({"experiment": "sst2"}, "sst2 is not an Experiment"),
    ],
)
def test_mistakes_from_python_are_refused(experiment, arguments, said):
    with pytest.raises(ConfigError, match=said):
        plan_comparison(**{"experiment": experiment, **arguments})


def test_seeds_may_be_those_of_numpy(experiment):
    assert plan_comparison(experiment, ["LinearHead"], np.arange(2)).candidates[0].seeds == (0, 1)


def test_a_reference_without_seeds_stands_beside_every_seed_of_a_baseline(run):
    flags = [flag for flag in FEW if not flag.startswith(("--heads", "--seeds"))]
    flags = [flag for flag in flags if "model.head." not in flag]
    result = run("compare", *flags, "--model.head=RBFSVMHead", "--heads=LinearHead", "--seeds=0,1", "--name=x")
    assert result.code == 0, result.err
    reference, baseline = json.loads(Path("studies/x/comparison.json").read_text())["models"]
    assert (reference["runs"], baseline["runs"]) == (1, 2)
    paired = baseline["difference_over_runs"]["estimate"]["mean"]
    assert paired == pytest.approx(reference["accuracy"]["mean"] - baseline["accuracy"]["mean"])


def test_data_that_changes_while_trials_run_is_refused(run, own_data, monkeypatch):
    from hqlm.studies.engine import Trials

    whole = Trials.run

    def change(trials, executor):
        failures = whole(trials, executor)
        path = Path("data/dev.tsv")
        path.write_text(path.read_text().replace("dull", "boring"))
        return failures

    monkeypatch.setattr(Trials, "run", change)
    result = run("compare", *own_data)
    assert result.code == 2
    assert "the data of draw 0 has changed while trials ran" in result.err
    assert not Path("studies/own/comparison.json").exists()


@pytest.mark.parametrize(("scores", "best"), [((0.5, 0.75, 0.25), 1), ((0.5, 0.75, 0.75), 1), ((0.5, 0.25, 0.75), 2)])
def test_of_equally_good_learning_rates_the_smallest_is_taken(experiment, monkeypatch, scores, best):
    from hqlm.studies.comparison import compare

    plan = plan_comparison(experiment, ["LinearHead"], [0])
    candidate = plan.candidates[1]
    tried = [SimpleNamespace(key=str(score)) for score in scores]
    records = {key.key: {"metrics": {"val/acc": score}} for key, score in zip(tried, scores, strict=True)}
    stand_in = SimpleNamespace(record=lambda run: records[run.key])
    monkeypatch.setattr(compare, "Trials", lambda *args: stand_in)
    assert plan._choose(candidate, tried) == candidate.rates[best]


def test_help_teaches(run):
    result = run("compare", "--help")
    assert result.code == 0
    for word in (
        "--seeds",
        "--heads",
        "--draws",
        "LogisticRegressionHead",
        "samples_per_class=64 --draws=10",
        "Ctrl-C",
    ):
        assert word in result.out
    assert "compare" in run("--help").out
