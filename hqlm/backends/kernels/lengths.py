"""Renormalisation: unitary gates preserve the norm, float32 rounding does not.

The squares of a rounded cosine and sine do not quite add up to 1, and the same angle errs the same way each time. In
float32, over thousands of gates of many kinds, that is most of the error; so norms are restored at intervals.
Trajectories and density matrices, whose noise is larger than this error, are not renormalised.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba import njit

from hqlm.backends.kernels.observables import expectation
from hqlm.backends.kernels.simd import LANES, like, load, store, zeros

STRETCH: Final = 256  # rows of a table between renormalisations; their rounding is about that of computing a norm
_BLOCK: Final = 64  # vectors whose squares are summed before conversion to float64


@njit
def squared_lengths(state: Any, lane_qubits: int) -> Any:
    """Return the squared norm of the row in each lane, or of the one row in all lanes, `(16,)` in float64."""
    found, part, identity = np.zeros(LANES), np.ones((2, LANES), state.dtype), np.zeros(4, np.int64)
    for first in range(0, len(state), _BLOCK):
        store(part, 1, expectation(state, identity, load(part, 0), first, min(first + _BLOCK, len(state))))
        found += part[1]
    if lane_qubits:
        found[:] = found.sum()
    return found


@njit
def put_back(lengths: Any, lane_qubits: int, ket: Any, bra: Any) -> None:
    """Scale a ket to squared norms `(16,)`, and a bra by the same factors.

    Rounding has changed the bra in the same way: exactly so for rotations, on average for controlled ones, which act on
    parts of both.
    """
    found, factors = squared_lengths(ket, lane_qubits), np.ones((1, LANES), ket.dtype)
    for lane in range(LANES):
        if found[lane] > 0:  # lanes beyond the last row are empty
            factors[0, lane] = math.sqrt(lengths[lane] / found[lane])
    _scale(ket, factors)
    _scale(bra, factors)


@njit
def _scale(state: Any, factors: Any) -> None:
    by = like(load(factors, 0), zeros(state))
    for k in range(len(state)):
        store(state, k, by * load(state, k))
