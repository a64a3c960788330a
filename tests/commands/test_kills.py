"""Nothing is lost or left half-written by kills, interrupts, full disks and two processes in one folder."""

import os
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from hqlm.commands import main
from hqlm.files import LOCK, lock_folder
from tests.commands.conftest import ROOT, TINY
from tests.kill_points import in_a_copy

MOMENTS = {"fit": "6", "test": "3", "compare": "2", "study": "2"}  # of 17 to 99; by hand: killing.py fit all 0
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("scenario", MOMENTS)
def test_killed_at_any_change_of_a_file_a_command_ends_as_if_nothing_had_happened(tmp_path, scenario):
    script = Path(__file__).with_name("killing.py")
    command = [sys.executable, script, scenario, MOMENTS[scenario], "7"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("killed at "), done.stdout


def leave(folder, *files):
    """What a process leaves in a folder when it is killed."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("of a killed process")
    (folder / LOCK).write_text("the process 1 on nowhere")


def test_a_run_is_trained_by_one_process(fit, run, trained):
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    with lock_folder(trained):
        for flags in (["--name=tiny", "--ckpt_path=last"], ["--ckpt_path=runs/tiny"]):
            result = fit(*flags)
            assert result.code == 2
            assert f"runs/tiny is in use by the process {os.getpid()} on {os.uname().nodename}" in result.err
        assert run("test", "--ckpt_path=tiny").code == 0  # which only reads the run
    assert {path: path.read_bytes() for path in before} == before
    with lock_folder(Path("runs/new")):
        assert "runs/new is in use" in fit("--name=new").err
    assert not Path("runs/new").exists()


def test_a_run_that_was_killed_in_its_first_epoch_starts_again_under_its_name(fit, trained):
    part = ".{}.0123abcd-17-1.part"  # of another container, which nobody else has the right to judge
    Path("runs/killed/checkpoints").mkdir(parents=True)
    leave(
        Path("runs/killed"), "config.yaml", "metrics.csv", f"checkpoints/{part.format('best-epoch00.ckpt')}",
        f"{part.format('body')}/model.safetensors", "wandb/offline-run-20260101_000000-ab/run-ab.wandb",
        "wandb/debug.log",
    )  # fmt: skip
    Path("runs/killed/wandb/latest-run").symlink_to("offline-run-20260101_000000-ab")
    result = fit("--name=killed", "--ckpt_path=last")
    assert result.code == 2
    assert "has finished no epoch to resume from. Leave --ckpt_path out" in result.err
    assert fit("--name=killed").code == 0
    names = [sorted(str(path.relative_to(run)) for path in run.rglob("*")) for run in (trained, Path("runs/killed"))]
    assert names[0] == names[1]
    assert Path("runs/killed/metrics.csv").read_text() == (trained / "metrics.csv").read_text()


KEPT = [
    "checkpoints/best-epoch09-acc0.9000.ckpt",
    "checkpoints/notes.txt",
    "checkpoints/mine/x",
    "body/model.safetensors",
    ".git/config",
    ".notes",
    "notes.txt",
    "metrics.json",
    "summary.json",
    "test-1/config.yaml",
    "wandb/notes.txt",
    ".body.0123abcd-17-1.old/model.safetensors",
]


@pytest.mark.parametrize("name", KEPT)
def test_what_no_unfinished_run_writes_is_kept_though_a_process_was_killed_there(fit, run, name):
    Path("kept.yaml").write_text("seed_everything: 1\n")
    leave(Path("runs/kept"), "config.yaml", "metrics.csv", name)
    before = sorted(Path("runs/kept").rglob("*"))
    result = fit("--name=kept")
    assert result.code == 2
    assert "the run runs/kept exists. Give another --name, or remove that folder\n" in result.err
    assert "this one is runs/kept-2" in run("fit", "--config=kept.yaml", *TINY).out
    assert sorted(Path("runs/kept").rglob("*")) == before
    assert Path("runs/kept", name).read_text() == "of a killed process"


@pytest.mark.parametrize("name", ["config.yaml", "metrics.csv", "wandb/offline-run-20260101_000000-ab/x", ".notes"])
def test_a_folder_where_no_process_was_killed_is_kept(fit, name):
    leave(Path("runs/kept"), name)
    Path("runs/kept", LOCK).unlink()
    result = fit("--name=kept")
    assert result.code == 2
    assert "the run runs/kept exists. Give another --name" in result.err
    assert Path("runs/kept", name).read_text() == "of a killed process"
    assert not Path("runs/kept", LOCK).exists()


def test_a_file_or_a_dead_link_is_no_folder_for_a_run(fit):
    Path("runs").mkdir()
    Path("runs/file").write_text("mine")
    Path("runs/link").symlink_to("nowhere")
    for name in ("file", "link"):
        result = fit(f"--name={name}")
        assert result.code == 2
        assert f"the run runs/{name} exists" in result.err
    assert Path("runs/file").read_text() == "mine"


def test_a_run_without_its_last_checkpoint_goes_on_from_the_best(fit, trained):
    (trained / "checkpoints/last.ckpt").unlink()
    (best,) = trained.glob("checkpoints/best*.ckpt")
    result = fit("--name=tiny", "--ckpt_path=last")
    assert result.code == 2
    assert result.err.endswith(f"the run runs/tiny has no last.ckpt. Resume with --ckpt_path={best}\n")
    assert fit("--name=tiny", f"--ckpt_path={best}").code == 0
    assert (trained / "checkpoints/last.ckpt").is_file()


@pytest.mark.parametrize("name", ["predictions.tsv", "metrics.json", ".notes"])
def test_results_that_a_killed_process_left_are_kept(run, trained, name):
    leave(trained / "test-1", "config.yaml", name)
    assert "runs/tiny/test-2\n" in run("test", "--ckpt_path=tiny").out
    assert (trained / "test-1" / name).read_text() == "of a killed process"


def test_a_folder_that_a_killed_test_left_is_used_again(run, trained):
    leave(trained / "test-1", "config.yaml")
    assert "runs/tiny/test-1\n" in run("test", "--ckpt_path=tiny").out
    assert "runs/tiny/test-2\n" in run("test", "--ckpt_path=tiny").out
    assert sorted(os.listdir(trained / "test-1")) == ["config.yaml", "metrics.json", "predictions.tsv"]


@pytest.mark.parametrize("args", [["fit", *TINY, "--name=X"], ["test", "--ckpt_path=X"], ["fit", "--config=X"]])
def test_names_of_5000_letters_are_refused(run, args):
    result = run(*(word.replace("X", "x" * 5000) for word in args))
    assert result.code == 2
    assert not Path("runs").exists()


def as_nobody(action):
    """Call `action` without the rights of root, which may write anywhere."""

    def call():
        os.setgid(65534)
        os.setuid(65534)
        return action()

    return in_a_copy(call, Path.cwd())[0]


@pytest.mark.parametrize("folder", ["runs", "runs/tiny"])
def test_a_folder_without_write_permission_is_refused(trained, capfd, folder):
    for path in [*Path.cwd().rglob("*"), *Path.cwd().parents, Path.cwd()]:
        path.chmod(path.stat().st_mode | stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0))
    args = ["--name=new"] if folder == "runs" else ["--name=tiny", "--ckpt_path=last"]
    before = sorted(Path.cwd().rglob("*"))
    assert as_nobody(lambda: main(["fit", *TINY, *args])) == 2
    assert "Permission denied" in capfd.readouterr().err
    assert sorted(Path.cwd().rglob("*")) == before


@pytest.mark.parametrize("size", [1500, 6000])
def test_a_disk_that_fills_up_costs_no_checkpoint_that_was_written(fit, capfd, size):
    """The limits are reached by the configuration or by a checkpoint."""
    flags = ["--name=x", "--model.schedule=constant"]
    assert fit(*flags).code == 0
    last = Path("runs/x/checkpoints/last.ckpt")
    before = torch.load(last, weights_only=True)["global_step"]
    flags += ["--ckpt_path=last", "--trainer.max_epochs=4"]

    def fill_up():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return main(["fit", *TINY, *flags])

    assert in_a_copy(fill_up, Path.cwd())[0] == 2
    err = capfd.readouterr().err
    assert "File too large" in err
    assert "Traceback" not in err
    assert torch.load(last, weights_only=True)["global_step"] == before
    assert not list(Path("runs").rglob(".*"))


def start(folder, *args):
    command = [sys.executable, "-m", "hqlm", *args]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}

    def listen():  # tests that a shell runs in the background are deaf to Ctrl-C, and so would be what they start
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, preexec_fn=listen, **pipes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signals", "moment"),
    [
        ([signal.SIGINT], 0.1),
        ([signal.SIGINT], 0.5),
        ([signal.SIGINT], "trained"),
        ([signal.SIGTERM], "trained"),
        ([signal.SIGINT] * 3, "trained"),
    ],
)
def test_ctrl_c_and_sigterm_leave_no_traceback(tmp_path, signals, moment):
    started = time.monotonic()
    process = start(tmp_path, "fit", *TINY, "--name=x", "--trainer.max_epochs=2000", "--model.schedule=constant")
    while not (tmp_path / "runs/x/checkpoints/last.ckpt").exists():
        assert process.poll() is None
        if moment != "trained" and time.monotonic() - started > 10 * moment:
            break
        time.sleep(0.02)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.05)
    out, _ = process.communicate(timeout=120)
    assert "Traceback" not in out
    assert "KeyboardInterrupt" not in out
    assert process.returncode in (130, -signal.SIGINT), out
    assert not list(tmp_path.glob("runs/*/.*"))


@pytest.mark.slow
def test_two_fits_of_one_name_at_once_are_one(tmp_path):
    both = [start(tmp_path, "fit", *TINY, "--name=x") for _ in range(2)]
    ended = sorted((process.communicate()[0], process.returncode) for process in both)
    assert sorted(code for _, code in ended) == [0, 2]
    refused = next(out for out, code in ended if code == 2)
    assert "runs/x is in use by the process" in refused or "the run runs/x exists" in refused
    assert "Traceback" not in refused


@pytest.mark.slow
def test_processes_that_train_one_run_together_share_its_lock(tmp_path):
    flags = [*TINY, "--name=x", "--trainer.devices=2", "--trainer.strategy=ddp", "--data.batch_size=8"]
    for more in ([], ["--ckpt_path=last"]):
        process = start(tmp_path, "fit", *flags, *more)
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
    assert not (tmp_path / "runs/x" / LOCK).exists()
