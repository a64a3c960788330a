"""Text encoders, one a file."""

from hqlm.encoders.text.base import TextEncoder, TextModule
from hqlm.encoders.text.hashing import HashingEncoder
from hqlm.encoders.text.sentence_transformer import SentenceTransformerEncoder
from hqlm.registry import Registry

TEXT_ENCODERS: Registry[TextEncoder] = Registry(TextEncoder, "text encoder")  # type: ignore[type-abstract]

__all__ = ["TEXT_ENCODERS", "HashingEncoder", "SentenceTransformerEncoder", "TextEncoder", "TextModule"]
