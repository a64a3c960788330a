"""Hybrid quantum language models: text encoders with quantum heads, composed by name and trained from YAML."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hqlm.estimator import HeadClassifier
    from hqlm.experiment import Experiment
    from hqlm.run import Run, load
    from hqlm.studies.comparison.compare import compare
    from hqlm.studies.study import Study

__version__ = "0.1.0"

__all__ = ["Experiment", "HeadClassifier", "Run", "Study", "__version__", "compare", "load"]

# imported on first access: `import hqlm` itself loads neither torch nor Lightning
_MODULES = {
    "Experiment": "hqlm.experiment",
    "HeadClassifier": "hqlm.estimator",
    "Run": "hqlm.run",
    "Study": "hqlm.studies.study",
    "compare": "hqlm.studies.comparison.compare",
    "load": "hqlm.run",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'hqlm' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
