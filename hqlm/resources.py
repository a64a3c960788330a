"""What of the machine this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_CGROUPS: Final = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return the number of cores that this process may use: those it may run on, within the quota of its cgroups."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError):  # no cgroups here
        quota = min(_quotas(Path("/proc/self/cgroup").read_text(), _CGROUPS), default=math.inf)
        cores = int(min(cores, max(1, math.ceil(quota)))) if quota < math.inf else cores
    return cores


def _quotas(memberships: str, root: Path) -> Iterator[float]:
    """The quota, in cores, of each cgroup that this process is in, in both versions of the interface."""
    for line in memberships.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            group, read = root / path.strip("/"), _read_v2
        elif "cpu" in controllers.split(","):
            root, read = root / controllers, _read_v1
            group = root / path.strip("/")
        else:
            continue
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            with suppress(OSError, ValueError):  # no quota is set, or the folder is hidden in a container
                yield read(folder)


def _read_v2(folder: Path) -> float:
    quota, period = (folder / "cpu.max").read_text().split()
    return float(quota) / float(period)  # "max" is no number


def _read_v1(folder: Path) -> float:
    quota = float((folder / "cpu.cfs_quota_us").read_text())
    return quota / float((folder / "cpu.cfs_period_us").read_text()) if quota > 0 else math.inf
