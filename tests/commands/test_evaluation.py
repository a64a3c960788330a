"""test, validate and predict of a checkpoint: whose settings win, and what is written."""

import csv
import json
from pathlib import Path

import pytest
import torch
import yaml

from hqlm.backends import BACKENDS
from tests.commands.conftest import TINY
from tests.registries import shipped


def table(path):
    with Path(path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.parametrize("where", ["tiny", "runs/tiny", "runs/tiny/checkpoints/last.ckpt"])
def test_a_checkpoint_is_named_by_run_folder_or_file(run, trained, where):
    result = run("test", f"--ckpt_path={where}")
    assert result.code == 0
    assert "test/acc" in result.out
    assert ("last" if "last" in where else "best") in result.out


def test_results_are_numbered_in_the_folder_of_the_run(run, trained):
    before = (trained / "config.yaml").read_bytes()
    for number in (1, 2):
        assert run("test", "--ckpt_path=tiny").code == 0
        folder = trained / f"test-{number}"
        assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "metrics.json", "predictions.tsv"]
    metrics = json.loads((trained / "test-1/metrics.json").read_text())
    assert set(metrics) == {"test/loss", "test/acc", "test/f1"}
    assert metrics == json.loads((trained / "test-2/metrics.json").read_text())
    assert (trained / "config.yaml").read_bytes() == before


def test_validate_repeats_the_best_accuracy_of_the_run(run, trained):
    assert run("validate", "--ckpt_path=tiny").code == 0
    accuracy = json.loads((trained / "validate-1/metrics.json").read_text())["val/acc"]
    assert accuracy == pytest.approx(json.loads((trained / "summary.json").read_text())["val_acc"])


def test_predictions_have_names_and_probabilities(run, trained):
    run("test", "--ckpt_path=tiny")
    rows = table(trained / "test-1/predictions.tsv")
    assert list(rows[0]) == ["text", "label", "predicted", "p_negative", "p_positive"]
    assert len(rows) == 32
    correct = sum(row["label"] == row["predicted"] for row in rows) / 32
    assert correct == pytest.approx(json.loads((trained / "test-1/metrics.json").read_text())["test/acc"])
    for row in rows:
        assert float(row["p_negative"]) + float(row["p_positive"]) == pytest.approx(1.0, abs=1e-5)
        assert row["predicted"] == max(("negative", "positive"), key=lambda name: float(row[f"p_{name}"]))


def test_predict_takes_unlabelled_texts_of_ones_own(run, trained):
    Path("new.csv").write_text('text\n"good, really\tgood"\n"two\r\nlines"\n', encoding="utf-8")
    data = ["--data=FileData", "--data.folder=.", "--data.predict=new.csv"]
    assert run("predict", "--ckpt_path=tiny", *data).code == 0
    rows = table(trained / "predict-1/predictions.tsv")
    assert [(row["text"], row["label"]) for row in rows] == [("good, really good", ""), ("two  lines", "")]
    assert not (trained / "predict-1/metrics.json").exists()


def test_flags_win_over_files_and_files_over_the_checkpoint(run, trained):
    Path("noisy.yaml").write_text("model: {head: {execution: {shots: 50, noise: ionq_forte}}}\n")
    result = run(
        "test", "--ckpt_path=tiny", "--config=noisy.yaml", "--model.head.execution.shots=7", "--data.limit_test=5"
    )
    assert result.code == 0
    assert "model.head.execution.shots: null -> 7" in result.out
    assert "model.head.execution.noise: -> ionq_forte" in result.out
    assert "data.limit_test: 32 -> 5" in result.out
    settings = yaml.safe_load((trained / "test-1/config.yaml").read_text())
    head = settings["model"]["init_args"]["head"]["init_args"]
    assert head["execution"]["shots"] == 7
    assert head["feature_encoder"]["init_args"]["n_qubits"] == 4
    assert len(table(trained / "test-1/predictions.tsv")) == 5


def test_flags_change_what_is_measured(run, trained):
    run("test", "--ckpt_path=tiny")
    run("test", "--ckpt_path=tiny", "--model.head.execution.shots=3")
    exact, sampled = (table(trained / f"test-{number}/predictions.tsv") for number in (1, 2))
    assert exact != sampled


@pytest.mark.parametrize("backend", sorted(name for name in shipped(BACKENDS) if BACKENDS[name]().exact))
def test_a_checkpoint_is_tested_on_any_backend_by_flags_alone(run, trained, backend):
    flags = ["test", "--ckpt_path=tiny", "--data.limit_test=10", f"--model.head.backend={backend}"]
    exact, noisy = (
        run(*flags),
        run(*flags, "--model.head.execution.shots=500", "--model.head.execution.noise.two_qubit=0.01"),
    )
    assert exact.code == noisy.code == 0, exact.err + noisy.err
    run("test", "--ckpt_path=tiny", "--data.limit_test=10")
    other, sampled, native = (
        [float(row["p_positive"]) for row in table(trained / f"test-{number}/predictions.tsv")] for number in (1, 2, 3)
    )
    assert other == pytest.approx(native, abs=1e-4)
    assert sampled == pytest.approx(native, abs=0.3)
    assert sampled != native


def test_shots_are_drawn_by_the_seed_of_the_run_unless_another_is_given(run):
    assert run("fit", *TINY, "--seed_everything=7", "--name=seven", "--model.head.execution.shots=3").code == 0
    for number, flags in enumerate(([], ["--seed_everything=7"], ["--seed_everything=8"]), start=1):
        assert run("test", "--ckpt_path=seven", *flags).code == 0, number
    own, same, other = (table(f"runs/seven/test-{number}/predictions.tsv") for number in (1, 2, 3))
    assert own == same != other


def test_another_data_set_brings_all_of_its_settings(run, trained):
    Path("x.tsv").write_text("text\tlabel\n" + "good\tpositive\nbad\tnegative\n" * 40)
    run("test", "--ckpt_path=tiny", "--data=FileData", "--data.folder=.", "--data.test=x.tsv")
    assert len(table(trained / "test-1/predictions.tsv")) == 80  # not limit_test=32, which was meant for the reviews


def test_a_label_that_the_model_does_not_know_is_refused(run, trained):
    Path("x.tsv").write_text("text\tlabel\ngood\tgreat\n")
    result = run("test", "--ckpt_path=tiny", "--data=FileData", "--data.folder=.", "--data.test=x.tsv")
    assert result.code == 2
    assert "'great'" in result.err
    assert not (trained / "test-1").exists()


def test_fast_dev_run_writes_nothing(run, trained):
    before = sorted(trained.rglob("*"))
    assert run("test", "--ckpt_path=tiny", "--trainer.fast_dev_run=true").code == 0
    assert sorted(trained.rglob("*")) == before


def test_which_checkpoint_must_be_said(run):
    result = run("test")
    assert result.code == 2
    assert "--ckpt_path is missing" in result.err


def test_a_missing_checkpoint_names_the_runs_there_are(run, trained):
    result = run("test", "--ckpt_path=tinny")
    assert result.code == 2
    assert "Known: tiny" in result.err


@pytest.mark.parametrize("kind", ["cut", "text", "foreign", "objects", "plugin", "class"])
def test_a_bad_checkpoint_is_refused(run, trained, kind):
    good = trained / "checkpoints/last.ckpt"
    bad = Path("bad.ckpt")
    checkpoint = torch.load(good, weights_only=True)
    if kind == "cut":
        bad.write_bytes(good.read_bytes()[:1000])
    elif kind == "text":
        bad.write_text("no checkpoint")
    elif kind == "foreign":
        torch.save({"state_dict": {}}, bad)
    elif kind == "objects":
        torch.save({**checkpoint, "extra": Path("x")}, bad)
    else:
        wrong = {"plugin": "nowhere.Model", "class": "hqlm.circuits.RingAnsatz"}[kind]
        torch.save({**checkpoint, "hyper_parameters": {**checkpoint["hyper_parameters"], "_class_path": wrong}}, bad)
    for command in ("test", "predict", "fit"):
        result = run(command, f"--ckpt_path={bad}")
        assert result.code == 2
        assert "Traceback" not in result.err
        assert "bad.ckpt" in result.err or "nowhere" in result.err


def test_a_test_is_repeated_from_its_own_configuration(run, trained):
    run("test", "--ckpt_path=tiny")
    result = run("test", f"--config={trained}/test-1/config.yaml")
    assert result.code == 0, result.err
    assert (trained / "test-2/metrics.json").read_text() == (trained / "test-1/metrics.json").read_text()
