"""From texts to embeddings, and from embeddings to the features of a circuit."""

from hqlm.encoders.cache import EmbeddingCache, tell_of_cut
from hqlm.encoders.feature import (
    FEATURE_ENCODERS,
    FeatureEncoder,
    FeatureModule,
    LinearFeatureEncoder,
    ProjectionFeatureEncoder,
    QuantumFeatureEncoder,
)
from hqlm.encoders.text import (
    TEXT_ENCODERS,
    Contrastive,
    HashingEncoder,
    LoRA,
    SentenceTransformerEncoder,
    Stage,
    TextEncoder,
    TextModule,
    TrainedBody,
)

__all__ = [
    "FEATURE_ENCODERS",
    "TEXT_ENCODERS",
    "Contrastive",
    "EmbeddingCache",
    "FeatureEncoder",
    "FeatureModule",
    "HashingEncoder",
    "LinearFeatureEncoder",
    "LoRA",
    "ProjectionFeatureEncoder",
    "QuantumFeatureEncoder",
    "SentenceTransformerEncoder",
    "Stage",
    "TextEncoder",
    "TextModule",
    "TrainedBody",
    "tell_of_cut",
]
