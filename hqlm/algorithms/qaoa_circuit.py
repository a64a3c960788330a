"""The QAOA circuit, its angles for increasing depth, and its warm start from a classical solution."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from hqlm.algorithms.ising import Ising, Values
from hqlm.circuits import Circuit, Gate, Weight, check_gates
from hqlm.errors import ConfigError


def qaoa_circuit(problem: Ising, n_layers: int, start: ArrayLike | None = None, doubt: float = 0.25) -> Circuit:
    """Return layers of `exp(-i gamma E)` and a mixer, with the terms of the problem as observables.

    Weight 2 l is gamma and weight 2 l + 1 is beta of layer l, in radians. Without a start the state begins in |+...+>
    and the mixer is `exp(i beta sum X)`, so that both angles are positive in a slow schedule; with a start it begins in
    a product state that measures each bit of the start with probability 1 - doubt, which the mixer preserves.

    Sources: Farhi et al. (2014), A quantum approximate optimization algorithm, arXiv:1411.4028; Egger et al. (2021),
    Warm-starting quantum optimization, arXiv:2009.10095.

    Args:
        problem: problem to minimise.
        n_layers: number of layers, the depth p.
        start: bits `(n_spins,)` of a classical solution.
        doubt: epsilon of warm-start QAOA, above 0 and at most 0.5, which is equivalent to no start.

    Raises:
        ConfigError: for a depth below 1, a doubt out of range, or a start of the wrong length.
    """
    if n_layers < 1:
        raise ConfigError(f"n_layers must be 1 or more, given {n_layers}")
    if not 0.0 < doubt <= 0.5:
        raise ConfigError(f"doubt must lie above 0 and be at most 0.5, given {doubt}")
    ones = np.full(problem.n_spins, 0.5) if start is None else np.where(np.asarray(start, dtype=bool), 1 - doubt, doubt)
    if ones.shape != (problem.n_spins,):
        raise ConfigError(f"the start has shape {ones.shape}, but the problem has {problem.n_spins} spins")
    terms = len(problem.couplings) + len(problem.fields)
    check_gates(n_layers * (terms + problem.n_spins * (1 if start is None else 3)), "model.n_layers")
    tilts = [2.0 * math.asin(math.sqrt(share)) for share in ones]
    gates = [Gate("RY", (wire,), tilt) for wire, tilt in enumerate(tilts)]
    for layer in range(n_layers):
        gamma, beta = 2 * layer, 2 * layer + 1
        gates += [Gate("RZZ", pair, Weight(gamma, 2.0 * j)) for pair, j in problem.couplings.items()]
        gates += [Gate("RZ", (wire,), Weight(gamma, 2.0 * h)) for wire, h in problem.fields.items()]
        for wire, tilt in enumerate(tilts):
            if start is None:
                gates.append(Gate("RX", (wire,), Weight(beta, -2.0)))
            else:  # the same about the axis of the product state: |+> is tilted by pi / 2
                gates += [
                    Gate("RY", (wire,), -tilt),
                    Gate("RZ", (wire,), Weight(beta, -2.0)),
                    Gate("RY", (wire,), tilt),
                ]
    return Circuit(problem.n_spins, tuple(gates), tuple(problem.terms))


def ramp(n_layers: int, step: float = 0.75) -> Values:
    """Return the angles of a slow linear schedule from the mixer to the problem, `(2 * n_layers,)`.

    Gamma rises and beta falls linearly. Source: Sack and Serbyn (2021), Quantum annealing initialization of the quantum
    approximate optimization algorithm, arXiv:2101.05742.
    """
    times = (np.arange(n_layers) + 0.5) / n_layers
    return np.stack((step * times, step * (1.0 - times)), axis=1).ravel()


def interpolated(angles: ArrayLike) -> Values:
    """Return the angles for one more layer, by linear interpolation of each sequence.

    Source: Zhou et al. (2020), Quantum approximate optimization algorithm: performance, mechanism, and implementation
    on near-term devices, arXiv:1812.01041 (INTERP).

    Args:
        angles: angles `(2 p,)` in the order of the weights.

    Returns:
        Angles `(2 p + 2,)`.
    """
    known = np.asarray(angles, dtype=np.float64).reshape(-1, 2)
    p = len(known)
    padded = np.concatenate((np.zeros((1, 2)), known, np.zeros((1, 2))))
    share = np.arange(p + 1)[:, None] / p
    found: Values = share * padded[:-1] + (1.0 - share) * padded[1:]
    return found.ravel()
