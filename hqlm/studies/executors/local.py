"""Worker processes on this machine, each used for many trials."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any

import torch

from hqlm.errors import RunError
from hqlm.resources import usable_cores
from hqlm.studies.executors.base import Executor, Outcome, RunTrial, call, check_workers


@dataclass(frozen=True)
class LocalExecutor(Executor):
    """Worker processes on this machine; one that dies fails the trial it ran, and another takes its place.

    Args:
        n_workers: how many; null takes as many as there are usable cores.
    """

    n_workers: int | None = None

    def __post_init__(self) -> None:
        check_workers(self.n_workers)

    @property
    def workers(self) -> int:
        """`n_workers`, or as many as there are cores."""
        return self.n_workers or usable_cores()

    def run(self, run_trial: RunTrial, tasks: Sequence[Any]) -> Iterator[Outcome]:
        """Run every task once in worker processes; outcomes come as they are there.

        Raises:
            RunError: in a script that would run as a whole in every worker.
        """
        _check_main()
        waiting = deque(enumerate(tasks))
        team: dict[Any, _Worker] = {}
        try:
            while waiting or team:
                while waiting and len(team) < self.workers:
                    worker = _Worker(run_trial)
                    team[worker.pipe] = worker
                    worker.give(*waiting.popleft())
                for pipe in connection.wait(list(team)):
                    worker = team[pipe]
                    outcome = worker.outcome()
                    if waiting and worker.alive:
                        worker.give(*waiting.popleft())
                    else:
                        team.pop(pipe).kill()
                    yield outcome
        finally:
            for worker in team.values():
                worker.kill()


class _Worker:
    """A process that takes one task after the other through a pipe."""

    def __init__(self, run_trial: RunTrial) -> None:
        spawn = get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self.alive = True
        self._place = -1
        self._process = spawn.Process(target=_serve, args=(theirs, run_trial))
        with deaf_to_ctrl_c():
            self._process.start()
        theirs.close()  # so that its death is the end of the file here

    def give(self, place: int, task: Any) -> None:
        self._place = place
        with suppress(BrokenPipeError):  # it died between two tasks; `outcome` will find the end of the file
            self.pipe.send((place, task))

    def outcome(self) -> Outcome:
        try:
            outcome: Outcome = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.alive = False
            self._process.join()
            return Outcome(self._place, error=f"the worker process died: {cause_of_death(self._process.exitcode)}")
        return outcome

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _check_main() -> None:
    """Refuse a script that has no `if __name__ == "__main__":`, since every worker imports it."""
    script = getattr(sys.modules["__main__"], "__file__", None) or ""  # a notebook has none
    text = Path(script).read_text(encoding="utf-8", errors="replace") if script else ""
    if text and Path(script).suffix == ".py" and not re.search(r"^\s*if\s.*__name__", text, re.MULTILINE):
        raise RunError(
            f"workers import the script {script}, which would run as a whole in each of them. Put what it does below "
            "`if __name__ == '__main__':`"
        )


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Hold Ctrl-C back until the end of the block, and for good from the processes that are started within it.

    Ctrl-C reaches the whole group, also a process that still imports; the one that starts them decides for all.
    """
    pressed: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()  # no other thread may set handlers
    handler = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number)) if is_main else None
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which processes inherit
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if is_main:
            signal.signal(signal.SIGINT, handler)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def die_with_parent() -> None:
    """End this process when the one that started it ends, in whatever way."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _serve(pipe: connection.Connection[Any, Any], run_trial: RunTrial) -> None:
    die_with_parent()
    torch.set_num_threads(1)
    while True:
        place, task = pipe.recv()
        pipe.send(call(run_trial, place, task))


def _wait_for_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def cause_of_death(exitcode: int | None) -> str:
    """Return what ended a process, in words."""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        return f"{name}{', for example because memory ran out' if name == 'SIGKILL' else ''}"
    return f"exit code {exitcode}"
