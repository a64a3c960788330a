"""Who reports to W&B: rank 0, where there is anything to report, and to a server that has answered in this process."""

from types import SimpleNamespace

import pytest
import torch

from hqlm.callbacks import WandbRun, wandb_session


def trainer(**changes):
    return SimpleNamespace(**{"fast_dev_run": False, "is_global_zero": True, **changes})


@pytest.mark.parametrize("changes", [{"is_global_zero": False}, {"fast_dev_run": True}])
def test_other_ranks_and_trial_runs_begin_nothing(changes, monkeypatch):
    monkeypatch.setattr("hqlm.callbacks.wandb_run.Session", lambda *args, **kwargs: pytest.fail("a run was begun"))
    logger = WandbRun()
    logger.setup(trainer(**changes), torch.nn.Linear(1, 1), "fit")
    logger.log_hyperparams({"model": {}})
    logger.log_metrics({"val/acc": 0.5}, 1)
    assert logger.version is None


def test_a_server_that_did_not_answer_is_not_waited_for_again(tmp_path, monkeypatch, caplog):
    modes = []

    def start(folder, mode, timeout, settings):
        modes.append(mode)
        if mode == "online":
            raise ConnectionError("refused\nand a long story")
        return SimpleNamespace(id="x", finish=lambda exit_code: None)

    monkeypatch.setattr(wandb_session, "_start", start)
    monkeypatch.setattr(wandb_session, "_server", lambda: "http://nowhere")
    monkeypatch.setattr(wandb_session, "_unreachable", set())
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with caplog.at_level("INFO"):
        for _ in range(2):
            session = wandb_session.Session(tmp_path, "auto", 1.0)
            assert not session.is_online
            session.finish(failed=False)
    assert modes == ["online", "offline", "offline"]
    assert "W&B did not answer (refused): training goes on" in caplog.text


def test_what_wandb_fails_at_ends_the_reporting_and_nothing_else(tmp_path, monkeypatch, caplog):
    def log(values):
        raise RuntimeError("the service is gone")

    run = SimpleNamespace(id="x", log=log, finish=lambda exit_code: pytest.fail("nothing more is sent"))
    monkeypatch.setattr(wandb_session, "_start", lambda *args: run)
    with caplog.at_level("INFO"):
        session = wandb_session.Session(tmp_path, "offline", 1.0)
        session.log({"a": 1})
        session.log({"a": 2})
        session.finish(failed=False)
    assert caplog.text.count("W&B failed (the service is gone)") == 1
