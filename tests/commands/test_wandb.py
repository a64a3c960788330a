"""What is sent to W&B, read back from the records of offline runs; and trainings whose W&B server does not answer."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from hqlm.callbacks import WandbRun, finish_open_run, wandb_logger
from hqlm.studies import study as studies
from hqlm.studies import trial
from tests.callbacks.wandb_records import config_updates, history, pick, records, server
from tests.commands.conftest import ROOT, SMALL, TINY

OVERLAY = f"--config={ROOT / 'hqlm/configs/logger/wandb.yaml'}"
EVERY = "--trainer.log_every_n_steps=1"
CLASSICAL = ["--model.head=LinearHead", *SMALL]
KEY = "0123456789abcdef" * 3
STUDY = {
    "base": ["base.yaml", str(ROOT / "hqlm/configs/logger/wandb.yaml")],
    "design": {"class_path": "Ablation", "init_args": {"words": ["long_range"]}},
    "seeds": [0, 1],
    "plugins": ["tests.studies.inline"],
    "executor": "InlineExecutor",
}


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """A home without an account."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def test_a_training_offline_and_what_it_holds(fit, caplog):
    result = fit(OVERLAY, "--name=w", "--model.head.ablate=[long_range]", "--trainer.logger.tags=[mine]", EVERY)
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


@pytest.fixture
def study(run):
    """Run a study of two settings and two seeds in this process: `study("--flag")`; its folder is studies/study."""
    flags = dict(flag.removeprefix("--").split("=") for flag in TINY)
    Path("base.yaml").write_text(yaml.safe_dump({"model": flags.pop("model"), "data": flags.pop("data")}))
    overrides = {key: yaml.safe_load(value) for key, value in flags.items()}
    Path("study.yaml").write_text(yaml.safe_dump(STUDY | {"overrides": overrides}))
    return lambda *flags: run("study", "run", "--config=study.yaml", *flags)


def check_trial(folder):
    """That the records of a trial are one run with everything in it; its identity."""
    trial = json.loads((folder / "trial.json").read_text())
    found = records(folder)
    (about,) = {(run.run_group, run.job_type, run.display_name) for run in pick(found, "run")}
    assert about == ("study", "trial", folder.name)
    words = trial["overrides"].get("model.head.ablate", [])
    assert [tag for tag in pick(found, "run")[0].tags if "without" in tag] == [f"without {word}" for word in words]
    rows = history(found)
    assert sum("val/acc" in row for row in rows) == 2  # epochs
    (test,) = (row for row in rows if "test/acc" in row)
    assert test["test/acc"] == pytest.approx(trial["metrics"]["test/acc"])
    assert "epoch" not in test
    assert test["trainer/global_step"] == max(row["trainer/global_step"] for row in rows if "val/acc" in row)
    assert any(key.startswith("test/confusion_matrix") for row in rows for key in row)
    (table,) = folder.rglob("confusion_matrix*.table.json")
    counts = json.loads(table.read_text())["data"]
    assert sum(count for *_, count in counts) == 32
    right = sum(count for actual, predicted, count in counts if actual == predicted)
    assert right / 32 == pytest.approx(trial["metrics"]["test/acc"])
    assert len(list(folder.rglob("media/html/circuit/*.html"))) == 2
    assert all(len(values) == 1 for key, values in config_updates(found).items() if not key.startswith("_"))
    return pick(found, "run")[0].run_id


def logged_tables():
    """Tables of the summary run by name, as columns."""
    files = Path("studies/study/wandb").rglob("*.table.json")
    tables = {path.name.split("_")[0]: json.loads(path.read_text()) for path in files}
    return {name: {key: [row[place] for row in table["data"]] for place, key in enumerate(table["columns"])}
            for name, table in tables.items()}  # fmt: skip


def test_a_training_that_goes_on_offline_stays_one_run(fit, run):
    assert fit(OVERLAY, "--name=w", "--trainer.max_epochs=1", "--model.schedule=constant", EVERY).code == 0
    first = records(Path("runs/w/wandb"))
    result = run("fit", "--ckpt_path=runs/w/checkpoints/last.ckpt", "--trainer.max_epochs=2")
    assert result.code == 0, result.err
    found = records(Path("runs/w/wandb"))  # which finds one run only
    assert pick(found, "run")[0].run_id == pick(first, "run")[0].run_id
    before, after = ([row for row in history(each) if "trainer/global_step" in row] for each in (first, found))
    assert [row.get("val/acc") for row in after[: len(before)]] == [row.get("val/acc") for row in before]
    assert [row["epoch"] for row in after if "val/acc" in row] == [0, 1]
    assert all(len(values) == 1 for key, values in config_updates(found).items() if not key.startswith("_"))


@pytest.mark.parametrize("command", ["test", "validate"])
def test_an_evaluation_is_part_of_the_run_that_it_evaluates(fit, run, command):
    assert fit(OVERLAY, "--name=w", EVERY).code == 0
    before = records(Path("runs/w/wandb"))
    for limit in (16, 8):
        result = run(command, "--ckpt_path=w", f"--data.limit_test={limit}", f"--data.limit_val={limit}")
        assert result.code == 0, result.err
        found = records(Path("runs/w/wandb"))  # which finds one run only
        assert pick(found, "run")[0].run_id == pick(before, "run")[0].run_id
        assert [row["train/loss"] for row in history(found) if "train/loss" in row] == [
            row["train/loss"] for row in history(before) if "train/loss" in row
        ]
        name, rows = {"test": "test/acc", "validate": "val/acc"}[command], history(found)
        measured = json.loads(Path(f"runs/w/{command}-{1 if limit == 16 else 2}/metrics.json").read_text())[name]
        assert [row[name] for row in rows if name in row][-1] == pytest.approx(measured)
        last = [row for row in rows if name in row][-1]
        assert last["trainer/global_step"] == max(row.get("trainer/global_step", 0) for row in history(before))
        resolved = yaml.safe_load(Path("runs/w/config.yaml").read_text())  # of the training, exactly once
        assert {key: values for key, values in config_updates(found).items() if not key.startswith("_")} == {
            key: [value] for key, value in resolved.items()
        }


def test_a_summary_run_that_fails_does_not_fail_the_study(monkeypatch, capsys):
    monkeypatch.setattr(studies, "wandb_logger", lambda config: WandbRun(mode="offline"))
    monkeypatch.setattr(studies, "make_report", lambda *args: 1 / 0)
    monkeypatch.setattr(studies, "read_results", lambda folder: None)
    studies.Study("quickstart", name="s")._publish(SimpleNamespace(planned=[SimpleNamespace(config={})]))
    told = capsys.readouterr().err
    assert told == "no summary run on W&B: ZeroDivisionError: division by zero. `hqlm study publish s` makes it\n"


@pytest.mark.slow
def test_a_trial_that_was_stopped_before_its_test_stays_one_run(study, monkeypatch):
    def stop(*args):
        finish_open_run(failed=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trial, "measure", stop)
        assert study("--seeds=[0]").code == 130
    (folder,) = (path.parent for path in Path("studies/study/trials").glob("*/wandb"))
    name = pick(records(folder), "run")[0].run_id
    assert study("--seeds=[0]").code == 0
    assert check_trial(folder) == name


@pytest.mark.slow
def test_every_trial_is_one_run_and_the_study_another(study, run):
    result = study()
    assert result.code == 0, result.err
    assert "recorded for W&B: what the study shows, as the run study-summary of the group study" in result.out, (
        result.err
    )
    trials = [path.parent for path in Path("studies/study/trials").glob("*/trial.json")]
    assert len({check_trial(folder) for folder in trials}) == 4
    folder = Path("studies/study/wandb")
    found = records(folder)
    (about,) = pick(found, "run")
    assert (about.run_group, about.job_type, about.display_name) == ("study", "summary", "study-summary")
    assert "All 4 trials are done" in about.notes
    assert {key: values for key, values in config_updates(found).items() if not key.startswith("_")} == {
        key: [value] for key, value in yaml.safe_load(Path("studies/study/study.yaml").read_text()).items()
    }
    pages = {re.sub(r"(_of_trial_\d)?_\d_\w+$", "", path.stem): path.read_text() for path in folder.rglob("*.html")}
    assert set(pages) == {"report", "differences_to_the_base", "first_module", "second_module"}
    assert all("<svg" in page for page in pages.values())
    tables = logged_tables()
    assert set(tables) == {"trials", "table", "ablation"}
    measured = [json.loads((each / "trial.json").read_text())["metrics"]["test/acc"] for each in trials]
    assert sorted(tables["trials"]["test/acc"]) == sorted(measured)
    assert tables["table"]["runs"] == [2, 2]

    assert study("--seeds=[0,1,2]").code == 0
    again = records(folder)  # which finds one run only
    assert [(each.run_id, each.run_group) for each in pick(again, "run")] == [(about.run_id, "study")]
    assert config_updates(again)["seeds"] == [[0, 1, 2]]
    assert len(logged_tables()["trials"]["seed"]) == 6
    assert "add --plugins=[tests.studies.inline]" in run("study", "publish", "study", "--project=other").err
    result = run("study", "publish", "study", "--project=other", "--plugins=[tests.studies.inline]")
    assert result.code == 0, result.err
    assert [(each.run_id, each.project) for each in pick(records(folder), "run")] == [(about.run_id, "other")]
    assert run("study", "publish", "nothing").code == 2


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
        command = ["fit", *CLASSICAL, OVERLAY, "--name=w", "--trainer.logger.mode=online"]
        done = subprocess.run(
            [sys.executable, "-m", "hqlm", *command], cwd=tmp_path, env=environment, capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if str(tmp_path).encode() in environment_of(pid)]
    assert re.search(r"W&B did not answer \(.*\): training goes on", done.stderr)
    assert len(requests) == (kind == "answers 500")  # it is asked once
    assert (tmp_path / "runs/w/summary.json").is_file()
    offline = next((tmp_path / "runs/w/wandb").glob("offline-run-*"))
    assert sum("val/acc" in row for row in history(records(offline))) == 2  # what could not be sent is kept
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert KEY not in done.stdout + done.stderr


def environment_of(process):
    """The environment of a process as bytes; empty when it has ended."""
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.slow
def test_a_silent_server_is_waited_for_once_in_a_study(study, monkeypatch):
    waits = []

    def wait(server, seconds):
        waits.append(seconds)
        return TimeoutError("no answer")

    monkeypatch.setattr(wandb_logger, "_request", wait)
    monkeypatch.setenv("HQLM_WANDB_UNREACHABLE", "")  # so that it is put back
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with server("hangs") as (address, _):
        monkeypatch.setattr(wandb_logger, "_server", lambda: address)
        assert study("--seeds=[0]").code == 0
    assert waits == [10.0]
    assert os.environ["HQLM_WANDB_UNREACHABLE"] == address  # which worker processes inherit


def test_settings_that_wandb_refuses_are_told_before_anything_is_trained(tmp_path):
    environment = {**os.environ, "WANDB_BASE_URL": "nonsense", "HQLM_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "hqlm", "fit", *CLASSICAL, OVERLAY], cwd=tmp_path, env=environment, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2
    assert "W&B rejects its settings" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()
