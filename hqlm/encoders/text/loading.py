"""Loads a sentence-transformers model from its folder, without output."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hqlm.errors import EncoderError
from hqlm.files import parse_json

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_SHOWN: Final = 300  # characters of a library message


def load_from_folder(folder: Path) -> SentenceTransformer:
    """Load a sentence-transformers model from a folder.

    Raises:
        EncoderError: when the folder holds no model.
    """
    from sentence_transformers import SentenceTransformer

    if not (folder / "modules.json").is_file():  # the library would choose a pooling itself
        raise EncoderError(f"cannot load the text encoder from {folder}: it has no modules.json")
    check_folder(folder)
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    try:
        with without_bars():
            return SentenceTransformer(str(folder))
    except Exception as err:
        reason = " ".join(str(err).replace("trust_remote_code=True", "code of its own").split())[:_SHOWN]
        raise EncoderError(f"cannot load the text encoder from {folder}: {type(err).__name__}: {reason}") from err


def check_folder(folder: Path) -> None:
    """Reject a model with parts from outside sentence-transformers, or with activations from outside torch.

    Raises:
        EncoderError: with the file and the class.
    """
    for part in _entries(folder / "modules.json", list):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or not kind.startswith("sentence_transformers."):
            raise EncoderError(f"{folder / 'modules.json'} names {ascii(kind)[:80]}, not a sentence-transformers class")
    for path in folder.glob("*/config.json"):
        activation = _entries(path, dict).get("activation_function", "torch.nn.")
        if not isinstance(activation, str) or not activation.startswith("torch.nn."):
            raise EncoderError(f"{path} names the activation {ascii(activation)[:80]}, not a class of torch.nn")


def _entries(path: Path, kind: type) -> Any:
    try:
        found = parse_json(path.read_text(encoding="utf-8"), str(path))
    except (OSError, ValueError) as err:
        raise EncoderError(f"cannot read {path}: {err}") from err
    if not isinstance(found, kind):
        raise EncoderError(f"cannot read {path}: it holds a {type(found).__name__}, not a {kind.__name__}")
    return found


@contextmanager
def without_bars() -> Iterator[None]:
    """Hide the progress bars of transformers, which count tensors for a fraction of a second."""
    from transformers.utils import logging as bars

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()  # type: ignore[no-untyped-call]
