"""The cache folder for embeddings, compiled kernels and paid measurements, private to one user."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def cache_folder() -> Path:
    """Return `$HQLM_CACHE`, or `hqlm` in the user's cache folder."""
    base = os.environ.get("HQLM_CACHE")
    return Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hqlm"


def make_cache_folder(name: str = "", base: Path | None = None) -> Path:
    """Return a folder below `base`, created if it is missing, that no other user can read or write.

    Args:
        name: name of the folder; if empty, `base` itself.
        base: parent folder; None takes `cache_folder()`.

    Raises:
        OSError: if it cannot be created.
    """
    folder = base or cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if name:
        folder /= name
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def is_private(file: Path | int) -> bool:
    """Return whether a file or folder belongs to this user and nobody else can write to it.

    Args:
        file: path, or descriptor of an open file.

    Raises:
        OSError: if it does not exist.
    """
    found = os.stat(file)
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
