"""A logger that W&B cannot hurt: what it starts, what it tells, and what it does when server or client fail."""

from types import SimpleNamespace

import pytest

from hqlm.callbacks import WandbRun, finish_open_run, wandb_logger


@pytest.fixture(autouse=True)
def account(monkeypatch):
    """An account, a server that answers, and nothing left open."""
    monkeypatch.setattr(wandb_logger, "_server", lambda: "http://nowhere")
    monkeypatch.setattr(wandb_logger, "_request", lambda server, seconds: None)
    monkeypatch.setattr(wandb_logger, "_has_account", lambda: True)  # a key in the environment would be kept
    monkeypatch.setenv("HQLM_WANDB_UNREACHABLE", "")  # so that it is put back
    monkeypatch.delenv("WANDB_MODE", raising=False)
    yield
    finish_open_run()


@pytest.fixture
def starts(monkeypatch):
    """What W&B is started with, as (mode, settings); `online` says whether the server takes a run."""
    found, online = [], {"answers": True}

    def start(folder, mode, timeout, **settings):
        if mode == "online" and not online["answers"]:
            raise ConnectionError("refused\nand a long story")
        found.append((mode, {key: value for key, value in settings.items() if key in ("id", "resume") and value}))
        run_id = settings["id"] or f"new{len(found)}"
        files = (
            folder / "wandb" / f"{'offline-' if mode == 'offline' else ''}run-2026010{len(found)}-{run_id}" / "files"
        )
        files.mkdir(parents=True)
        return SimpleNamespace(
            id=run_id, url="", dir=str(files), disabled=False, log=lambda row: None,
            define_metric=lambda *args, **kwargs: None, finish=lambda exit_code: None,
        )  # fmt: skip

    monkeypatch.setattr(wandb_logger, "_init", start)
    return found, online


def record(folder, mode):
    """Record a run of a folder from its start to its end; whether what came before is to be recorded, too."""
    found = WandbRun(mode=mode).begin(folder)
    finish_open_run()
    return found


def folders(folder):
    return sorted(path.name for path in (folder / "wandb").iterdir())


def test_nothing_is_sent_before_a_run_has_begun():
    logger = WandbRun()
    logger.log_hyperparams({"model": {}})
    logger.log_metrics({"val/acc": 0.5}, 1)
    assert logger.version is None


def test_a_server_that_did_not_answer_is_not_waited_for_again(tmp_path, starts, caplog):
    starts[1]["answers"] = False
    asked = []
    with caplog.at_level("INFO"):
        for _ in range(2):
            asked.append(WandbRun().ask_server("all goes on"))
            assert record(tmp_path, "auto")
    assert asked == [True, False]
    assert [mode for mode, _ in starts[0]] == ["offline", "offline"]
    assert caplog.text.count("W&B did not answer (refused): training goes on") == 1


def test_what_wandb_fails_at_ends_the_reporting_and_nothing_else(tmp_path, starts, caplog):
    def log(values):
        raise RuntimeError("the service is gone")

    logger = WandbRun(mode="offline")
    logger.begin(tmp_path)
    logger.experiment.log = log
    logger.experiment.finish = lambda exit_code: pytest.fail("nothing more is sent")
    with caplog.at_level("INFO"):
        logger.log_metrics({"a": 1}, 1)
        logger.log_metrics({"a": 2}, 2)
        finish_open_run()
    assert caplog.text.count("W&B failed (the service is gone)") == 1


def test_a_run_that_is_recorded_again_offline_stays_one_run(tmp_path, starts):
    assert record(tmp_path, "offline")
    assert record(tmp_path, "offline")
    assert starts[0] == [("offline", {}), ("offline", {"id": "new1"})]
    assert folders(tmp_path) == ["offline-run-20260102-new1"]


def test_what_the_server_knows_is_added_to(tmp_path, starts):
    assert [record(tmp_path, "online") for _ in range(2)] == [True, False]
    assert starts[0] == [("online", {}), ("online", {"id": "new1", "resume": "allow"})]
    starts[1]["answers"] = False
    assert record(tmp_path, "online")  # the whole run, which then replaces what the server has
    assert starts[0][-1] == ("offline", {"id": "new1"})


def test_what_was_offline_before_is_told_anew_online(tmp_path, starts):
    assert record(tmp_path, "offline")
    assert record(tmp_path, "online")
    assert starts[0][1:] == [("online", {"id": "new1"})]
    assert folders(tmp_path) == ["run-20260102-new1"]


def test_a_test_after_its_training_in_one_process_adds_to_its_run(tmp_path, starts):
    training, test = WandbRun(mode="offline"), WandbRun(mode="offline")
    assert training.begin(tmp_path)
    assert not test.begin(tmp_path)
    assert test.experiment is training.experiment
    (tmp_path / "b").mkdir()
    assert WandbRun(mode="offline").begin(tmp_path / "b")  # another run ends the one before it
    assert len(starts[0]) == 2


def test_a_run_that_is_switched_off_leaves_what_was_recorded(tmp_path, monkeypatch):
    waiting = tmp_path / "wandb/offline-run-1-known"
    waiting.mkdir(parents=True)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    logger = WandbRun()
    assert not logger.begin(tmp_path)
    logger.log_metrics({"a": 1}, 1)
    finish_open_run()
    assert folders(tmp_path) == ["offline-run-1-known"]
