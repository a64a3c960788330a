"""What the user is told once: a device that was chosen, a promise that cannot be kept, texts that were cut."""

from __future__ import annotations

from functools import lru_cache

from lightning.pytorch.utilities import rank_zero_info


@lru_cache(maxsize=64)
def say_once(message: str) -> None:
    """Print a message, once a process."""
    rank_zero_info(message)
