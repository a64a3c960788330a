"""Execution settings: the one interface for shots and noise."""

from hqlm.execution.execution import Execution, Gradient
from hqlm.execution.noise import Noise
from hqlm.execution.presets import PRESETS

__all__ = ["PRESETS", "Execution", "Gradient", "Noise"]
