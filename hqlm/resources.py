"""Cores and memory that this process may use: those of the machine, within the limits of its control groups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

_GROUPS: Final = Path("/proc/self/cgroup")  # its lines are `number:controllers:path`
_ROOT: Final = Path("/sys/fs/cgroup")  # where the hierarchies are mounted


def usable_cores() -> int:
    """Return the number of cores that this process may use: those it may run on, within its CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min([float(cores), *_cpu_quotas(_GROUPS, _ROOT)])))


def physical_memory() -> float:
    """Return the bytes that this process may use, within the machine, its control groups and `RLIMIT_AS`."""
    return min(_machine_memory(), _address_space())


@lru_cache(maxsize=1)
def _machine_memory() -> float:
    limits = [math.inf]
    if hasattr(os, "sysconf"):
        limits.append(float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    return min([*limits, *_memory_limits(_GROUPS, _ROOT)])


def _address_space() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if soft == resource.RLIM_INFINITY else float(soft)


def _cpu_quotas(groups: Path, root: Path) -> Iterator[float]:
    """Yield the quota, in cores, of each control group of this process that has one."""
    for folder in _folders("cpu", groups, root):
        with suppress(OSError, ValueError):  # version 2; "max" is not a number
            quota, period = (folder / "cpu.max").read_text().split()
            yield float(quota) / float(period)
        with suppress(OSError):  # version 1; -1 means no limit
            micros = float((folder / "cpu.cfs_quota_us").read_text())
            if micros > 0:
                yield micros / float((folder / "cpu.cfs_period_us").read_text())


def _memory_limits(groups: Path, root: Path) -> Iterator[float]:
    """Yield the memory limit, in bytes, of each control group of this process that has one."""
    for folder in _folders("memory", groups, root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # the other version, or "max"
                yield float((folder / name).read_text())


def _folders(controller: str, groups: Path, root: Path) -> Iterator[Path]:
    """Yield the folders of this process's control groups and of their parents, in both versions of the interface."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / controllers if controllers else root
        own = Path(path.lstrip("/"))
        yield from (mount / each for each in (own, *own.parents))  # a container may see a path other than its own
