"""Gate counts of a circuit, as written and in the native gates of hardware."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from hqlm.backends.qiskit_circuits import translated
from hqlm.circuits import Circuit
from hqlm.cost.devices import Device, Hardware
from hqlm.errors import MissingDependency
from hqlm.execution import Noise

_FREE: Final = frozenset({"rz"})


@dataclass(frozen=True)
class GateCounts:
    """Gates of a circuit.

    Args:
        one_qubit: number of one-qubit gates; for native gates, without the free rotations about Z.
        two_qubit: number of two-qubit gates.
        depth: number of layers of these gates if each starts as soon as its qubits are free.
    """

    one_qubit: int
    two_qubit: int
    depth: int


def counted(circuit: Circuit) -> GateCounts:
    """Count the gates of a circuit as written."""
    two = sum(len(gate.wires) == 2 for gate in circuit.gates)
    return GateCounts(len(circuit.gates) - two, two, circuit.depth)


def compiled(circuit: Circuit, hardware: Hardware) -> GateCounts:
    """Count the gates of a circuit in the native gates of hardware, routed if not every pair is connected.

    Qiskit compiles it at optimisation level 1 with seed 0 and generic angles (drawn once); other levels and seeds can
    give fewer gates.

    Raises:
        MissingDependency: if Qiskit is not installed.
    """
    return _tally(_program(circuit, hardware), circuit.n_qubits)


def gate_seconds(circuit: Circuit, hardware: Hardware, device: Device) -> float:
    """Return the duration of the gates of one shot: of the longest path if they run in parallel, else of all gates.

    Raises:
        MissingDependency: if Qiskit is not installed.
    """
    program = _program(circuit, hardware)
    if not hardware.parallel:
        counts = _tally(program, circuit.n_qubits)
        return counts.one_qubit * device.one_qubit_seconds + counts.two_qubit * device.two_qubit_seconds
    return _longest_path(
        (wires, device.one_qubit_seconds if len(wires) == 1 else device.two_qubit_seconds) for wires in program
    )


def _tally(program: tuple[tuple[int, ...], ...], n_qubits: int) -> GateCounts:
    two = sum(len(wires) == 2 for wires in program)
    return GateCounts(len(program) - two, two, round(_longest_path((wires, 1.0) for wires in program)))


def _longest_path(steps: Iterable[tuple[tuple[int, ...], float]]) -> float:
    """Return the end time of the last gate if each starts as soon as its qubits are free."""
    ends: dict[int, float] = {}
    for wires, duration in steps:
        end = duration + max(ends.get(wire, 0.0) for wire in wires)
        ends.update(dict.fromkeys(wires, end))
    return max(ends.values(), default=0.0)


@lru_cache(maxsize=64)
def _program(circuit: Circuit, hardware: Hardware) -> tuple[tuple[int, ...], ...]:
    """Return the qubits of each native gate that takes time, in order."""
    if find_spec("qiskit") is None:
        raise MissingDependency(
            "counting hardware gates needs Qiskit's transpiler: pip install 'hqlm[qiskit]', or leave the hardware out "
            "with --devices=[]"
        )
    from qiskit import transpile
    from qiskit.transpiler import CouplingMap

    given = translated(circuit, Noise())
    angles = np.random.default_rng(0).uniform(-math.pi, math.pi, (1, len(circuit.rotations)))
    bound = given.circuit.assign_parameters(given.parameters(angles)[0])
    side = math.ceil(math.sqrt(circuit.n_qubits))
    native: Any = transpile(
        bound,
        basis_gates=list(hardware.gates),
        coupling_map=CouplingMap.from_grid(side, side) if hardware.on_grid else None,
        optimization_level=1,
        seed_transpiler=0,
    )
    return tuple(
        tuple(native.find_bit(qubit).index for qubit in step.qubits)
        for step in native.data
        if step.operation.name not in _FREE
    )
