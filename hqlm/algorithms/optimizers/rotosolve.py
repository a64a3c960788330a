"""Coordinate descent: one weight at a time is set to its exact minimum."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hqlm.algorithms.optimizers.base import CircuitOptimizer
from hqlm.circuits import Circuit, Gate, Weight
from hqlm.errors import ConfigError

_FINEST = 20  # largest ratio of the smallest frequency to the unit; beyond it a sweep would need too many energies
_WHOLE = 1e-9  # relative tolerance for a ratio of two frequencies to be a fraction


class Rotosolve(CircuitOptimizer):
    """Sets each weight in turn to the angle of the lowest energy; one step is a sweep over all weights.

    As a function of a weight with R gates, the energy is a trigonometric polynomial of degree R, determined by 2 R + 1
    values: 3 for a weight with its own gate, for which the minimum is a formula. No gradient, no learning rate.

    Sources: Ostaszewski et al. (2021), Structure optimization for parameterized quantum circuits, arXiv:1905.09692;
    for shared weights Vidal and Theis (2018), arXiv:1812.06323.

    Args:
        params: weights of one circuit.
    """

    def __init__(self, params: Iterable[Any]) -> None:
        super().__init__(params, {})
        self._waves: list[tuple[float, int]] = []

    def attach(self, circuit: Circuit) -> None:
        """Compute frequency and degree of the energy in each weight.

        Raises:
            ConfigError: for a weight whose gates have frequencies without a common unit.
        """
        gates: dict[int, list[Gate]] = defaultdict(list)
        for gate in circuit.rotations:
            if isinstance(gate.angle, Weight):
                gates[gate.angle.index].append(gate)
        self._waves = [_wave(index, gates[index]) for index in range(circuit.n_weights)]

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor:  # type: ignore[override]
        """Sweep once; return the energy at its end, from the last polynomial."""
        assert closure is not None
        weights, lowest = self.weights, float("nan")
        for place, (unit, degree) in enumerate(self._waves):
            if not degree:
                continue  # no gate reads it
            start, values = float(weights[place]), []
            for shift in _grid(degree):
                weights[place] = start + shift / unit
                values.append(float(closure()))
            shift, lowest = _minimum(np.array(values))
            weights[place] = start + shift / unit
        return weights.new_tensor(lowest)


def _wave(index: int, gates: list[Gate]) -> tuple[float, int]:
    """Return the smallest frequency of the energy in a weight, and the degree of the polynomial in it."""
    # a controlled rotation leaves half of the space unchanged, which adds half the frequency
    units = [abs(gate.angle.scale) / (1 + gate.kind.controlled) for gate in gates]  # type: ignore[union-attr]
    units = [unit for unit in units if unit]
    if not units:
        return 1.0, 0
    smallest = min(units)
    ratios = [Fraction(each / smallest).limit_denominator(_FINEST) for each in units]
    finer = math.lcm(*(ratio.denominator for ratio in ratios))
    exact = [each / smallest for each in units]
    if finer > _FINEST or any(abs(ratio - each) > _WHOLE * each for ratio, each in zip(ratios, exact, strict=True)):
        raise ConfigError(
            f"Rotosolve: the gates of weight {index} have frequencies without a common unit. Use another optimiser"
        )
    unit = smallest / finer
    return unit, sum(round(abs(gate.angle.scale) / unit) for gate in gates)  # type: ignore[union-attr]


def _grid(degree: int) -> Any:
    return 2.0 * np.pi * np.arange(2 * degree + 1) / (2 * degree + 1)


def _minimum(values: Any) -> tuple[float, float]:
    """Return angle and value of the minimum of the trigonometric polynomial with `values` on the grid."""
    degree = len(values) // 2
    half = np.fft.rfft(values) / len(values)
    waves = np.concatenate((half[:0:-1].conj(), half))  # frequencies -degree..degree
    frequencies = np.arange(-degree, degree + 1)
    roots = np.roots((1j * frequencies * waves)[::-1])  # roots of the derivative, as a polynomial in exp(i angle)
    angles = np.concatenate((np.angle(roots[np.abs(roots) > 0.0]), _grid(degree)))
    heights = (np.exp(1j * np.outer(angles, frequencies)) @ waves).real
    best = int(heights.argmin())
    return float(angles[best]), float(heights[best])
