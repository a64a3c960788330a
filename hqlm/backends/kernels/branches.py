"""Trajectories on ranges of tasks. Each branches off the error-free circuit, the stem, at its first error.

Forward, the state of the stem advances from branch to branch. Backward, the states before a branch are those of the
stem, whose bra is the sum of the bras that come back from all branches; so for each trajectory only the part after its
first error is run. A task is a chunk of rows and every `groups`-th trajectory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hqlm.backends.kernels.cache import cached
from hqlm.backends.kernels.chunks import empty, fill, lanes_of, rows_of, run, undo
from hqlm.backends.kernels.observables import add_to_bra, expectation
from hqlm.backends.kernels.parameters import add_input_slopes, add_to, input_turns, read, weight_turns
from hqlm.backends.kernels.simd import LANES, broadcast, flush_denormals, load, restore_denormals


class Branches(NamedTuple):
    """Trajectories in the order of their first errors.

    Attributes:
        groups: number of groups of trajectories.
        starts: for each trajectory the row of the stem before which its first error occurs, ascending.
        ends: for each trajectory one past the last of its rows, which follow those of the one before.
        rows: rows of each trajectory from its first error on, see `passes.py`; none for a trajectory without errors.
        shares: weight of each trajectory in the mean.
    """

    groups: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    rows: NDArray[np.int64]
    shares: NDArray[Any]


@njit(inline="always")
def _rows_of_branch(branches: Any, t: int) -> Any:
    return branches.rows[branches.ends[t - 1] if t else 0 : branches.ends[t]]


@cached
@njit(nogil=True)
def branches_forward(first: int, last: int, stem: Any, branches: Any, given: Any, room: Any, values: Any) -> None:
    """Run tasks `first` to `last - 1`.

    Args:
        first: first task.
        last: one past the last task.
        stem: table without errors, see `program.py`.
        branches: trajectories.
        given: weights, inputs and initial states, see `chunks.forward`.
        room: workspace for two chunks.
        values: output, each group's part of the expectation values `(groups, batch, n_observables)`.
    """
    mode = flush_denormals()
    weights, inputs, states = given
    main, ket, lanes = room[0], room[1], LANES >> stem.lane_qubits
    shared = weight_turns(stem.parameters, weights)
    for task in range(first, last):
        chunk, group = task // branches.groups, task % branches.groups
        turns = shared, input_turns(stem.parameters, inputs, chunk, lanes)
        found = np.zeros((len(stem.observables), lanes), weights.dtype)
        fill(chunk, stem.lane_qubits, states, main)
        done = 0
        for t in range(group, len(branches.starts), branches.groups):
            run(main, stem.rows[done : branches.starts[t]], stem.patterns, turns)
            done = branches.starts[t]
            ket[:] = main
            run(ket, _rows_of_branch(branches, t), stem.patterns, turns)
            for j in range(len(found)):
                share = broadcast(branches.shares[t]) * load(stem.signs, j)
                add_to(found, j, expectation(ket, stem.observables[j], share, 0, len(ket)))
        rows_of(found, chunk, values[group])
    restore_denormals(mode)


@cached
@njit(nogil=True)
def branches_backward(
    first: int, last: int, stem: Any, branches: Any, given: Any, room: Any, slopes: Any, gradient: Any
) -> None:
    """Add the gradients of tasks `first` to `last - 1`.

    Args as for `branches_forward`, and:
        room: workspace for four chunks.
        slopes: derivative by each value, `(batch, n_observables)`.
        gradient: output, the derivatives by weights `(tasks, n_weights + 1)`, the last one by fixed angles, and each
            group's part of those by inputs `(groups, batch, n_inputs)` and by initial amplitudes `(groups, batch, 2**n,
            1 or 2)`; no rows for those that are not needed.
    """
    mode = flush_denormals()
    weights, inputs, states = given
    of_weights, of_inputs, of_states = gradient
    main, main_bra, ket, bra, lanes = room[0], room[1], room[2], room[3], LANES >> stem.lane_qubits
    starts, groups = branches.starts, branches.groups
    shared = weight_turns(stem.parameters, weights)
    for task in range(first, last):
        chunk, group = task // groups, task % groups
        turns = shared, input_turns(stem.parameters, inputs, chunk, lanes)
        factors = lanes_of(slopes, chunk, lanes)
        of_columns = np.zeros((len(stem.parameters.inputs), lanes), weights.dtype)
        fill(chunk, stem.lane_qubits, states, main)
        run(main, stem.rows, stem.patterns, turns)
        main_bra[:] = 0
        done = len(stem.rows)
        for t in range(group + (len(starts) - 1 - group) // groups * groups, -1, -groups):
            undo(main, main_bra, stem.rows[starts[t] : done], stem, turns, of_weights[task], of_columns)
            done = starts[t]
            ket[:] = main
            run(ket, _rows_of_branch(branches, t), stem.patterns, turns)
            bra[:] = 0
            for j in range(len(factors)):
                share = broadcast(branches.shares[t]) * load(stem.signs, j)
                add_to_bra(ket, bra, stem.observables[j], read(factors, j) * share, 0, len(ket))
            undo(ket, bra, _rows_of_branch(branches, t), stem, turns, of_weights[task], of_columns)
            main_bra += bra
        undo(main, main_bra, stem.rows[:done], stem, turns, of_weights[task], of_columns)
        add_input_slopes(stem.parameters, of_columns, chunk, of_inputs[group])
        if of_states.shape[1]:
            empty(chunk, stem.lane_qubits, main_bra, 2.0, of_states[group])
    restore_denormals(mode)
