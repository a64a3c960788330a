"""The memory that this process may use, and how to refuse what does not fit before it is allocated."""

from __future__ import annotations

import math
import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from hqlm.errors import ConfigError

_TRAINED: Final = 4 * 4  # bytes of a trained parameter: value, gradient and two moments of Adam, float32
_MODULE: Final = 10_000  # bytes of a torch module without its tensors


def check_fits(n_bytes: int, what: str, fix: str) -> None:
    """Refuse an allocation that the memory cannot hold.

    Args:
        n_bytes: size of the allocation.
        what: subject of the message, in the plural, such as `measurements of 10 shots`.
        fix: what the user should change, as a sentence without its full stop.

    Raises:
        ConfigError: with the memory needed and the memory there is.
    """
    limit = physical_memory()
    if n_bytes > limit:
        raise ConfigError(f"{what} take {gibibytes(n_bytes)} of memory, this process may use {gibibytes(limit)}. {fix}")


def check_parameters(count: int, fix: str, n_modules: int = 1) -> None:
    """Refuse trained parameters that do not fit the memory with their gradients and the state of Adam.

    Raises:
        ConfigError: with the memory needed and the memory there is.
    """
    check_fits(count * _TRAINED + n_modules * _MODULE, f"{_count(count)} parameters with their gradients", fix)


def physical_memory() -> float:
    """Return the bytes that this process may use: of the machine, its control group and `RLIMIT_AS`."""
    return min(_machine_memory(), _address_space())


def gibibytes(n_bytes: float) -> str:
    """Return a number of bytes in GiB, as a power of two where it has too many digits."""
    if n_bytes == math.inf:
        return "unlimited memory"
    if n_bytes >= 2**70:
        return f"2^{int(n_bytes).bit_length() - 31} GiB"
    return f"{n_bytes / 2**30:,.1f} GiB"


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**15 else f"2^{number.bit_length() - 1}"


@lru_cache(maxsize=1)
def _machine_memory() -> float:
    limits = [math.inf]
    if hasattr(os, "sysconf"):
        limits.append(float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    return min(limits + _control_group_limits(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")))


def _control_group_limits(groups: Path, root: Path) -> list[float]:
    """Return the memory limits of a process's control groups and their parents, of version 1 and 2.

    Args:
        groups: file whose lines are `number:controllers:path`; a container may see another path than its own.
        root: where the hierarchies are mounted.
    """
    try:
        lines = groups.read_text().splitlines()
    except OSError:  # not Linux
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            mount, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = Path(path.lstrip("/"))
        for folder in (own, *own.parents):
            try:
                found.append(float((mount / folder / name).read_text()))
            except (OSError, ValueError):  # not there, or "max"
                continue
    return found


def _address_space() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if soft == resource.RLIM_INFINITY else float(soft)
