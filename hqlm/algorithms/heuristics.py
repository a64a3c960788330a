"""Classical heuristics for spins: the start of QAOA, the improvement of its samples, and its baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hqlm.algorithms.ising import Bits, Ising, Values


def greedy(problem: Ising) -> Bits:
    """Set spins one by one, next the one whose sign matters most given those already set.

    Returns:
        Bits `(n_spins,)`.
    """
    fields, couplings = problem.arrays
    spins = np.zeros(problem.n_spins)
    strength = np.abs(couplings).sum(0) + np.abs(fields)
    for _ in range(problem.n_spins):
        pull = fields + couplings @ spins
        # the strongest field first; before there is any, the spin with the largest couplings
        undecided = np.where(spins == 0.0, np.abs(pull) + 1e-9 * strength, -1.0)
        chosen = int(undecided.argmax())
        spins[chosen] = -1.0 if pull[chosen] > 0.0 else 1.0
    return _bits(spins)


def local_search(problem: Ising, bits: ArrayLike) -> Bits:
    """Improve each row by the flip that lowers its energy most, until none does.

    Args:
        problem: problem to minimise.
        bits: initial bits `(rows, n_spins)`.

    Returns:
        Bits `(rows, n_spins)`; no single flip lowers the energy of a row.
    """
    fields, couplings = problem.arrays
    spins = 1.0 - 2.0 * np.atleast_2d(np.asarray(bits, dtype=np.float64))
    rows, rounding = np.arange(len(spins)), 1e-12 * (np.abs(couplings).sum(0) + np.abs(fields))
    while True:
        gains = 2.0 * spins * (fields + spins @ couplings)  # by how much a flip lowers the energy
        gains[gains <= rounding] = 0.0
        best = gains.argmax(1)
        better = gains[rows, best] > 0.0
        if not better.any():
            return _bits(spins)
        spins[rows[better], best[better]] *= -1.0


def goemans_williamson(problem: Ising, n_cuts: int = 50, seed: int = 0) -> tuple[Bits, Values]:
    """Return the best of random hyperplane cuts of the relaxation to unit vectors.

    The semidefinite relaxation is solved in its low-rank form. With more than sqrt(2 n) dimensions, its local minima
    are global. For a maximum cut without negative weights the mean cut is at least 0.878 of the largest. Sources:
    Goemans and Williamson (1995), doi:10.1145/227683.227684; Burer and Monteiro (2003), doi:10.1007/s10107-002-0352-8.

    Args:
        problem: problem to minimise; fields are couplings to one more spin that stays up.
        n_cuts: number of random hyperplanes.
        seed: seed of initial vectors and hyperplanes.

    Returns:
        The best bits `(n_spins,)` and the energies of all cuts `(n_cuts,)`.
    """
    draw = np.random.default_rng(seed)
    vectors = _solve_relaxation(problem, draw)
    signs = np.sign(vectors @ draw.normal(size=(vectors.shape[1], n_cuts))).T
    signs[signs == 0.0] = 1.0
    bits = _bits(signs[:, 1:] * signs[:, :1])
    return bits[problem.variable_part(bits).argmin()], problem.energies(bits)


def _solve_relaxation(problem: Ising, draw: np.random.Generator) -> Values:
    """Return unit vectors `(n + 1, dimensions)` that minimise sum J_ij v_i.v_j, one vector at a time in turn."""
    fields, couplings = problem.scaled.arrays
    size = problem.n_spins + 1
    whole = np.zeros((size, size))
    whole[1:, 1:], whole[0, 1:], whole[1:, 0] = couplings, fields, fields
    vectors = draw.normal(size=(size, int(np.ceil(np.sqrt(2.0 * size))) + 1))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    energy = np.inf
    for _ in range(1_000):
        for i in range(size):
            pull = whole[i] @ vectors
            length = np.linalg.norm(pull)
            if length > 0.0:
                vectors[i] = -pull / length
        found = 0.5 * float((whole @ vectors * vectors).sum())
        if energy - found < 1e-9 * (1.0 + abs(found)):  # for a largest coefficient of 1
            break
        energy = found
    return vectors


def _bits(spins: Values) -> Bits:
    return (spins < 0.0).astype(np.uint8)
