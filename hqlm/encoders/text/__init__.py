"""Text encoders, one per file."""

from hqlm.encoders.text.base import Stage, TextEncoder, TextModule, TrainedBody
from hqlm.encoders.text.contrastive import Contrastive
from hqlm.encoders.text.hashing import HashingEncoder
from hqlm.encoders.text.lora import LoRA
from hqlm.encoders.text.sentence_transformer import SentenceTransformerEncoder
from hqlm.registry import Registry

TEXT_ENCODERS: Registry[TextEncoder] = Registry(TextEncoder, "text encoder")  # type: ignore[type-abstract]

__all__ = [
    "TEXT_ENCODERS",
    "Contrastive",
    "HashingEncoder",
    "LoRA",
    "SentenceTransformerEncoder",
    "Stage",
    "TextEncoder",
    "TextModule",
    "TrainedBody",
]
