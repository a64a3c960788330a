"""Trajectories on ranges of tasks. Each leaves the circuit without errors, the stem, where its first error strikes.

Forward, the state of the stem is moved on from branch to branch. Backward, the states before a branch are those of the
stem, whose bra is the sum of the bras that come back from all branches; so only the part after its first error is run
for each trajectory. A task is a chunk of rows and every `groups`-th trajectory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from hqlm.backends.kernels.cache import cached
from hqlm.backends.kernels.chunks import empty, fill, lanes_of, rows_of, run, undo
from hqlm.backends.kernels.observables import add_to_bra, expectation
from hqlm.backends.kernels.parameters import add_input_slopes, add_to, input_turns, read, weight_turns
from hqlm.backends.kernels.simd import LANES, broadcast, flush_denormals, load, restore_denormals


@cached
@njit(nogil=True)
def branches_forward(
    first: int,
    last: int,
    groups: int,
    lane_qubits: int,
    stem: Any,
    starts: Any,
    ends: Any,
    table: Any,
    shares: Any,
    patterns: Any,
    parameters: Any,
    weights: Any,
    inputs: Any,
    states: Any,
    rooms: Any,
    observables: Any,
    signs: Any,
    values: Any,
) -> None:
    """Run tasks `first` to `last - 1`.

    Args:
        first: first task.
        last: one after the last task.
        groups: number of groups that trajectories are in.
        lane_qubits: 0 or 4.
        stem: table without errors, see `passes.py`.
        starts: for each trajectory the row of the stem that its first error is before, ascending.
        ends: for each trajectory one after the last of its rows in `table`, which follow those of the one before.
        table: rows of each trajectory from its first error on; a trajectory without errors has none.
        shares: weight of each trajectory in the mean.
        patterns: see `program.py`.
        parameters: see `parameters.py`.
        weights: `(n_weights,)`.
        inputs: `(batch, n_inputs)`, or no rows.
        states: initial states `(batch, 2**n, 1 or 2)`, or no rows.
        rooms: room for two chunks.
        observables: see `program.py`.
        signs: of the lanes, one row an observable.
        values: receives each group's part of the expectation values `(groups, batch, n_observables)`.
    """
    mode = flush_denormals()
    main, ket, lanes = rooms[0], rooms[1], LANES >> lane_qubits
    shared = weight_turns(parameters, weights)
    for task in range(first, last):
        chunk, group = task // groups, task % groups
        turns = shared, input_turns(parameters, inputs, chunk, lanes)
        found = np.zeros((len(observables), lanes), weights.dtype)
        fill(chunk, lane_qubits, states, main)
        done = 0
        for t in range(group, len(starts), groups):
            run(main, stem, done, starts[t], patterns, turns)
            done = starts[t]
            ket[:] = main
            run(ket, table, ends[t - 1] if t else 0, ends[t], patterns, turns)
            for j in range(len(observables)):
                share = broadcast(shares[t]) * load(signs, j)
                add_to(found, j, expectation(ket, observables[j], share, 0, len(ket)))
        rows_of(found, chunk, values[group])
    restore_denormals(mode)


@cached
@njit(nogil=True)
def branches_backward(
    first: int,
    last: int,
    groups: int,
    lane_qubits: int,
    stem: Any,
    starts: Any,
    ends: Any,
    table: Any,
    shares: Any,
    patterns: Any,
    parameters: Any,
    weights: Any,
    inputs: Any,
    states: Any,
    rooms: Any,
    observables: Any,
    signs: Any,
    slopes: Any,
    of_weights: Any,
    of_inputs: Any,
    of_states: Any,
) -> None:
    """Gradients of tasks `first` to `last - 1`.

    Args as for `branches_forward`, and:
        rooms: room for four chunks.
        slopes: derivative by each value, `(batch, n_observables)`.
        of_weights: receives the derivative by each weight, `(tasks, n_weights + 1)`; the last is that of fixed angles.
        of_inputs: receives each group's part of the derivative by each input, `(groups, batch, n_inputs)`.
        of_states: the same by each initial amplitude, `(groups, batch, 2**n, 1 or 2)`; both may have no rows.
    """
    mode = flush_denormals()
    main, main_bra, ket, bra, lanes = rooms[0], rooms[1], rooms[2], rooms[3], LANES >> lane_qubits
    shared = weight_turns(parameters, weights)
    for task in range(first, last):
        chunk, group = task // groups, task % groups
        turns = shared, input_turns(parameters, inputs, chunk, lanes)
        factors = lanes_of(slopes, chunk, lanes)
        of_columns = np.zeros((len(parameters.inputs), lanes), weights.dtype)
        fill(chunk, lane_qubits, states, main)
        run(main, stem, 0, len(stem), patterns, turns)
        main_bra[:] = 0
        done = len(stem)
        for t in range(group + (len(starts) - 1 - group) // groups * groups, -1, -groups):
            undo(main, main_bra, stem, starts[t], done, patterns, parameters, turns, of_weights[task], of_columns)
            done, begin = starts[t], ends[t - 1] if t else 0
            ket[:] = main
            run(ket, table, begin, ends[t], patterns, turns)
            bra[:] = 0
            for j in range(len(observables)):
                share = broadcast(shares[t]) * load(signs, j)
                add_to_bra(ket, bra, observables[j], read(factors, j) * share, 0, len(ket))
            undo(ket, bra, table, begin, ends[t], patterns, parameters, turns, of_weights[task], of_columns)
            main_bra += bra
        undo(main, main_bra, stem, 0, done, patterns, parameters, turns, of_weights[task], of_columns)
        add_input_slopes(parameters, of_columns, chunk, of_inputs[group])
        if of_states.shape[1]:
            empty(chunk, lane_qubits, main_bra, 2.0, of_states[group])
    restore_denormals(mode)
