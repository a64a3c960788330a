"""Studies from Python: made of objects, run, read again and analysed."""

import sys

import pytest
import yaml

import hqlm
from hqlm.errors import ConfigError, RunError
from hqlm.heads import LinearHead, MLPHead
from hqlm.studies.executors import LocalExecutor, local
from hqlm.studies.study import Study
from tests.studies.inline import InlineExecutor

TINY = {
    "model.text_encoder": "HashingEncoder",
    "model.text_encoder.dim": 15,
    "model.head.feature_encoder.n_qubits": 4,
    "data.limit_train": 64,
    "data.limit_val": 32,
    "data.limit_test": 32,
    "trainer.max_epochs": 1,
}
HEADS = [LinearHead(), MLPHead((5,))]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))


def make(**changes):
    experiment = hqlm.Experiment.read("quickstart", overrides=TINY)
    options = {"factors": {"model.head": HEADS}, "seeds": range(2), "executor": InlineExecutor(), "name": "heads"}
    return Study(experiment, **{**options, **changes})


def test_a_study_of_objects_is_run_once_and_read_again(tmp_path):
    study = make().run()
    table = study.table
    assert list(table["status"]) == ["done"] * 4
    assert {each["class_path"].rpartition(".")[2] for each in table["model.head"]} == {"LinearHead", "MLPHead"}
    assert set(table["parameters"]) == {32, 15 * 5 + 5 + 12}
    trials = {path: path.stat().st_mtime_ns for path in tmp_path.glob("studies/heads/trials/*/trial.json")}
    assert len(trials) == 4
    opened = Study.open("studies/heads", plugins="tests.studies.inline")
    assert opened.config == {**study.config, "plugins": ["tests.studies.inline"]}
    assert opened.run().table.equals(table)
    assert {path: path.stat().st_mtime_ns for path in trials} == trials
    assert {path.name for path in opened.report()} == {"report.html", "report.md", "report.csv", "trials.csv"}
    assert "<html" in opened._repr_html_()


def test_a_study_that_was_moved_is_analysed_where_it_is(tmp_path):
    make(seeds=[0, 1]).run()
    moved = tmp_path / "elsewhere"
    (tmp_path / "studies/heads").rename(moved)
    opened = Study.open(moved, ["tests.studies.inline"])
    assert len(opened.table) == 4
    assert {path.parent for path in opened.report()} == {moved}
    assert not (tmp_path / "studies/heads").exists()


def test_markup_in_options_is_text(tmp_path):
    assert "<script>" not in make(overrides={"trainer.default_root_dir": "<script>"})._repr_html_()


def test_a_study_shows_its_options_before_it_is_run():
    assert "model.head" in make()._repr_html_()


def test_levels_are_kept_as_they_are_written(tmp_path):
    """No option of a class is spelled out, least of all one that only its constructor takes."""
    levels = [{"class_path": f"torch.optim.{name}", "init_args": {"lr": 0.1}} for name in ("AdamW", "SGD")]
    factors = {"model.optimizer": levels}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"base": "quickstart", "factors": factors, "seeds": [0]}))
    study = Study.read("study.yaml", overrides={"overrides": TINY})
    assert study.factors == factors
    found = {each.config["model"]["init_args"]["optimizer"]["class_path"] for each in study.plan()}
    assert found == {"torch.optim.AdamW", "torch.optim.SGD"}


def test_a_failed_trial_is_raised_when_all_others_are_done():
    with pytest.raises(RunError, match=r"1 of 2 trials failed. The first, n_qubits=3, seed 0: .*n_qubits"):
        make(factors={"model.head.feature_encoder.n_qubits": [4, 3]}, seeds=[0]).run()
    assert sorted(make().table["status"]) == ["done", "failed"]


def test_an_experiment_in_a_folder_that_was_found_imports_nothing(tmp_path):
    (tmp_path / "payload.py").write_text("raise SystemExit")
    study = make()
    config = study.config
    config["base"]["model"] = {"class_path": "payload.Model", "init_args": {"optimizer": {"class_path": "payload.run"}}}
    (tmp_path / "found").mkdir()
    (tmp_path / "found/study.yaml").write_text(yaml.safe_dump(config))
    sys.path.insert(0, str(tmp_path))
    try:
        assert Study.open("found", ["tests.studies.inline"]).config["base"] == config["base"]
    finally:
        sys.path.remove(str(tmp_path))
    assert "payload" not in sys.modules


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base": 5}, "base=5: give a configuration file"),
        ({"base": ["a", 5]}, "give a configuration file"),
        ({"factors": ["model.head"]}, "factors=.* is invalid"),
        ({"overrides": "x"}, "overrides=x is invalid"),
        ({"design": "Scaling"}, "design=Scaling is invalid"),
        ({"executor": LocalExecutor}, "executor=.* is invalid"),
        ({"seeds": [-1]}, "seeds: -1 is invalid"),
        ({"seeds": "01"}, "seeds: 01 is invalid"),
        ({"name": None}, "Name its folder"),
        ({"name": "a/b"}, "a run is named with letters"),
    ],
)
def test_mistakes_are_refused(changes, said):
    options = {"base": "quickstart", "factors": {"model.head": HEADS}, "name": "x"} | changes
    with pytest.raises((ConfigError, RunError), match=said):
        Study(**options).run()


def test_a_script_that_every_worker_would_run_as_a_whole_is_refused(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text("import hqlm\nhqlm.compare(...)\n")
    monkeypatch.setattr(local.sys.modules["__main__"], "__file__", str(script), raising=False)
    with pytest.raises(RunError, match="if __name__ == '__main__'"):
        next(LocalExecutor(1).run(print, [1]))
    script.write_text("if __name__ == '__main__':\n    ...\n")
    local._check_main()
