"""Converts weights and inputs to the angles of a circuit, and derivatives by angles back.

Each distinct angle has a column. Angles from weights are the same for all rows: they are computed once, and their
slopes are summed over the lanes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hqlm.backends.kernels.simd import LANES, broadcast, load, store, total
from hqlm.circuits import Circuit, Input, Weight
from hqlm.circuits.gates import Angle

NO_ANGLE: Final = 0  # column of operations without an angle


class Parameters(NamedTuple):
    """The parameters that the columns read: half an angle is factor * parameter.

    Attributes:
        weights: index of the weight that each of the first columns reads, one past the last for a constant 1.
        weight_factors: factors of these columns.
        inputs: index of the input that each of the other columns reads.
        input_factors: factors of these columns.
    """

    weights: NDArray[np.int64]
    weight_factors: NDArray[Any]
    inputs: NDArray[np.int64]
    input_factors: NDArray[Any]


def column_numbers(circuit: Circuit) -> dict[Angle, int]:
    """Return the column of each angle: first constants and weights, then inputs."""
    angles = dict.fromkeys([0.0, *(gate.angle for gate in circuit.rotations if gate.angle is not None)])
    ordered = sorted(angles, key=lambda angle: isinstance(angle, Input))
    return {angle: column for column, angle in enumerate(ordered)}


def parameters_of(circuit: Circuit, dtype: type[np.floating[Any]]) -> Parameters:
    """Return the parameters of a circuit, for kernels of a precision."""
    angles = [  # a fixed angle is a multiple of an absent weight, which kernels take as 1
        angle if isinstance(angle, Weight | Input) else Weight(circuit.n_weights, angle)
        for angle in column_numbers(circuit)
    ]
    weights = [angle for angle in angles if isinstance(angle, Weight)]
    inputs = [angle for angle in angles if isinstance(angle, Input)]
    return Parameters(*_columns(weights, dtype), *_columns(inputs, dtype))


def _columns(angles: Sequence[Weight | Input], dtype: type[np.floating[Any]]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    places = np.array([angle.index for angle in angles], dtype=np.int64)
    return places, np.array([angle.scale / 2 for angle in angles], dtype=dtype)


@njit
def weight_turns(parameters: Any, weights: Any) -> Any:
    """Return cosine and sine of half of each angle that all rows share, `(columns, 2)`."""
    turns = np.empty((len(parameters.weights), 2), weights.dtype)
    for column in range(len(turns)):
        half, place = parameters.weight_factors[column], parameters.weights[column]
        if place < len(weights):
            half *= weights[place]
        turns[column, 0], turns[column, 1] = math.cos(half), math.sin(half)
    return turns


@njit
def input_turns(parameters: Any, inputs: Any, chunk: int, lanes: int) -> Any:
    """Return cosines and sines of the other half angles of the rows of a chunk, `(2 columns, lanes)`."""
    turns = np.empty((2 * len(parameters.inputs), lanes), inputs.dtype)
    for column in range(len(parameters.inputs)):
        place, factor = parameters.inputs[column], parameters.input_factors[column]
        for lane in range(lanes):
            half = factor * inputs[min(chunk * lanes + lane, len(inputs) - 1), place]
            turns[2 * column, lane], turns[2 * column + 1, lane] = math.cos(half), math.sin(half)
    return turns


@njit(inline="always")
def turn(turns: Any, column: int) -> Any:
    """Return cosine and sine of half the angle of a column, 16 lanes each."""
    shared, own = turns
    if column < len(shared):
        return broadcast(shared[column, 0]), broadcast(shared[column, 1])
    entry = 2 * (column - len(shared))
    return read(own, entry), read(own, entry + 1)


@njit(inline="always")
def read(table: Any, entry: int) -> Any:
    """Return 16 lanes of a table that has one number per lane or one for all."""
    return load(table, entry) if table.shape[1] == LANES else broadcast(table[entry, 0])


@njit(inline="always")
def add_to(table: Any, entry: int, lanes: Any) -> None:
    """Add 16 lanes to an entry of such a table."""
    if table.shape[1] == LANES:
        store(table, entry, load(table, entry) + lanes)
    else:
        table[entry, 0] += total(lanes)


@njit(inline="always")
def add_slope(parameters: Any, of_weights: Any, of_columns: Any, column: int, slope: Any) -> None:
    """Add the slope of a column, 16 lanes, to that of its weight or to its own `(columns, lanes)`."""
    own = column - len(parameters.weights)
    if own < 0:
        factor = parameters.weight_factors[column]
        of_weights[parameters.weights[column]] += (factor + factor) * total(slope)
    else:
        add_to(of_columns, own, slope)


@njit
def add_input_slopes(parameters: Any, of_columns: Any, chunk: int, of_inputs: Any) -> None:
    """Add slopes of columns `(columns, lanes)` to those of the inputs of a chunk's rows; skip it without rows."""
    lanes = of_columns.shape[1]
    for row in range(chunk * lanes, min((chunk + 1) * lanes, len(of_inputs))):
        for column in range(len(of_columns)):
            factor = parameters.input_factors[column]
            of_inputs[row, parameters.inputs[column]] += (factor + factor) * of_columns[column, row - chunk * lanes]
