"""All slots by their names in configuration files."""

from __future__ import annotations

from typing import Any, Final

from hqlm.algorithms import PROBLEMS
from hqlm.backends import BACKENDS
from hqlm.circuits import ANSATZE, REUPLOADINGS
from hqlm.data import DATA_MODULES
from hqlm.encoders import FEATURE_ENCODERS, TEXT_ENCODERS
from hqlm.heads import HEADS
from hqlm.kernels import FEATURE_MAPS
from hqlm.models import MODELS
from hqlm.registry import Registry
from hqlm.studies.designs import DESIGNS
from hqlm.studies.executors import EXECUTORS
from hqlm.tasks import TASKS

SLOTS: Final[dict[str, Registry[Any]]] = {
    "model": MODELS,
    "data": DATA_MODULES,
    "text_encoder": TEXT_ENCODERS,
    "head": HEADS,
    "task": TASKS,
    "feature_encoder": FEATURE_ENCODERS,
    "reuploading": REUPLOADINGS,
    "ansatz": ANSATZE,
    "backend": BACKENDS,
    "feature_map": FEATURE_MAPS,
    "problem": PROBLEMS,
    "design": DESIGNS,
    "executor": EXECUTORS,
}
