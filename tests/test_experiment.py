"""Experiments and runs from Python: the same as the commands, and what only Python offers."""

import csv
import functools
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch
import yaml

import hqlm
from hqlm.config.sources import shipped_configs
from hqlm.data import FileData, ReviewsData
from hqlm.encoders import HashingEncoder, QuantumFeatureEncoder
from hqlm.errors import CheckpointError, ConfigError, RunError
from hqlm.heads import QuantumHead
from hqlm.models import TextModel
from tests.commands.conftest import ROOT, TINY, fit, run, trained  # noqa: F401 (fixtures)

SMALL = {
    "model.text_encoder": "HashingEncoder",
    "model.text_encoder.dim": 15,
    "model.head.feature_encoder.n_qubits": 4,
    "model.head.feature_encoder.n_layers": 1,
    "data": "ReviewsData",
    "data.limit_train": 64,
    "data.limit_val": 32,
    "data.limit_test": 32,
    "trainer.max_epochs": 2,
    "trainer.enable_progress_bar": False,
    "trainer.accelerator": "cpu",
}


def small(**overrides):
    return hqlm.Experiment.read(overrides={**SMALL, **overrides})


def test_the_public_names_are_listed():
    assert set(dir(hqlm)) == set(hqlm.__all__)
    for name in hqlm.__all__:
        assert getattr(hqlm, name) is not None
    assert (Path(hqlm.__file__).parent / "py.typed").is_file()


def test_an_experiment_trains_as_the_command_does(trained):  # noqa: F811
    done = small().fit(name="python")
    assert done.folder == Path("runs/python")
    assert (done.folder / "metrics.csv").read_text() == (trained / "metrics.csv").read_text()
    theirs = yaml.safe_load((trained / "config.yaml").read_text())
    assert done.config == theirs == small().config


def test_a_run_is_read_tested_and_predicts(trained):  # noqa: F811
    done = hqlm.Run("tiny")
    assert done.summary["epochs"] == 2
    assert done.metrics["val/acc"].dropna().iloc[-1] >= 0
    assert isinstance(done.model, TextModel)
    metrics = done.test()
    assert metrics == json.loads((trained / "test-1/metrics.json").read_text())
    assert done.validate()["val/acc"] == pytest.approx(done.summary["val_acc"])
    sampled = done.test({"model.head.execution.shots": 3, "data.limit_test": 8})
    assert sampled != metrics
    saved = yaml.safe_load((trained / "test-2/config.yaml").read_text())
    assert saved["model"]["init_args"]["head"]["init_args"]["execution"]["shots"] == 3
    (prediction,) = done.predict(["a gorgeous, witty film"])
    assert prediction.label in ("negative", "positive")
    assert hqlm.Run(trained / "checkpoints/last.ckpt").checkpoint.name == "last.ckpt"


def test_a_run_shows_its_summary_in_a_notebook_without_running_anything(trained):  # noqa: F811
    path = trained / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": "<script>x</script>"}))
    shown = hqlm.Run("tiny")._repr_html_()
    assert "<table>" in shown
    assert "val/acc" in shown
    assert "<script>" not in shown


def test_a_missing_run_names_the_nearest(trained):  # noqa: F811
    with pytest.raises(CheckpointError, match="Did you mean 'tiny'"):
        hqlm.Run("tinny")


def test_an_experiment_of_objects_is_that_of_its_configuration(run):  # noqa: F811
    model = TextModel(
        text_encoder=HashingEncoder(dim=15),
        head=QuantumHead(feature_encoder=QuantumFeatureEncoder(n_qubits=4, n_layers=1)),
        optimizer=functools.partial(torch.optim.SGD, lr=0.1),
    )
    data = ReviewsData(limit_train=64, limit_val=32, limit_test=32)
    experiment = hqlm.Experiment(model, data, {"max_epochs": 1, "enable_progress_bar": False}, seed=3)
    assert experiment.config["data"]["init_args"]["limit_train"] == 64
    assert experiment.config["model"]["init_args"]["optimizer"]["init_args"]["lr"] == 0.1
    one, other = (experiment.fit() for _ in range(2))
    assert (one.name, other.name) == ("run", "run-2")
    assert one.metrics.equals(other.metrics)
    assert one.summary["seed"] == 3
    assert model is not experiment.model


def test_data_that_was_copied_keeps_what_it_was_made_with(tmp_path):
    data = FileData(str(tmp_path), limit_train=3)
    assert data.options["folder"] == str(tmp_path)
    assert data.options["limit_train"] == 3
    assert data.options["text"] == "text"


def test_a_run_resumes_from_its_last_epoch(run):  # noqa: F811
    flat = {"model.schedule": "constant"}
    small(**flat, **{"trainer.max_epochs": 1}).fit(name="a")
    resumed = small(**flat).fit(name="a", resume=True)
    whole = small(**flat).fit(name="b")
    assert resumed.metrics.equals(whole.metrics)
    with pytest.raises(RunError, match="exists"):
        small(**flat).fit(name="a")
    with pytest.raises(CheckpointError, match=r"no epoch to resume from|no checkpoint"):
        small(**flat).fit(name="nobody", resume=True)


def test_a_run_is_tested_with_its_own_trainer(run, monkeypatch):  # noqa: F811
    done = small(**{"trainer.precision": "64-true", "trainer.max_epochs": 1}).fit(name="double")
    seen = []
    forward = TextModel.forward
    monkeypatch.setattr(
        TextModel, "forward", lambda self, rows: (seen.append(next(self.parameters()).dtype), forward(self, rows))[1]
    )
    done.test()
    assert set(seen) == {torch.float64}
    seen.clear()
    done.test({"trainer.precision": "32-true"})
    assert set(seen) == {torch.float32}


def test_names_are_resolved_by_the_type_of_their_option(run):  # noqa: F811
    for name in ("LaBSE", "minilm", "TextModel"):  # of weights, which here is text
        overrides = {**SMALL, "model.text_encoder": "SentenceTransformerEncoder", "model.text_encoder.model": name}
        del overrides["model.text_encoder.dim"]
        experiment = hqlm.Experiment.read(overrides=overrides)
        assert experiment.config["model"]["init_args"]["text_encoder"]["init_args"]["model"] == name


def test_a_mistake_in_python_is_told_as_at_the_command_line():
    with pytest.raises(ConfigError, match=r"no option model.head.bakend of QuantumHead. Did you mean 'backend'"):
        small(**{"model.head.bakend": "StatevectorBackend"})
    with pytest.raises(ConfigError, match=r"there is no such class. Did you mean 'EarlyStopping'"):
        small(**{"trainer.callbacks": "EarlyStoping"})


def test_shipped_configurations_go_by_name_and_paths_win(run):  # noqa: F811
    for name in ("quickstart", "studies/ablation", "noise/ionq_forte"):
        assert name in shipped_configs()
    overrides = {key: value for key, value in SMALL.items() if key.startswith("model.text") or key.startswith("data.")}
    experiment = hqlm.Experiment.read("quickstart", "noise/ionq_forte", overrides=overrides)
    assert experiment.config["model"]["init_args"]["head"]["init_args"]["execution"]["noise"] == "ionq_forte"
    Path("quickstart").write_text("seed_everything: 7\n")
    assert hqlm.Experiment.read("quickstart", overrides=SMALL).config["seed_everything"] == 7
    listed = run("configs").out
    assert "quickstart" in listed
    assert "noise/ionq_forte" in listed
    assert run("configs", "copy", "noise/ionq_forte").code == 0
    assert "noise: ionq_forte" in Path("ionq_forte.yaml").read_text()
    again = run("configs", "copy", "noise/ionq_forte")
    assert again.code == 2
    assert "not overwritten" in again.err
    assert "Did you mean 'quickstart'" in run("configs", "copy", "quickstrat", "x.yaml").err


def test_a_path_in_a_file_is_looked_up_beside_it_first(run, tmp_path):  # noqa: F811
    for folder in ("elsewhere", "."):
        (tmp_path / folder / "rows").mkdir(parents=True)
        (tmp_path / folder / "rows/train.tsv").write_text("text\tlabel\n")
    (tmp_path / "elsewhere/a.yaml").write_text("data: {class_path: FileData, init_args: {folder: rows}}\n")
    overrides = {key: value for key, value in SMALL.items() if not key.startswith("data")}
    read = hqlm.Experiment.read("elsewhere/a.yaml", overrides=overrides).config
    assert read["data"]["init_args"]["folder"] == "elsewhere/rows"
    problem = hqlm.Experiment.read("algorithms/vqe_h2").config["model"]["init_args"]["problem"]
    assert Path(problem["init_args"]["path"]).is_file()


def test_a_study_elsewhere_finds_its_base(run, tmp_path):  # noqa: F811
    (tmp_path / "far/studies").mkdir(parents=True)
    base = hqlm.Experiment.read(overrides=SMALL).config
    del base["trainer"]["devices"]
    (tmp_path / "far/base.yaml").write_text(yaml.safe_dump(base))
    study = {"base": "../base.yaml", "design": "FullFactorial", "seeds": [0]}
    study["factors"] = {"model.head.feature_encoder.n_layers": [1, 2]}
    (tmp_path / "far/studies/tiny.yaml").write_text(yaml.safe_dump(study))
    result = run("study", "run", f"--config={tmp_path}/far/studies/tiny.yaml", "--dry-run")
    assert result.code == 0, result.err
    assert "2 trials" in result.out


def test_predictions_are_shown_and_texts_come_from_the_command_line_or_a_text_file(run, trained):  # noqa: F811
    result = run("predict", "--ckpt_path", "tiny", "a gorgeous film", "a dull one")
    assert result.code == 0, result.err
    assert "a gorgeous film" in result.out
    assert "p_positive" in result.out
    assert not (trained / "predict-1").exists()
    Path("new.txt").write_text("a gorgeous film\n\ntwo hours of nothing\n", encoding="utf-8")
    result = run("predict", "--ckpt_path=tiny", "--data=FileData", "--data.folder=.", "--data.predict=new.txt")
    assert result.code == 0, result.err
    assert "two hours of nothing" in result.out
    with (trained / "predict-1/predictions.tsv").open() as file:
        assert len(list(csv.DictReader(file, delimiter="\t"))) == 2


def test_help_starts_with_what_is_set_most(run):  # noqa: F811
    short, every = run("fit", "--help").out, run("fit", "--help=all").out
    assert "  hqlm fit --config quickstart\n" in short
    assert "--trainer.max_epochs" in short
    assert "--trainer.sync_batchnorm" not in short
    assert "--trainer.sync_batchnorm" in every
    for command in ("test", "predict", "compare", "cost"):
        assert f"\n  hqlm {command} --" in run(command, "--help").out


@pytest.mark.slow
def test_an_installed_wheel_trains_the_quickstart_from_any_folder(tmp_path):
    wheels, home, venv = tmp_path / "wheels", tmp_path / "home", tmp_path / "venv"
    home.mkdir()
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels, ROOT], check=True)
    (wheel,) = wheels.iterdir()
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", venv], check=True)
    python = venv / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--ignore-installed", wheel], check=True)
    (packages,) = (venv / "lib").glob("*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))  # of this environment, behind its own
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"HQLM_CACHE": str(tmp_path / "c")}
    small_run = ["--trainer.max_epochs=1", "--model.text_encoder=HashingEncoder", "--data.limit_train=64"]
    for command, shown in (
        ([venv / "bin/hqlm", "fit", "--config", "quickstart", *small_run], "validation accuracy"),
        ([venv / "bin/hqlm", "configs"], "quickstart"),
        ([python, "-c", "import hqlm; print(hqlm.__file__)"], str(venv)),
    ):
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr
        assert shown in done.stdout
    assert (home / "runs/quickstart/summary.json").is_file()
