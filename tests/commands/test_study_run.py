"""A study as a user runs it: every trial once, whatever happens in between, and one table in the end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import yaml

from hqlm.commands import main
from hqlm.files import lock_folder
from hqlm.models import TextModel
from hqlm.notices import say_once
from hqlm.studies import estimate, trial
from hqlm.studies.store import read_results, trial_folder
from hqlm.studies.trial import run_trial
from tests.kernels import share_kernels
from tests.studies.tasks import is_alive

pandas = pytest.importorskip("pandas")

BASE = {
    "model": {
        "text_encoder": {"class_path": "HashingEncoder", "init_args": {"dim": 15}},
        "head": {
            "feature_encoder": {"class_path": "QuantumFeatureEncoder", "init_args": {"n_qubits": 4, "n_layers": 1}},
        },
    },
    "data": {"class_path": "ReviewsData", "init_args": {"limit_train": 64, "limit_val": 32, "limit_test": 32}},
    "trainer": {"max_epochs": 2, "accelerator": "cpu"},
}
STUDY = {
    "base": "base.yaml",
    "design": "FullFactorial",
    "factors": {
        "model.head.feature_encoder.n_qubits": [4, 3],
        "model.head.reuploading": ["RepeatedUpload", "SingleUpload"],
    },
    "overrides": {"model.head.readout": "all"},
    "seeds": [0],
    "plugins": ["tests.studies.inline"],
    "executor": "InlineExecutor",  # spares the fast tests the start of processes
}
TIMES = ["seconds", "training_seconds", "step_seconds", "sentences_per_second"]


def write(folder, **changes):
    """Write the files of a study that has `changes`."""
    (folder / "base.yaml").write_text(yaml.safe_dump(BASE))
    (folder / "tiny.yaml").write_text(yaml.safe_dump({**STUDY, **changes}))


@pytest.fixture
def study(run, tmp_path):
    """Run `hqlm study run` on a study with changes: `study("--flag", seeds=[0, 1])`."""

    def call(*flags, **changes):
        write(tmp_path, **changes)
        return run("study", "run", "--config=tiny.yaml", *flags)

    return call


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a study of which two trials are done and two failed, having too few qubits for the embedding."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HQLM_CACHE", str(folder / "cache"))
        share_kernels(folder / "cache")
        write(folder)
        assert main(["study", "run", "--config=tiny.yaml"]) == 1
    return folder


@pytest.fixture
def table(finished):
    return read_results(finished / "studies/tiny")


def test_the_table_has_every_trial_with_its_values_and_figures(table):
    assert table["order"].tolist() == [0, 1, 2, 3]
    done = table[table["model.head.feature_encoder.n_qubits"] == 4]
    assert set(done["model.head.reuploading"]) == {"RepeatedUpload", "SingleUpload"}
    assert (done["status"] == "done").all()
    figures = ["test/acc", "test/f1", "test/loss", "val/acc", "parameters", *TIMES]
    assert done[figures].notna().all(axis=None)


def test_a_trial_that_fails_says_why_and_the_others_go_on(table, finished):
    failed = table[table["model.head.feature_encoder.n_qubits"] == 3]
    assert (failed["status"] == "failed").all()
    assert failed["error"].str.contains("n_qubits=3").all()
    assert failed["test/acc"].isna().all()
    log = trial_folder(finished / "studies/tiny", failed["trial"].iloc[0]) / "log.txt"
    assert "Traceback" in log.read_text()


def test_a_trial_is_an_ordinary_run(table, finished, monkeypatch, capfd):
    row = table[table["status"] == "done"].iloc[0]
    folder = trial_folder(finished / "studies/tiny", row["trial"])
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["seed_everything"] == row["seed"]
    assert config["model"]["init_args"]["head"]["init_args"]["readout"] == "all"
    predictions = (folder / "test/predictions.tsv").read_text().splitlines()
    assert len(predictions) == 33
    right = sum(label == said for _, label, said, *_ in (line.split("\t") for line in predictions[1:]))
    assert right / 32 == pytest.approx(row["test/acc"])
    summary = json.loads((folder / "summary.json").read_text())
    counts = summary["parameters"]
    assert (row["parameters"], row["quantum_parameters"]) == (sum(counts.values()), counts["quantum"])
    assert row["val/acc"] == summary["val_acc"]
    tested = yaml.safe_load((folder / "test/config.yaml").read_text())["ckpt_path"]
    assert Path(tested).name == Path(summary["checkpoint"]).name  # the best, not the last
    monkeypatch.chdir(finished)
    monkeypatch.setenv("HQLM_CACHE", str(finished / "cache"))
    assert main(["test", f"--ckpt_path={folder}"]) == 0
    assert re.search(rf"test/acc +{row['test/acc']:.4f}", capfd.readouterr().out)


def test_what_is_done_is_not_done_again_and_a_seed_can_be_added(study, tmp_path):
    layers = {"model.head.feature_encoder.n_layers": [1, 2]}
    assert study(factors=layers).code == 0
    first = read_results(tmp_path / "studies/tiny")
    records = {path: path.stat().st_mtime_ns for path in tmp_path.glob("studies/tiny/trials/*/trial.json")}
    result = study("--seeds=[0,1]", factors=layers)
    assert "4 trials, 2 of them done" in result.out
    assert {path: path.stat().st_mtime_ns for path in records} == records
    both = read_results(tmp_path / "studies/tiny")
    assert both["status"].tolist() == ["done"] * 4
    pandas.testing.assert_frame_equal(both.iloc[:2], first)
    assert both["trial"].is_unique
    configs = [trial_folder(tmp_path / "studies/tiny", key) / "config.yaml" for key in both["trial"]]
    assert [yaml.safe_load(path.read_text())["seed_everything"] for path in configs] == both["seed"].tolist()


def test_null_is_a_level(study, tmp_path):
    assert study(factors={"model.head.execution.shots": [None, 8]}).code == 0
    table = read_results(tmp_path / "studies/tiny")
    assert table["model.head.execution.shots"].tolist() == [None, 8]
    configs = [trial_folder(tmp_path / "studies/tiny", key) / "config.yaml" for key in table["trial"]]
    shots = [
        yaml.safe_load(path.read_text())["model"]["init_args"]["head"]["init_args"]["execution"]["shots"]
        for path in configs
    ]
    assert shots == [None, 8]


def test_a_dry_run_shows_trials_aliasing_and_time_and_runs_nothing(study, tmp_path):
    result = study("--dry-run", overrides={"trainer.max_epochs": 10**7})  # of which one is tried
    assert "no effect is aliased" in result.out
    assert re.search(r"about [\d.]+ h for 4 trials", result.out)
    assert sum(" to run " in line for line in result.out.splitlines()) == 4
    assert "for 4 trials, 1 at a time" in result.out
    assert result.out.count("one would fail: ") == 2  # n_qubits=3 is too few for the embedding, as only data tell
    assert result.code == 1
    assert not (tmp_path / "studies").exists()


def test_an_estimate_counts_rounds_of_workers(monkeypatch):
    monkeypatch.setattr(estimate, "embed_all", lambda configs: None)
    monkeypatch.setattr(estimate, "_try_out", lambda config: (10.0, set()))
    lasting = estimate.estimate([{}] * 4, 3).lasting
    assert lasting.startswith("about 20 s for 4 trials, 3 at a time; a trial takes about 10 s")


def test_a_dry_run_tells_whatever_would_fail_a_trial(study, monkeypatch):
    def breaks(self, batch, batch_idx):
        raise TypeError("no such thing as a step")

    assert study("--dry-run", factors={"model.head.feature_encoder.n_layers": [1, 2]}).code == 0
    monkeypatch.setattr(TextModel, "training_step", breaks)
    result = study("--dry-run", factors={"model.head.feature_encoder.n_layers": [1, 2]})
    assert result.code == 1
    assert result.out.count("one would fail: TypeError: no such thing as a step") == 2
    assert "Traceback" not in result.out + result.err


def test_an_unknown_response_is_refused_by_the_dry_run_and_ends_the_study_with_its_first_trial(study, tmp_path):
    changes = {"response": "test/nothing", "factors": {"model.head.feature_encoder.n_layers": [1, 2]}}
    result = study("--dry-run", **changes)
    assert (result.code, (tmp_path / "studies").exists()) == (2, False)
    message = "no trial has 'test/nothing'. Known: parameters, quantum_parameters, sentences_per_second, step_seconds"
    assert message in result.err
    result = study(**changes)
    assert result.code == 2
    assert message in result.err
    assert len(list(tmp_path.glob("studies/tiny/trials/*/trial.json"))) == 1
    again = study(**changes)
    assert message in again.err
    assert len(list(tmp_path.glob("studies/tiny/trials/*/trial.json"))) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factors": {"model.head.feature_encoder.n_qbits": [4, 5]}}, "Did you mean 'n_qubits'"),
        ({"factors": {"modl.ablate": [["offset"], []]}}, "modl.ablate"),
        ({"factors": {"model.head.reuploading": ["RepeatedUpload", "SinglUpload"]}}, "Did you mean 'SingleUpload'"),
        ({"factors": {"model.head.feature_encoder.n_qubits": [4, "many"]}}, "n_qubits=many is invalid"),
        (
            {"overrides": {"model.head.reuploading": "NoUpload"}},
            "model.head.reuploading is both a factor and an override",
        ),
        ({"overrides": {"trainer.fast_dev_run": True}}, "fast_dev_run"),
        ({"overrides": {"trainer.devices": 2}}, "a trial trains in one process"),
        ({"factors": {"model.head.ansatz": ["RingAnsatz", {"class_path": "RingAnsatz"}]}}, "are one and the same run"),
        ({"factors": {"seed_everything": [1, 2]}}, "list its values there"),
        ({"factors": {"data": {"batch_size": [8, 16]}}}, "keys of factors are dotted, such as data.batch_size"),
        ({"factors": ["data.batch_size"]}, "is invalid: give one such as"),
        ({"center_point": True}, "design: {class_path: FullFactorial, init_args: {center_point: ...}}"),
        ({"executor.n_workers": 1}, "is a flag, --executor.n_workers=..."),
        ({"base": "."}, "base: . is a folder"),
        ({"design": "FullFactoral"}, "Did you mean 'FullFactorial'"),
        ({"executor": "RayExecutr"}, "Did you mean 'RayExecutor'"),
        ({"base": "other.yaml"}, "base: there is no configuration file other.yaml"),
        ({"seeds": [-1]}, "seeds: -1 is invalid"),
        ({"seeds": [2**32]}, "from 0 to 4294967295"),
        ({"seeds": []}, "different whole numbers"),
        ({"seeds": 0}, "seeds"),
        ({"seeds": [1, 1]}, "different whole numbers"),
        ({"seeds": None}, "seeds: null is not possible"),
        ({"factors": None}, "factors: null is not possible"),
        ({"factors": {"data.seed": None}}, "given null"),
        ({"factors": {"data.seed": {"low": None, "high": 5}}}, "given low=null, high=5"),
        ({"factors": {"data.seed": {"low": -1e308, "high": 1e308}}}, "a number from -1e100 to 1e100"),
        ({"factors": {"data.seed": {"low": 0, "high": 10**400}}}, "a number from -1e100 to 1e100"),
        ({"factors": {"data.seed": {"low": 1, "high": 5, "log": "yes please"}}}, "log is true or false"),
        ({"factors": {"data.seed": [1, 2, 1]}}, "the level 1 is listed twice"),
        ({"factors": {"data.seed": list(range(1001))}}, "has 1,001 levels: 1,000 is the limit"),
        ({"factors": {f"a.b{i}": [0, 1] for i in range(20)}}, "1,048,576 trials; the limit is 100,000"),
        ({"factors": {f"a.b{i}": list(range(10)) for i in range(40)}}, "1.00e+40 trials; the limit is 100,000"),
        ({"factors": {f"a.b{i}": [0, 1] for i in range(12)}}, "4,096 trials. Add --yes"),
        ({"seeds": list(range(300))}, "1,200 trials. Add --yes"),
        ({"design": {"class_path": "RandomDesign", "init_args": {"runs": 10**8}}}, "100,000,000 trials; the limit"),
        ({"design": {"class_path": "LatinHypercube", "init_args": {"runs": 10**12}}}, "1,000,000,000,000 trials;"),
        ({"design": {"class_path": "FullFactorial", "init_args": {"replicates": 10**9}}}, "4,000,000,000 trials;"),
        ({"response": ["test/acc"]}, "response"),
        ({"factor": {"data.seed": [0, 1]}}, "Did you mean 'factors'"),
        ({"name": "../elsewhere"}, "--name=../elsewhere"),
    ],
)
def test_mistakes_are_told_before_anything_runs(study, tmp_path, changes, message):
    result = study(**changes)
    assert result.code == 2
    assert message in result.err
    assert not (tmp_path / "studies").exists()


def test_classes_lists_and_null_as_overrides_are_what_they_are_as_factors(study, tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for split, rows in (("train", 24), ("val", 8), ("test", 8)):
        lines = [f"text {i} is {label}\t{label}" for i in range(rows) for label in ("bad", "good")]
        (folder / f"{split}.tsv").write_text("\n".join(["text\tlabel", *lines]))
    overrides = {
        "data": {"class_path": "FileData", "init_args": {"folder": str(folder), "seed": 3}},
        "model.head.ablate": ["long_range"],
        "model.head.execution.shots": None,
        "model.head.feature_encoder": {
            "class_path": "QuantumFeatureEncoder",
            "init_args": {"n_qubits": 4, "n_layers": 1},
        },
    }
    result = study(overrides=overrides, factors={"model.head.reuploading": ["RepeatedUpload", "SingleUpload"]})
    assert result.code == 0, result.err
    (path, _) = tmp_path.glob("studies/tiny/trials/*/config.yaml")
    config = yaml.safe_load(path.read_text())
    assert config["data"]["init_args"]["seed"] == 3
    assert config["model"]["init_args"]["head"]["init_args"]["ablate"] == ["long_range"]
    written = yaml.safe_load((tmp_path / "studies/tiny/study.yaml").read_text())["overrides"]
    assert written["data"]["class_path"].endswith("FileData")
    again = study(overrides=overrides, factors={"model.head.reuploading": ["RepeatedUpload", "SingleUpload"]})
    assert "2 trials, 2 of them done" in again.out


def test_without_a_file_or_with_an_unknown_subcommand(run):
    assert "--config is missing" in run("study", "run").err
    assert "Did you mean 'run'" in run("study", "rum").err
    assert "hqlm study run" in run("study").out


def test_a_trial_that_another_process_is_at_is_left_to_it(tmp_path):
    folder = tmp_path / "trials/key"
    task = {"folder": str(folder), "config": {}, "record": {}, "since": 0.0}
    with lock_folder(folder):
        assert run_trial(task) is None


def test_a_trial_that_failed_in_another_process_at_the_same_time_is_not_tried_again(tmp_path):
    task = {"folder": str(tmp_path / "trials/key"), "config": {}, "record": {}, "since": time.time()}
    first = run_trial(task)  # an empty configuration fails
    assert first["status"] == "failed"
    assert run_trial(task) == first
    assert run_trial({**task, "since": time.time()})["ended"] > first["ended"]


def start(folder):
    if not (folder / "cache").exists():
        share_kernels(folder / "cache")
    env = {**os.environ, "HQLM_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "hqlm", "study", "run", "--config=tiny.yaml"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    # tests that a shell runs in the background are deaf to Ctrl-C, and so would be what they start
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, cwd=folder, env=env, start_new_session=True, preexec_fn=listen, **pipes)


def wait_for(condition):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def predictions(folder):
    found = sorted(folder.glob("studies/tiny/trials/*/test/predictions.tsv"))
    return {path.parent.parent.name: path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a study of four trials that nothing befell."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write(folder, **FOUR)
    process = start(folder)
    out, _ = process.communicate()
    assert process.returncode == 0, out
    return folder


FOUR = {
    "factors": {
        "model.head.feature_encoder.n_layers": [1, 2],
        "model.head.reuploading": ["RepeatedUpload", "SingleUpload"],
    },
    "overrides": {"trainer.max_epochs": 12},  # long enough to be killed in between
    "executor": {"class_path": "LocalExecutor", "init_args": {"n_workers": 1}},
}


def check_same(folder, undisturbed):
    ours, theirs = (read_results(each / "studies/tiny").drop(columns=TIMES) for each in (folder, undisturbed))
    pandas.testing.assert_frame_equal(ours, theirs)
    assert predictions(folder) == predictions(undisturbed)


def start_and_wait(folder):
    """A study of which a trial is done and the second has finished an epoch but not its last, with its workers."""
    write(folder, **FOUR)
    process, trials = start(folder), folder / "studies/tiny/trials"
    wait_for(lambda: len(list(trials.glob("*/checkpoints/last.ckpt"))) == 2 or process.poll() is not None)
    return process, children(process.pid)


def check_goes_on(folder, workers, undisturbed):
    """That no worker is left, and the same command ends with the table of a study that nobody disturbed."""
    trials = folder / "studies/tiny/trials"
    wait_for(lambda: not any(map(is_alive, workers)))
    states = [json.loads(path.read_text())["status"] for path in trials.glob("*/trial.json")]
    assert sorted(states) == ["done", "running"]
    again = start(folder)
    out, _ = again.communicate()
    assert again.returncode == 0, out
    assert "4 trials, 1 of them done" in out
    assert "resuming" in "".join(path.read_text() for path in trials.glob("*/log.txt"))
    check_same(folder, undisturbed)


@pytest.mark.slow
def test_killed_in_the_middle_of_a_trial_the_study_goes_on_to_the_same_table(tmp_path, undisturbed):
    process, workers = start_and_wait(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    check_goes_on(tmp_path, workers, undisturbed)


@pytest.mark.slow
def test_after_ctrl_c_the_study_goes_on_to_the_same_table(tmp_path, undisturbed):
    process, workers = start_and_wait(tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "interrupted" in out
    assert "Traceback" not in out
    check_goes_on(tmp_path, workers, undisturbed)


@pytest.mark.slow
def test_ctrl_c_while_workers_import_leaves_nothing_and_no_traceback(tmp_path):
    write(tmp_path, **FOUR | {"executor": {"class_path": "LocalExecutor", "init_args": {"n_workers": 2}}})
    process = start(tmp_path)
    command = Path(f"/proc/{process.pid}")
    wait_for(lambda: any("spawn_main" in line(pid) for pid in children(process.pid)) or not command.exists())
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # long before they have imported PyTorch
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "Traceback" not in out
    wait_for(lambda: not any(map(is_alive, workers)))


@pytest.mark.slow
def test_two_processes_share_a_study(tmp_path, undisturbed):
    write(tmp_path, **FOUR)
    both = [start(tmp_path) for _ in range(2)]
    for process in both:
        out, _ = process.communicate()
        assert process.returncode == 0, out
        assert "4 of 4 trials are done" in out
    logs = [path.read_text() for path in tmp_path.glob("studies/tiny/trials/*/log.txt")]
    assert len(logs) == 4
    assert not any("resuming" in text for text in logs)
    check_same(tmp_path, undisturbed)


@pytest.mark.slow
def test_ray_gives_the_same_table(tmp_path, undisturbed):
    write(tmp_path, **FOUR | {"executor": {"class_path": "RayExecutor", "init_args": {"n_workers": 2}}})
    process = start(tmp_path)
    out, _ = process.communicate()
    assert process.returncode == 0, out
    check_same(tmp_path, undisturbed)


def children(pid):
    """Processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def line(pid):
    """The command line of a process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_trials_are_repeated_when_their_data_change(study, tmp_path, monkeypatch):
    for split in ("train", "val", "test"):
        rows = [f"the plot is {('dull', 'clever')[n % 2]} in {split} {n}\t{n % 2}" for n in range(32)]
        (tmp_path / f"{split}.tsv").write_text("\n".join(["text\tlabel", *rows]))
    monkeypatch.setitem(BASE, "data", {"class_path": "FileData", "init_args": {"folder": str(tmp_path)}})
    keys = []
    for change in ("", "", "\none more\t1"):
        with (tmp_path / "test.tsv").open("a") as file:
            file.write(change)
        said = study("--dry-run", factors={"model.head.feature_encoder.n_layers": [1, 2]}).out
        keys.append(re.findall(r"^ +\d+  (\w{16})  to run", said, re.MULTILINE))
    assert len(keys[0]) == 2
    assert keys[0] == keys[1]
    assert not set(keys[0]) & set(keys[2])


def test_the_log_of_every_trial_of_a_worker_holds_its_notices(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "_fit_and_test", lambda folder, config: say_once("rounding may change values") or {})
    for key in ("one", "two"):
        task = {"folder": str(tmp_path / key), "config": {}, "record": {}, "since": time.time()}
        assert run_trial(task)["status"] == "done"
        assert "rounding may change values" in (tmp_path / key / "log.txt").read_text()
