"""A few threads for kernels that release the interpreter lock.

Not `prange`: its OpenMP layer dies after a fork, its own layer aborts when two Python threads use it, and both compete
with torch's threads for the cores. Not an executor: its threads sleep between two kernels of one training step, and
waking them takes as long as the kernel.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from itertools import pairwise
from queue import SimpleQueue
from typing import Final

import torch

from hqlm.backends.kernels.counter import Counter

_RANGES: Final = 4  # ranges per thread, so that a delayed thread does not delay the others
_lock = threading.Lock()
_workers: list[_Worker] = []


def share_out(task: Callable[[int, int], None], count: int, small: bool = False) -> None:
    """Call `task(first, last)` on ranges that cover `count`, in `torch.get_num_threads()` threads.

    The calling thread also runs ranges, including all that no other thread has begun. An exception in any of them is
    raised here. `small` work runs in the calling thread alone.
    """
    threads = min(torch.get_num_threads(), count)
    if small or threads <= 1:
        task(0, count)
        return
    shared = _Ranges(task, count, min(count, _RANGES * threads))
    for worker in _first(threads - 1):
        worker.give(shared)
    shared.finished.add(shared.take())
    shared.wait()


class _Ranges:
    """A task in ranges, and the number of finished ones."""

    def __init__(self, task: Callable[[int, int], None], count: int, ranges: int) -> None:
        self.finished = Counter()
        self._task = task
        self._number = ranges
        self._left = list(pairwise(count * place // ranges for place in range(ranges + 1)))
        self._outcomes: SimpleQueue[BaseException | None] = SimpleQueue()

    def take(self) -> int:
        """Run unclaimed ranges. Return how many were run; the caller reports them as finished."""
        done = 0
        while self._left:
            try:
                first, last = self._left.pop()
            except IndexError:  # another thread was faster
                break
            done += 1
            try:
                self._task(first, last)
            except BaseException as err:
                self._outcomes.put(err)
            else:
                self._outcomes.put(None)
        return done

    def wait(self) -> None:
        """Wait until all ranges are done; a thread that wakes too late has nothing left to do."""
        self.finished.watch(self._number)
        for outcome in [self._outcomes.get() for _ in range(self._number)]:
            if outcome is not None:
                raise outcome


class _Worker(threading.Thread):
    """Runs the tasks that it gets, and watches for more for a moment before it sleeps."""

    def __init__(self, number: int) -> None:
        super().__init__(name=f"hqlm-{number}", daemon=True)
        self._given = Counter()
        self._tasks: SimpleQueue[_Ranges | None] = SimpleQueue()
        self.start()

    def give(self, task: _Ranges | None) -> None:
        """Hand over ranges to run; None ends the thread."""
        self._tasks.put(task)
        self._given.add(1)

    def run(self) -> None:
        """Work until the thread is ended."""
        taken = 0
        while (task := self._tasks.get()) is not None:
            taken += 1
            done, finished = task.take(), task.finished
            del task  # its arrays may be large, and the next one may never come
            finished.add_and_watch(done, self._given, taken + 1)


def _first(count: int) -> list[_Worker]:
    with _lock:
        while len(_workers) < count:
            _workers.append(_Worker(len(_workers)))
        return _workers[:count]


def _end() -> None:
    """Make sure that no thread is inside a kernel when the interpreter exits."""
    workers = list(_workers)  # a daemon thread may start more of them meanwhile
    for worker in workers:
        worker.give(None)
    for worker in workers:
        worker.join()


def _forget() -> None:
    """Forget the threads, which do not survive a fork; the child starts its own."""
    global _lock, _workers
    _lock, _workers = threading.Lock(), []


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
