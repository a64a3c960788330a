"""Processes of one training: counted, and ended together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lightning.pytorch import Trainer

from hqlm.errors import ConfigError
from hqlm.processes import watch_processes
from hqlm.resources import usable_cores
from tests.commands.conftest import TINY
from tests.kernels import share_kernels

TWO = ["--trainer.devices=2", "--trainer.strategy=ddp"]
ENDS = """
import os, signal, time
from lightning.pytorch import Callback

class Ends(Callback):
    def __init__(self, how: str, rank: int = 1) -> None:
        self.how, self.rank = how, rank

    def on_train_epoch_end(self, trainer, pl_module):
        open(f"pid-{trainer.global_rank}", "w").write(str(os.getpid()))
        trainer.strategy.barrier()
        if trainer.global_rank == self.rank:
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "leave":
                os._exit(3)
            raise ValueError("broken on purpose")
        if self.how == "leave":
            time.sleep(600)
"""


def test_more_processes_than_cores_are_refused(fit):
    result = fit("--trainer.devices=100")
    assert result.code == 2
    assert f"would start 100 processes, but this one may use {usable_cores()} cores" in result.err
    assert not list(Path("runs").glob("*"))


def test_processes_that_were_started_by_others_are_not_counted(monkeypatch):
    """Those of torchrun or srun may each be bound to some of the cores, or lie on several machines."""
    few = {"accelerator": "cpu", "strategy": "ddp", "logger": False, "enable_checkpointing": False}
    with pytest.raises(ConfigError, match="would start 100 processes"):
        watch_processes(Trainer(devices=100, **few))
    torchrun = {"RANK": 0, "LOCAL_RANK": 0, "GROUP_RANK": 0, "WORLD_SIZE": 100, "LOCAL_WORLD_SIZE": 100}
    torchrun |= {"TORCHELASTIC_RUN_ID": "a", "MASTER_ADDR": "localhost", "MASTER_PORT": 29500}
    for name, value in torchrun.items():
        monkeypatch.setenv(name, str(value))
    watch_processes(Trainer(devices=100, **few))


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "rank", "words"),
    [
        ("kill", 1, "the process of rank 1 was ended by SIGKILL"),
        ("leave", 1, "the process of rank 1 failed with exit code 3"),
        ("raise", 1, "the process of rank 1 failed with exit code 1"),
        ("kill", 0, ""),
    ],
)
def test_all_processes_end_with_the_first_that_fails(tmp_path, how, rank, words):
    (tmp_path / "ends.py").write_text(ENDS)
    callback = f'--trainer.callbacks=[{{"class_path": "ends.Ends", "init_args": {{"how": "{how}", "rank": {rank}}}}}]'
    env = {**os.environ, "HQLM_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    share_kernels(tmp_path / "cache")
    command = [sys.executable, "-m", "hqlm", "fit", *TINY, *TWO, "--name=a", callback]
    with (tmp_path / "err").open("w+") as err:
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=err)
        while not ((tmp_path / "pid-0").exists() and (tmp_path / "pid-1").exists()):
            assert process.poll() is None, (tmp_path / "err").read_text()
            time.sleep(0.1)
        code = process.wait(timeout=60)
        said = (tmp_path / "err").read_text()
    assert code == (-signal.SIGKILL if rank == 0 else 2), said
    assert words in said
    assert ("Traceback" in said) == (how == "raise"), said
    deadline = time.monotonic() + 30.0
    while any(alive((tmp_path / f"pid-{rank}").read_text()) for rank in (0, 1)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
