"""Optimisers besides those of torch, with their interface `step(closure)`, one per file."""

from hqlm.algorithms.optimizers.base import CircuitOptimizer
from hqlm.algorithms.optimizers.natural_gradient import QuantumNaturalGradient, metric_tensor
from hqlm.algorithms.optimizers.rotosolve import Rotosolve
from hqlm.algorithms.optimizers.scipy_optimizer import SciPyOptimizer
from hqlm.algorithms.optimizers.spsa import SPSA

__all__ = ["SPSA", "CircuitOptimizer", "QuantumNaturalGradient", "Rotosolve", "SciPyOptimizer", "metric_tensor"]
