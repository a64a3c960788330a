"""The processes of one training: at most as many as cores, and none that outlives the others."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from hqlm.errors import ConfigError, TrainingError
from hqlm.resources import usable_cores

_EVERY: Final = 0.2  # seconds between two checks of the others
_PATIENCE: Final = 20.0  # seconds for a process to end after it has left the others
_LOST: Final = ("Connection", "connection", "gloo", "NCCL")  # in errors of a collective call whose partner is gone
_ADVICE: Final = "Its messages are above; checkpoints of finished epochs are kept"
_GRACE: Final = 3.0  # seconds for a process to come out of a collective call whose partner is gone


def watch_processes(trainer: Trainer) -> None:
    """Make the processes of a trainer end together, within seconds of the first failure.

    Lightning checks every five seconds and then kills the main process too, without a message.

    Raises:
        ConfigError: for more processes than usable cores, unless srun, torchrun or a similar launcher started them.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    starts = environment is None or not environment.creates_processes_externally
    if starts and isinstance(trainer.accelerator, CPUAccelerator) and trainer.num_devices > usable_cores():
        raise ConfigError(
            f"trainer.devices={trainer.num_devices} would start {trainer.num_devices} processes, but this one may use "
            f"{usable_cores()} cores. Set trainer.devices to {usable_cores()} or less"
        )
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _SubprocessScriptLauncher):
        trainer.strategy._launcher = _WatchedLauncher(
            launcher.cluster_environment, launcher.num_processes, launcher.num_nodes
        )


class _WatchedLauncher(_SubprocessScriptLauncher):
    """Starts a process for each rank but the first, and watches them; they watch the first."""

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any) -> Any:
        """Run `function` in every process.

        Raises:
            TrainingError: if another process has failed.
        """
        environment = self.cluster_environment
        environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, usable_cores() // self.num_processes))
        if environment.creates_processes_externally:
            return self._follow(function, *args, **kwargs) if environment.local_rank() else function(*args, **kwargs)
        self._call_children_scripts()
        done = threading.Event()
        threading.Thread(target=self._watch, args=(done,), daemon=True).start()
        try:
            return function(*args, **kwargs)
        except BaseException as err:
            lost = isinstance(err, RuntimeError) and any(word in str(err) for word in _LOST)
            failure = self._failure(_PATIENCE) if lost else ""
            self.kill(signal.SIGKILL)
            if lost:
                raise TrainingError(failure) from err
            raise
        finally:
            done.set()

    def _follow(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run `function` in a process that ends with the one that started it."""
        parent = os.getppid()

        def leave_with_parent() -> None:
            while os.getppid() == parent:
                time.sleep(_EVERY)
            os._exit(1)

        threading.Thread(target=leave_with_parent, daemon=True).start()
        try:
            return function(*args, **kwargs)
        except Exception:
            time.sleep(_GRACE / 2)  # the first process, if it fails too, reports it and ends this one
            raise

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(_EVERY):
            if any(process.poll() for process in self.procs):
                if not done.wait(_GRACE):  # it hangs in a collective call
                    sys.stderr.write(f"hqlm: {self._failure(_EVERY)}\n")
                    sys.stderr.flush()
                    self.kill(signal.SIGKILL)
                    os._exit(2)
                return

    def _failure(self, seconds: float) -> str:
        """Report which process has failed, as soon as its exit code is known."""
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            for rank, process in enumerate(self.procs, start=1):
                if process.poll():
                    code = process.returncode
                    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
                    return f"the process of rank {rank} {how}, so all were ended. {_ADVICE}"
            time.sleep(_EVERY)
        return f"the connection between the processes was lost, so all were ended. {_ADVICE}"
