"""A small thread pool for kernels that release the interpreter lock.

Not `prange`: its OpenMP layer dies after a fork, its own one aborts when two Python threads use it, and both fight
with torch's threads for the cores.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final

import torch

_PIECES: Final = 4  # for each thread, so that a thread the machine holds up does not hold up the others
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_workers = 0


def share_out(task: Callable[[int, int], None], count: int, small: bool = False) -> None:
    """Call `task(first, last)` on ranges that cover `count`, in `torch.get_num_threads()` threads.

    The calling thread takes ranges too, and all of those no other thread has begun. An exception in any of them is
    raised here. `small` work is not worth waking a thread for.
    """
    threads = min(torch.get_num_threads(), count)
    if small or threads <= 1:
        task(0, count)
        return
    pieces = min(count, _PIECES * threads)
    ranges = list(pairwise(count * piece // pieces for piece in range(pieces + 1)))
    done = threading.Semaphore(0)
    errors: list[BaseException] = []

    def take_ranges() -> None:
        while ranges:
            try:
                first, last = ranges.pop()
            except IndexError:  # another thread was faster
                return
            try:
                task(first, last)
            except BaseException as err:
                errors.append(err)
            done.release()

    for _ in range(threads - 1):
        _executor(threads - 1).submit(take_ranges)
    take_ranges()
    for _ in range(pieces):  # ranges, not threads: one that the machine wakes too late has nothing left to do
        done.acquire()
    if errors:
        raise errors[0]


def _executor(workers: int) -> ThreadPoolExecutor:
    global _pool, _workers
    with _lock:
        if _pool is None or _workers < workers:
            # an older, smaller pool finishes what it was given and ends with its last reference
            _pool, _workers = ThreadPoolExecutor(workers, thread_name_prefix="hqlm"), workers
        return _pool


def _forget() -> None:
    """Threads do not survive a fork; the child starts its own."""
    global _lock, _pool
    _lock, _pool = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
