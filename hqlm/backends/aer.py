"""Circuits on Aer, Qiskit's simulator: exact values and samples, with channels and initial states.

The simulator saves values for a whole array of parameters at a time; it binds the parameters while it runs, which
takes half the time of binding them before. Samples are drawn by its sampler primitive.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hqlm.backends.qiskit_circuits import Program, started, translated, unpacked
from hqlm.circuits import Circuit
from hqlm.errors import UnsupportedExecution
from hqlm.execution import Noise

Angles = NDArray[np.float64]
States = NDArray[np.complex128]


def values(circuit: Circuit, angles: Angles, states: States | None, noise: Noise) -> NDArray[np.float64]:
    """Return expectation values `(rows, n_observables)` of state vectors, or of density matrices under noise."""
    from qiskit_aer import AerSimulator

    program = _observe(circuit, noise)
    groups = _group_by_state(program, angles, states)
    parameters = program.circuit.parameters
    binds = [dict(zip(parameters, program.parameters(angles[rows]).T, strict=True)) for _, rows in groups]
    simulator = AerSimulator(method="density_matrix" if noise.gate_channels else "statevector", **_options())
    job = simulator.run([whole for whole, _ in groups], parameter_binds=binds if parameters else None)
    result = job.result()
    if not result.success:
        raise _make_error(result.status)
    found, first = np.empty((len(angles), len(circuit.observables))), 0
    for _, rows in groups:
        n_runs = len(rows) if parameters else 1  # without parameters, rows with equal initial states have equal results
        saved = [result.data(run) for run in range(first, first + n_runs)]
        found[rows] = [[data[str(place)] for place in range(len(circuit.observables))] for data in saved]
        first += n_runs
    return found


def bits(
    circuit: Circuit, angles: Angles, states: States | None, noise: Noise, shots: int, seed: int
) -> NDArray[np.uint8]:
    """Return samples `(rows, shots, n_qubits)`, qubit 0 first; every row has its own random number stream."""
    from qiskit_aer import AerError
    from qiskit_aer.primitives import SamplerV2

    program = _measure(circuit, noise)
    groups = _group_by_state(program, angles, states)
    pubs = [pub for whole, rows in groups for pub in program._replace(circuit=whole).pubs(angles[rows])]
    try:
        results = SamplerV2(seed=seed, options={"backend_options": _options()}).run(pubs, shots=shots).result()
    except AerError as error:
        raise _make_error(error) from error
    found = np.concatenate([unpacked(result.data.meas) for result in results])
    order = np.concatenate([rows for _, rows in groups])
    return found[np.argsort(order)]


@lru_cache(maxsize=64)
def _observe(circuit: Circuit, noise: Noise) -> Program:
    """Return the program that saves the value of each observable under its index."""
    from qiskit.quantum_info import Pauli

    program = translated(circuit, noise)
    whole = program.circuit.copy()
    for place, observable in enumerate(circuit.observables):
        whole.save_expectation_value(Pauli(observable.letters), whole.qubits, label=str(place))
    return program._replace(circuit=whole)


@lru_cache(maxsize=64)
def _measure(circuit: Circuit, noise: Noise) -> Program:
    """Return the program that measures every qubit."""
    program = translated(circuit, noise)
    return program._replace(circuit=program.circuit.measure_all(inplace=False))


def _group_by_state(program: Program, angles: Angles, states: States | None) -> list[tuple[Any, NDArray[np.intp]]]:
    """Return circuits with the rows that each runs: rows that start from the same state share one."""
    if states is None:
        return [(program.circuit, np.arange(len(angles)))]
    groups: dict[bytes, list[int]] = {}
    for row, state in enumerate(states):
        groups.setdefault(state.tobytes(), []).append(row)
    return [(started(program.circuit, states[rows[0]]), np.array(rows)) for rows in groups.values()]


def _options() -> dict[str, Any]:
    return {"max_parallel_threads": torch.get_num_threads(), "runtime_parameter_bind_enable": True}


def _make_error(why: object) -> UnsupportedExecution:
    return UnsupportedExecution(f"Aer cannot run the circuit: {why}. Use fewer qubits or set backend to another")
