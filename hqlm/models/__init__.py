"""Models that the command line can name."""

from hqlm.models.base import HqlmModule
from hqlm.models.classical import ClassicalClassifier
from hqlm.models.hybrid import HybridClassifier
from hqlm.models.matching import HeadShape, match_parameters
from hqlm.models.schedules import Schedule
from hqlm.models.text_classifier import Prediction, TextClassifier
from hqlm.registry import Registry

MODELS: Registry[HqlmModule] = Registry(HqlmModule, "model")

__all__ = [
    "MODELS",
    "ClassicalClassifier",
    "HeadShape",
    "HqlmModule",
    "HybridClassifier",
    "Prediction",
    "Schedule",
    "TextClassifier",
    "match_parameters",
]
