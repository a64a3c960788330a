"""Hybrid algorithms beside the text classifier, on the same circuits and backends."""

from hqlm.algorithms.alignment import align, alignment
from hqlm.algorithms.feature_maps import FEATURE_MAPS, AmplitudeMap, FeatureMap, UploadMap, ZZFeatureMap
from hqlm.algorithms.kernel import QuantumKernel

__all__ = [
    "FEATURE_MAPS",
    "AmplitudeMap",
    "FeatureMap",
    "QuantumKernel",
    "UploadMap",
    "ZZFeatureMap",
    "align",
    "alignment",
]
