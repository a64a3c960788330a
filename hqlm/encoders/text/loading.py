"""Loading a model of sentence-transformers from its folder, without a word."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hqlm.errors import EncoderError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def loaded(folder: Path) -> SentenceTransformer:
    """The model that a folder holds.

    Raises:
        EncoderError: when it holds none.
    """
    from sentence_transformers import SentenceTransformer

    if not (folder / "modules.json").is_file():  # the library would make up a pooling
        raise EncoderError(f"cannot load the text encoder from {folder}: it has no modules.json")
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    try:
        with without_bars():
            return SentenceTransformer(str(folder))
    except Exception as err:
        raise EncoderError(f"cannot load the text encoder from {folder}: {err}") from err


@contextmanager
def without_bars() -> Iterator[None]:
    """Leave out the progress bars of transformers, which count tensors for a fraction of a second."""
    from transformers.utils import logging as bars

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()  # type: ignore[no-untyped-call]
