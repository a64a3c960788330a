"""Where what took long or cost money is kept from one run to the next."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$HQLM_CACHE`, or `hqlm` in the user's cache folder."""
    base = os.environ.get("HQLM_CACHE")
    return Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hqlm"
