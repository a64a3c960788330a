"""Models that TextModel and its heads replaced, with the settings to use instead."""

from __future__ import annotations

from typing import Any, Final

_RENAMED: Final = {
    "HybridClassifier": "QuantumHead: model.ansatz is model.head.ansatz, and so on for feature_encoder, reuploading, "
    "backend, execution, readout, skip and ablate",
    "ClassicalClassifier": "LinearHead, or MLPHead with model.head.hidden; model.rank is model.head.rank",
    "KernelClassifier": "KernelHead: model.feature_map is model.head.feature_map, and so on for feature_encoder, kind, "
    "gamma, C, backend, execution and ablate; model.head.align=true if there was an optimizer",
}


def describe_renamed(class_path: Any) -> str:
    """Return what replaced a model, for a message; empty if the model still exists."""
    package, _, name = str(class_path).rpartition(".")
    if name not in _RENAMED or package.partition(".")[0] not in ("", "hqlm"):
        return ""
    return f"{name} is now TextModel with model.head={_RENAMED[name]}"
