"""A comparison as a user sees it: its table from the saved predictions, the same rows for all, and going on."""

import csv
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from hqlm.commands import compare, main, trials
from hqlm.commands.trials import Trial, Workshop
from hqlm.errors import ConfigError, RunError
from hqlm.files import lock_folder
from hqlm.studies.comparison import rivals
from hqlm.studies.comparison.records import read_outcome
from tests.commands.conftest import TINY

stats = pytest.importorskip("scipy.stats")
metrics = pytest.importorskip("sklearn.metrics")
multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests

ENCODER = ["--model.text_encoder=HashingEncoder", "--model.text_encoder.dim=15"]
FEW = [
    *[flag for flag in TINY if "limit_train" not in flag and "limit_test" not in flag and "epochs" not in flag],
    "--trainer.max_epochs=1",
    "--seeds=0",
    "--rivals=logistic_regression",
    "--data.samples_per_class=8",
]
STOP = """
from pathlib import Path
from lightning.pytorch import Callback

class Stop(Callback):
    def on_train_batch_start(self, trainer, *args):
        if trainer.current_epoch == 1 and Path("stop").exists():
            raise KeyboardInterrupt
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The folder of a comparison of two seeds with three rivals."""
    folder = tmp_path_factory.mktemp("compared")
    flags = [flag for flag in TINY if "limit_test" not in flag]
    rivals = "--rivals=[logistic_regression, rbf_svc, matched]"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HQLM_CACHE", str(folder / "cache"))
        assert main(["compare", *flags, "--data.limit_test=150", "--name=both", "--seeds=0,1", rivals]) == 0
    return folder / "runs/both"


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
def standings(compared):
    return {each["model"]: each for each in json.loads((compared / "comparison.json").read_text())["standings"]}


def correct(rows, model):
    return np.array([[label == said for label, said, _ in own] for (name, _), own in rows.items() if name == model])


def test_every_model_and_seed_is_in_the_predictions(rows):
    runs = [("hybrid", "0"), ("hybrid", "1"), ("logistic_regression", ""), ("rbf_svc", "")]
    assert list(rows) == [*runs, ("matched", "0"), ("matched", "1")]
    assert {len(own) for own in rows.values()} == {150}
    assert len({tuple(label for label, *_ in own) for own in rows.values()}) == 1
    for own in rows.values():
        assert all(said == ("negative", "positive")[int(np.argmax(p))] for _, said, p in own)


def test_figures_follow_from_the_predictions(rows, standings):
    for name, standing in standings.items():
        runs = [own for (model, _), own in rows.items() if model == name]
        scores, errors = [], []
        for own in runs:
            labels, said, table = zip(*own, strict=True)
            scores.append(metrics.f1_score(labels, said, average="macro"))
            errors.append(calibration_error(np.array(table), np.array(labels) == np.array(said)))
        assert standing["accuracy"]["mean"] == pytest.approx(correct(rows, name).mean())
        assert standing["f1"] == pytest.approx(np.mean(scores))
        assert standing["calibration_error"] == pytest.approx(np.mean(errors), abs=1e-6)
        share = correct(rows, name).mean(0)
        interval = stats.bootstrap((share,), np.mean, method="percentile", rng=5).confidence_interval
        assert standing["accuracy"]["low"] == pytest.approx(interval.low, abs=0.01)
        assert standing["accuracy"]["high"] == pytest.approx(interval.high, abs=0.01)


def calibration_error(table, right):
    confidence = table.max(1)
    bins = np.clip(np.ceil(confidence * 15) - 1, 0, 14)
    own = [bins == number for number in range(15)]
    return sum(place.mean() * abs(right[place].mean() - confidence[place].mean()) for place in own if place.any())


def test_differences_and_p_values_follow_from_the_predictions(rows, standings):
    names = [name for name in standings if name != "hybrid"]
    generator = np.random.default_rng(7)
    for name in names:
        difference = correct(rows, "hybrid").mean(0) - correct(rows, name).mean(0)
        tosses = generator.choice((-1.0, 1.0), size=(20_000, len(difference)))
        p = np.mean(np.abs(tosses @ difference) >= abs(difference.sum()) - 1e-9)
        found = standings[name]["difference"]
        assert found["mean"] == pytest.approx(difference.mean())
        assert found["p"] == pytest.approx(p, abs=4 * np.sqrt(0.25 / 10_000))
        paired = standings[name]["difference_over_runs"]
        one, other = correct(rows, "hybrid").mean(1), np.broadcast_to(correct(rows, name).mean(1), 2)
        if np.ptp(one - other) > 1e-12:
            result = stats.ttest_rel(one, other)
            assert paired["estimate"]["p"] == pytest.approx(result.pvalue)
            assert paired["estimate"]["low"] == pytest.approx(result.confidence_interval().low)
        assert paired["wilcoxon"] is None
    raw = [standings[name]["difference"]["p"] for name in names]
    assert [standings[name]["p_holm"] for name in names] == pytest.approx(multipletests(raw, method="holm")[1])


def test_the_table_says_in_words_what_it_found(compared, standings):
    text = (compared / "table.md").read_text()
    for name, standing in standings.items():
        assert f"| {name} " in text
        if name != "hybrid":
            significant = standing["p_holm"] <= 0.05
            assert (f"hybrid model and {name} is not significant" in text) == (not significant)
    assert "over the 150 test rows" in text
    assert "over seeds by Student's t" in text


def test_parameters_are_counted(compared, standings):
    assert standings["logistic_regression"]["parameters"] == 15 + 1
    assert standings["hybrid"]["parameters"] == 48
    assert abs(standings["matched"]["parameters"] - 48) <= 1
    assert standings["rbf_svc"]["counted"] == "support vectors"
    assert 2 <= standings["rbf_svc"]["parameters"] <= 64


def test_all_models_saw_the_same_rows(compared):
    seen = [json.loads(path.read_text())["rows"] for path in compared.rglob("result.json")]
    assert len(seen) == 6
    assert all(rows == seen[0] for rows in seen)
    assert json.loads((compared / "comparison.json").read_text())["rows"] == {"0": seen[0]}


def test_a_run_is_that_of_fit_and_test(compared, run, monkeypatch):
    flags = [flag for flag in TINY if "limit_test" not in flag]
    assert run("fit", *flags, "--data.limit_test=150", "--name=alone", "--seed_everything=1").code == 0
    assert run("test", "--ckpt_path=alone").code == 0
    paths = (Path("runs/alone"), compared / "hybrid/draw0-seed1")
    states = [torch.load(path / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for path in paths]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    files = Path("runs/alone/test-1/predictions.tsv"), paths[1] / "predictions.tsv"
    alone, inside = ([line.rsplit("\t", 2) for line in file.read_text().splitlines()] for file in files)
    assert [words for words, *_ in alone] == [words for words, *_ in inside]
    numbers = [[float(each) for _, *both in rows[1:] for each in both] for rows in (alone, inside)]
    assert numbers[0] == pytest.approx(numbers[1], abs=2e-6)  # batches of other sizes round otherwise


def test_the_best_learning_rate_on_the_validation_rows_is_kept(compared, standings):
    tried = {
        path.name: json.loads((path / "summary.json").read_text())["val_acc"] for path in compared.glob("matched/*")
    }
    first = {name: acc for name, acc in tried.items() if "seed0" in name}
    assert len(first) == len(rivals.LEARNING_RATES)
    chosen = standings["matched"]["chosen"][0].removeprefix("lr=")
    assert first[f"draw0-seed0-lr{chosen}"] == max(first.values())
    assert [name for name in tried if "seed1" in name] == [f"draw0-seed1-lr{chosen}"]
    assert len(list(compared.glob("matched/*/result.json"))) == 2  # test rows only for what was chosen


@pytest.mark.parametrize(("scores", "best"), [((0.5, 0.75, 0.25), 1), ((0.5, 0.75, 0.75), 1), ((0.5, 0.25, 0.75), 2)])
def test_the_best_learning_rate_goes_on_to_the_other_seeds_the_smallest_of_equals(monkeypatch, scores, best):
    monkeypatch.setattr(compare, "LEARNING_RATES", (0.001, 0.01, 0.1))
    known = dict(zip(compare.LEARNING_RATES, scores, strict=True))
    workshop = SimpleNamespace(
        is_trained=lambda trial: True,
        summary=lambda trial: {"val_acc": known.get(trial.lr, 0.5), "training_seconds": 1.0},
    )
    bench = compare._Bench(workshop, compare.Plan([3, 4], ["linear"], 1))
    bench.train(0)
    rate = compare.LEARNING_RATES[best]
    rivals = [Trial("linear", 0, seed, rate) for seed in (3, 4)]
    assert bench.trials == [Trial("hybrid", 0, 3), Trial("hybrid", 0, 4), *rivals]


def test_the_speed_of_predictions_leaves_the_first_batch_out(monkeypatch, tmp_path):
    clock = iter((0.0, 10.0, 11.0, 12.0))
    monkeypatch.setattr(trials, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    rows = SimpleNamespace(texts=6 * ["a"], embeddings=np.ones((6, 2)))
    config = {"data": {"init_args": {"batch_size": 2}}}
    found, speed = Workshop(tmp_path, config)._predict(lambda batch: batch, rows)
    assert (len(found), speed) == (6, 2.0)


def test_rival_heads_are_trained_as_their_names_say(compared):
    hybrid = yaml.safe_load((compared / "hybrid/draw0-seed1/config.yaml").read_text())
    for path in compared.glob("matched/*"):
        own = yaml.safe_load((path / "config.yaml").read_text())
        assert path.name == f"draw0-seed{own['seed_everything']}-lr{_options(own)['optimizer']['init_args']['lr']}"
        assert own["data"] == hybrid["data"]
        for name in ("schedule", "text_encoder"):
            assert _options(own)[name] == _options(hybrid)[name]


def _options(config):
    return config["model"]["init_args"]


def test_an_interrupted_comparison_goes_on(run, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    Path("stop_once.py").write_text(STOP)
    flags = ["--name=broken", "--seeds=3", "--rivals=logistic_regression", "--trainer.callbacks=[stop_once.Stop]"]
    Path("stop").touch()
    first = run("compare", *TINY, *flags)
    assert (first.code, "interrupted" in first.err) == (130, True)
    Path("stop").unlink()
    monkeypatch.setattr(Workshop, "test_classifier", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    second = run("compare", *TINY, *flags)
    assert second.code == 130
    assert "resuming runs/broken/hybrid/draw0-seed3 after epoch 0" in second.out
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    third = run("compare", *TINY, *flags)
    assert third.code == 0, third.err
    assert "hybrid/draw0-seed3: " in third.out
    assert "kept from before" in third.out
    assert json.loads(Path("runs/broken/hybrid/draw0-seed3/summary.json").read_text())["epochs"] == 2


def test_draws_are_the_unit_where_they_are_asked_for(run):
    result = run("compare", *FEW, "--draws=2", "--name=draws")
    assert result.code == 0, result.err
    folder = Path("runs/draws")
    assert "hybrid minus it [draws]" in (folder / "table.md").read_text()
    rows = json.loads((folder / "comparison.json").read_text())["rows"]
    assert rows["0"]["train"] != rows["1"]["train"]
    assert rows["0"]["test"] == rows["1"]["test"]
    assert len(list(folder.glob("logistic_regression/*/result.json"))) == 2
    again = run("compare", *FEW, "--draws=3", "--name=draws")  # one more draw is added to what is there
    assert again.out.count("kept from before") == 2


def test_three_classes_with_names(run):
    Path("data").mkdir()
    words = ("bank money", "river water", "tree wood")
    for split, count in (("train", 60), ("dev", 30), ("test", 45)):
        lines = [f"{words[n % 3]} {split} {n}\t{words[n % 3]}" for n in range(count)]
        Path(f"data/{split}.tsv").write_text("\n".join(["text\tlabel", *lines]))
    flags = [*(flag for flag in TINY if "data" not in flag), "--data=FileData", "--data.folder=data", "--seeds=0"]
    refused = run("compare", *flags, "--data.limit_train=2")
    assert refused.code == 2
    assert "none of the 2 training rows has the label 'tree wood'" in refused.err
    result = run("compare", *flags, "--rivals=rbf_svc,linear")
    assert result.code == 0, result.err
    standings = json.loads(Path("runs/run-compare/comparison.json").read_text())["standings"]
    assert [each["parameters"] for each in standings if each["model"] == "linear"] == [16 * 3]
    assert standings[1]["accuracy"]["mean"] > 0.9
    assert standings[0]["accuracy_over_runs"]["low"] is None  # one seed


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--seeds=0,1,0"], "different seeds"),
        (["--seeds=-1"], "0 or larger"),
        (["--seeds=[]"], "one or more"),
        (["--rivals=rbf_svm"], "Did you mean 'rbf_svc'"),
        (["--rivals=mlp,mlp"], "stands there twice"),
        (["--rivals=[]"], "--rivals is empty"),
        (["--draws=0"], "give 1 or more"),
        (["--draws=two"], "draws=two"),
        (["--model.head=LinearHead"], "QuantumHead"),
        (["--trainer.fast_dev_run=true"], "keeps no checkpoint"),
        (["--ckpt_path=last"], "there is no option ckpt_path"),
        (["--name=a/b"], "a run is named"),
        (["--data.limit_train=1"], "1 are left to train on, all of one class"),
        (["--data.limit_test=1"], "the test split has 1 rows"),
    ],
)
def test_mistakes_are_refused(run, flags, said):
    result = run("compare", *TINY, "--seeds=0", "--rivals=logistic_regression", *flags)
    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--data.samples_per_class=100000"], "has"),
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
    assert "Give --data.samples_per_class" in result.err
    assert not list(Path("runs").iterdir())  # before anything was trained


def test_labels_of_the_test_rows_alone_are_refused_before_training(run):
    Path("data").mkdir()
    for split, label in (("train", "good"), ("dev", "good"), ("test", "fair")):
        Path(f"data/{split}.tsv").write_text("text\tlabel\n" + f"one\tbad\ntwo\t{label}\nthree\tgood\nfour\tbad\n")
    flags = [flag for flag in TINY if "data" not in flag]
    result = run("compare", *flags, "--data=FileData", "--data.folder=data")
    assert result.code == 2
    assert "'fair'" in result.err
    assert not list(Path("runs").rglob("summary.json"))


def test_a_folder_of_another_configuration_is_refused(run):
    flags = [*FEW, "--name=one"]
    assert run("compare", *flags).code == 0
    other = run("compare", *flags, "--model.head.readout=2")
    assert other.code == 2
    assert "model.head.readout: auto -> 2" in other.err
    config = Path("runs/one/compare.yaml")
    config.write_text(config.read_text().replace("    folds: null\n", ""))
    assert "data.folds: only in one of the two" in run("compare", *flags).err  # as another version would have written
    Path("runs/plain/checkpoints").mkdir(parents=True)
    assert "holds no comparison" in run("compare", *FEW, "--name=plain").err


def test_two_processes_are_never_in_one_folder(run):
    with lock_folder(Path("runs/one")):
        result = run("compare", *FEW, "--name=one")
        assert result.code == 2
        assert f"runs/one is in use by the process {os.getpid()} on " in result.err
    assert run("compare", *FEW, "--name=one").code == 0  # nothing of the refused one is in the way
    assert run("compare", *FEW, "--name=one").code == 0


@pytest.fixture
def own_data():
    """Flags of a comparison of two draws on files of the user."""
    Path("data").mkdir()
    for split in ("train", "dev", "test"):
        lines = [f"{('dull', 'clever')[n % 2]} {split} {n}\t{n % 2}" for n in range(40)]
        Path(f"data/{split}.tsv").write_text("\n".join(["text\tlabel", *lines]))
    flags = [flag for flag in FEW if "data" not in flag]
    return [*flags, "--data=FileData", "--data.folder=data", "--data.samples_per_class=8", "--draws=2", "--name=own"]


def test_a_finished_comparison_is_not_that_of_data_that_has_changed(run, own_data):
    assert run("compare", *own_data).code == 0
    folder = Path("runs/own")
    table = (folder / "table.md").read_bytes()
    splits = {"train": "train rows", "dev": "val rows", "test": "test rows"}
    for split, title in splits.items():
        path = Path(f"data/{split}.tsv")
        before = path.read_text()
        path.write_text(before.replace("dull", "boring"))
        result = run("compare", *own_data, *([] if split == "test" else ["--seeds=0,1"]))
        assert result.code == 2
        assert f"hybrid/draw0-seed0 saw other {title}: the data has changed since" in result.err
        assert "Give another --name" in result.err
        path.write_text(before)
    assert (folder / "table.md").read_bytes() == table
    assert run("compare", *own_data).code == 0


def test_an_unfinished_comparison_does_not_go_on_with_other_test_rows(run, own_data):
    assert run("compare", *own_data).code == 0
    for path in [*Path("runs").glob("*/hybrid/draw*/result.json"), *Path("runs").glob("*/hybrid/draw*/rows.json")]:
        path.unlink()
    Path("data/test.tsv").write_text(Path("data/test.tsv").read_text().replace("dull", "boring"))
    result = run("compare", *own_data)
    assert result.code == 2
    assert "logistic_regression/draw0 saw other test rows" in result.err


def test_a_run_that_was_never_validated_is_refused(tmp_path):
    trial = Trial("hybrid", 0, 0)
    (tmp_path / trial.folder).mkdir(parents=True)
    summary = {"val_acc": None, "training_seconds": 1.0, "parameters": {"quantum": 1, "classical": 1}}
    (tmp_path / trial.folder / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(ConfigError, match="never validated"):
        Workshop(tmp_path, {}).summary(trial)


def test_a_broken_result_is_named(tmp_path):
    with pytest.raises(RunError, match="the model is tested again"):
        read_outcome(tmp_path)


def test_help_teaches(run):
    result = run("compare", "--help")
    assert result.code == 0
    for word in ("--seeds", "--rivals", "--draws", "logistic_regression", "samples_per_class=64 --draws=10", "Ctrl-C"):
        assert word in result.out
    assert "compare" in run("--help").out
