"""Feature encoders, one per file."""

from hqlm.encoders.feature.base import FeatureEncoder, FeatureModule
from hqlm.encoders.feature.linear import LinearFeatureEncoder
from hqlm.encoders.feature.projection import ProjectionFeatureEncoder
from hqlm.encoders.feature.quantum import QuantumFeatureEncoder
from hqlm.registry import Registry

FEATURE_ENCODERS: Registry[FeatureEncoder] = Registry(FeatureEncoder, "feature encoder")  # type: ignore[type-abstract]

__all__ = [
    "FEATURE_ENCODERS",
    "FeatureEncoder",
    "FeatureModule",
    "LinearFeatureEncoder",
    "ProjectionFeatureEncoder",
    "QuantumFeatureEncoder",
]
