"""Models that can be chosen on the command line."""

from hqlm.models.base import HqlmModule
from hqlm.models.embedding import EmbeddingModel
from hqlm.models.schedules import Schedule
from hqlm.models.text_model import TextModel
from hqlm.registry import Registry

MODELS: Registry[HqlmModule] = Registry(HqlmModule, "model")

__all__ = ["MODELS", "EmbeddingModel", "HqlmModule", "Schedule", "TextModel"]
