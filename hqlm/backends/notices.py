"""What a backend tells the user once: a device it chose, a promise it cannot give."""

from __future__ import annotations

from functools import lru_cache

from lightning.pytorch.utilities import rank_zero_info


@lru_cache(maxsize=64)
def say_once(message: str) -> None:
    """Print a message, once a process."""
    rank_zero_info(message)
