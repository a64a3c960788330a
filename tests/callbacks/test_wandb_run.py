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
    monkeypatch.setattr(wandb_session, "_request", lambda server, seconds: None)
    monkeypatch.setenv("HQLM_WANDB_UNREACHABLE", "")  # so that it is put back
    monkeypatch.setattr(wandb_session, "_has_account", lambda: True)  # a key in the environment would be kept
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

    run = SimpleNamespace(id="x", log=log, disabled=False, finish=lambda exit_code: pytest.fail("nothing more is sent"))
    monkeypatch.setattr(wandb_session, "_start", lambda *args: run)
    with caplog.at_level("INFO"):
        session = wandb_session.Session(tmp_path, "offline", 1.0)
        session.log({"a": 1})
        session.log({"a": 2})
        session.finish(failed=False)
    assert caplog.text.count("W&B failed (the service is gone)") == 1


@pytest.fixture
def starts(monkeypatch):
    """What W&B is started with, as (mode, settings); `online` says whether the server answers."""
    found, online = [], {"answers": True}

    def start(folder, mode, timeout, settings):
        if mode == "online" and not online["answers"]:
            raise ConnectionError("refused")
        found.append((mode, settings))
        run_id = settings.get("id", f"new{len(found)}")
        name = f"{'offline-' if mode == 'offline' else ''}run-{len(found)}-{run_id}"
        files = folder / "wandb" / name / "files"
        files.mkdir(parents=True)
        return SimpleNamespace(id=run_id, url="", dir=str(files), disabled=False, finish=lambda exit_code: None)

    monkeypatch.setattr(wandb_session, "_start", start)
    monkeypatch.setattr(wandb_session, "_server", lambda: "http://nowhere")
    monkeypatch.setattr(wandb_session, "_request", lambda server, seconds: None)
    monkeypatch.setenv("HQLM_WANDB_UNREACHABLE", "")  # so that it is put back
    monkeypatch.setattr(wandb_session, "_has_account", lambda: True)  # a key in the environment would be kept
    return found, online


def folders(folder):
    return sorted(path.name for path in (folder / "wandb").iterdir())


def test_a_whole_run_that_is_recorded_again_offline_stays_one_run(tmp_path, starts):
    for _ in range(2):
        assert not wandb_session.Session(tmp_path, "offline", 1.0, config={"a": 1}).is_known
    assert starts[0] == [("offline", {"config": {"a": 1}}), ("offline", {"config": {"a": 1}, "id": "new1"})]
    assert folders(tmp_path) == ["offline-run-2-new1"]


def test_a_part_that_is_recorded_offline_is_a_run_of_its_own(tmp_path, starts):
    for part in (False, True, False):
        wandb_session.Session(tmp_path, "offline", 1.0, is_part=part)
    assert [settings.get("id") for _, settings in starts[0]] == [None, None, "new1"]
    assert folders(tmp_path) == ["offline-run-2-new2", "offline-run-3-new1"]


def test_what_the_server_knows_is_added_to(tmp_path, starts):
    known = [wandb_session.Session(tmp_path, "online", 1.0, part, config={}).is_known for part in (False, True, False)]
    assert known == [False, True, True]
    again = {"id": "new1", "resume": "allow"}
    assert [settings for _, settings in starts[0]] == [{"config": {}}, again | {"config": None}, again | {"config": {}}]
    starts[1]["answers"] = False
    session = wandb_session.Session(tmp_path, "online", 1.0, config={})
    assert not session.is_known  # records of the whole run, which then replace what the server has
    assert starts[0][-1] == ("offline", {"config": {}, "id": "new1"})


def test_what_was_offline_before_is_told_anew_online(tmp_path, starts):
    wandb_session.Session(tmp_path, "offline", 1.0)
    assert not wandb_session.Session(tmp_path, "online", 1.0).is_known
    assert starts[0][1:] == [("online", {"id": "new1"})]
    assert folders(tmp_path) == ["run-2-new1"]


def test_a_run_that_is_switched_off_leaves_what_was_recorded(tmp_path, monkeypatch):
    waiting = tmp_path / "wandb/offline-run-1-known"
    waiting.mkdir(parents=True)
    (tmp_path / "wandb.json").write_text('{"id": "known", "online": true}')
    monkeypatch.setenv("WANDB_MODE", "disabled")
    session = wandb_session.Session(tmp_path, "auto", 1.0, project="p")
    session.log({"a": 1})
    session.finish(failed=False)
    assert session.id is None
    assert waiting.is_dir()
    assert (tmp_path / "wandb.json").read_text() == '{"id": "known", "online": true}'


@pytest.mark.parametrize("text", ["", "[]", '{"id": "x"}'])
def test_an_identity_that_cannot_be_read_is_told_and_not_used(tmp_path, starts, caplog, text):
    (tmp_path / "wandb.json").write_text(text)
    with caplog.at_level("INFO"):
        wandb_session.Session(tmp_path, "offline", 1.0)
    assert starts[0] == [("offline", {})]
    assert "wandb.json cannot be read" in caplog.text
