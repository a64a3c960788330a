"""Hybrid quantum language models: text encoders with quantum heads, composed by name and trained from YAML."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hqlm.estimator import HeadClassifier
    from hqlm.io import load

__version__ = "0.1.0"

__all__ = ["HeadClassifier", "__version__", "load"]

# imported when first asked for: `import hqlm` itself loads neither torch nor Lightning
_HOMES = {"HeadClassifier": "hqlm.estimator", "load": "hqlm.io"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hqlm' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
