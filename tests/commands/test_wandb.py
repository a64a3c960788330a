"""What is sent to W&B, read back from the records of offline runs; and trainings whose W&B server does not answer."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hqlm.commands.request import Request
from hqlm.commands.study_file import plan, read_study, study_parser
from hqlm.commands.study_trial import run_trial
from hqlm.studies.designs import Trial
from hqlm.studies.store import trial_folder, write_design, write_record
from tests.callbacks.wandb_records import config_updates, history, pick, records, server
from tests.commands.conftest import ROOT, TINY

OVERLAY = f"--config={ROOT / 'configs/logger/wandb.yaml'}"
EVERY = "--trainer.log_every_n_steps=1"
CLASSICAL = ["--model=ClassicalClassifier", *(flag for flag in TINY[1:] if "feature_encoder" not in flag)]
KEY = "0123456789abcdef" * 3
STUDY = {
    "base": ["base.yaml", str(ROOT / "configs/logger/wandb.yaml")],
    "design": {"class_path": "Ablation", "init_args": {"words": ["long_range"]}},
    "seeds": [0],
    "executor": {"class_path": "LocalExecutor", "init_args": {"n_workers": 1}},
}


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """A home without an account."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def test_a_training_offline_and_what_it_holds(fit, caplog):
    result = fit(OVERLAY, "--name=w", "--model.ablate=[long_range]", "--trainer.logger.tags=[mine]", EVERY)
    assert result.code == 0, result.err
    assert re.search("W&B is offline: .*runs/w/wandb; `wandb sync` sends it", caplog.text)
    found = records(Path("runs/w/wandb"))
    (run,) = {(run.run_id, run.project, run.run_group, run.job_type, run.display_name) for run in pick(found, "run")}
    assert run[1:] == ("hqlm", "", "run", "w")
    assert set(pick(found, "run")[0].tags) == {"mine", "without long_range"}
    updates = config_updates(found)
    resolved = yaml.safe_load(Path("runs/w/config.yaml").read_text())
    assert {key: values for key, values in updates.items() if not key.startswith("_")} == {
        key: [value] for key, value in resolved.items()
    }  # the whole of it, exactly once
    rows = history(found)
    logged = {key for row in rows for key in row}
    assert {"train/loss", "val/loss", "val/acc", "val/f1", "epoch", "trainer/global_step"} <= logged
    assert sum("val/acc" in row for row in rows) == 2  # epochs
    assert {"circuit/quantum", "circuit/features.encoders.0"} <= {key.replace("/_type", "") for key in logged}
    pictures = list(Path("runs/w/wandb").rglob("media/html/circuit/quantum*.html"))
    assert "RY" in pictures[0].read_text()
    assert pick(found, "exit")[0].exit_code == 0


def test_a_trial_of_a_study_is_one_run_with_its_test(run):
    flags = dict(flag.removeprefix("--").split("=") for flag in TINY)
    Path("base.yaml").write_text(yaml.safe_dump({"model": flags.pop("model"), "data": flags.pop("data")}))
    overrides = {key: yaml.safe_load(value) for key, value in flags.items()}
    Path("study.yaml").write_text(yaml.safe_dump(STUDY | {"overrides": overrides}))
    study, _ = read_study(study_parser("run", ""), Request.read(["--config=study.yaml"]))
    for each in plan(study):  # as a worker does, one after the other in one process
        folder = trial_folder(study.folder, each.key)
        run_trial({"folder": str(folder), "config": each.config, "record": each.record, "since": 0.0, "wait": False})
    trials = sorted(Path("studies/study/trials").glob("*/trial.json"))
    assert len(trials) == 2
    for path in trials:
        trial = json.loads(path.read_text())
        found = records(path.parent)
        (about,) = {(run.run_group, run.job_type, run.display_name) for run in pick(found, "run")}
        assert about == ("study", "trial", path.parent.name)
        words = trial["overrides"].get("model.ablate", [])
        assert [tag for tag in pick(found, "run")[0].tags if "without" in tag] == [f"without {word}" for word in words]
        rows = history(found)
        assert [row["test/acc"] for row in rows if "test/acc" in row] == [pytest.approx(trial["metrics"]["test/acc"])]
        assert any(key.startswith("test/confusion_matrix") for row in rows for key in row)
        (table,) = path.parent.rglob("confusion_matrix*.table.json")
        counts = json.loads(table.read_text())["data"]
        right = sum(count for actual, predicted, count in counts if actual == predicted)
        assert sum(count for *_, count in counts) == 32
        assert right / 32 == pytest.approx(trial["metrics"]["test/acc"])
        assert all(len(values) == 1 for key, values in config_updates(found).items() if not key.startswith("_"))


def test_the_summary_of_a_study_is_a_run_of_its_group(run):
    folder = Path("studies/small")
    trials = [Trial((("model.skip", value),), seed=0) for value in (False, True)]
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text("name: small\nseeds: [0]\n")
    write_design(folder, [(trial, str(place)) for place, trial in enumerate(trials)])
    write_record(trial_folder(folder, "1"), {"status": "done", "metrics": {"test/acc": 0.75}})
    assert "there is no report.html yet" in run("study", "publish", "small").out
    shutil.rmtree(folder / "wandb")
    (folder / "report.html").write_text("<p>what it shows</p>")
    (folder / "report.csv").write_text("effect,size\nskip,0.1\n")
    result = run("study", "publish", "studies/small")
    assert result.code == 0, result.err
    found = records(folder)
    (about,) = {(each.run_group, each.job_type) for each in pick(found, "run")}
    assert about == ("small", "summary")
    assert config_updates(found)["seeds"] == [[0]]
    tables = {path.name.split("_")[0]: json.loads(path.read_text()) for path in folder.rglob("*.table.json")}
    columns, rows = tables["trials"]["columns"], tables["trials"]["data"]
    assert [row[columns.index("test/acc")] for row in rows] == [None, 0.75]
    assert [row[columns.index("model.skip")] for row in rows] == [False, True]
    assert tables["table"]["data"] == [["skip", "0.1"]]
    assert "what it shows" in next(folder.rglob("report_*.html")).read_text()
    assert run("study", "publish", "other").code == 2


def test_a_key_is_in_nothing_that_is_written(fit, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    result = fit(OVERLAY, "--name=w", "--trainer.logger.mode=offline")
    assert result.code == 0, result.err
    files = [path for path in Path("runs").rglob("*") if path.is_file()]
    assert any(path.suffix == ".ckpt" for path in files)
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in result.out + result.err


def test_online_without_an_account_is_refused_before_anything_is_trained(fit):
    result = fit(OVERLAY, "--trainer.logger.mode=online")
    assert result.code == 2
    assert "wandb login" in result.err
    assert not Path("runs").exists()


def test_a_training_that_fails_is_a_failed_run(fit):
    assert fit(OVERLAY, "--name=w", "--model.optimizer.lr=1e30").code == 2
    assert pick(records(Path("runs/w/wandb")), "exit")[0].exit_code == 1


def test_fast_dev_run_sends_nothing(fit):
    assert fit(OVERLAY, "--trainer.fast_dev_run=true").code == 0
    assert not list(Path().rglob("*.wandb"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["refuses", "hangs", "answers 500"])
def test_a_server_that_does_not_answer_costs_a_while_and_a_line(tmp_path, kind):
    with server(kind) as (address, requests):
        environment = {
            **os.environ, "HOME": str(tmp_path), "WANDB_BASE_URL": address, "WANDB_API_KEY": KEY,
            "HQLM_CACHE": str(tmp_path / "cache"),
        }  # fmt: skip
        command = ["fit", *CLASSICAL, OVERLAY, "--name=w", "--trainer.logger.mode=online", "--trainer.logger.timeout=3"]
        done = subprocess.run(
            [sys.executable, "-m", "hqlm", *command], cwd=tmp_path, env=environment, capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"W&B did not answer \(.*\): training goes on", done.stderr)
    assert bool(requests) == (kind == "answers 500")
    assert (tmp_path / "runs/w/summary.json").is_file()
    offline = next((tmp_path / "runs/w/wandb").glob("offline-run-*"))
    assert sum("val/acc" in row for row in history(records(offline))) == 2  # what could not be sent is kept
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert KEY not in done.stdout + done.stderr
