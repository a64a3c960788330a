"""Messages that the user sees once: a device that was chosen, a limitation, texts that were truncated."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

from lightning.pytorch.utilities import rank_zero_info

_PATIENCE: Final = 3.0  # seconds before a message about waiting


@lru_cache(maxsize=64)
def say_once(message: str) -> None:
    """Print a message once per process."""
    rank_zero_info(message)


@contextmanager
def say_if_slow(message: str) -> Iterator[None]:
    """Print a message once per process if the block is still running after a few seconds."""
    timer = threading.Timer(_PATIENCE, say_once, [message])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def hides_bars() -> bool:
    """Return whether progress bars are hidden: if there is neither a terminal nor a notebook."""
    return not (sys.stderr.isatty() or "ipykernel" in sys.modules)
