"""Quantum kernels: feature maps, Gram matrices, kernel-target alignment, and the support-vector machine."""

from hqlm.kernels.alignment import align, alignment
from hqlm.kernels.feature_maps import FEATURE_MAPS, AmplitudeMap, FeatureMap, UploadMap, ZZFeatureMap
from hqlm.kernels.quantum_kernel import QuantumKernel
from hqlm.kernels.support_vectors import SupportVectorMachine, best_temperature

__all__ = [
    "FEATURE_MAPS",
    "AmplitudeMap",
    "FeatureMap",
    "QuantumKernel",
    "SupportVectorMachine",
    "UploadMap",
    "ZZFeatureMap",
    "align",
    "alignment",
    "best_temperature",
]
