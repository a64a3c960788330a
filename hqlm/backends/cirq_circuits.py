"""Translates circuits to Cirq once, with a symbol for each rotation whose values a sweep sets."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from torch import Tensor

from hqlm.backends.channels import Channel, channels_after, n_channels
from hqlm.circuits import Circuit, Gate
from hqlm.execution import Noise


def qubits(circuit: Circuit) -> list[Any]:
    """Return `LineQubit`s from 0, in order."""
    import cirq

    return cirq.LineQubit.range(circuit.n_qubits)


def observables(circuit: Circuit) -> list[Any]:
    """Return the observables as Cirq's Pauli strings."""
    import cirq

    return [cirq.DensePauliString(each.letters).on(*qubits(circuit)) for each in circuit.observables]


def sweep(angles: Tensor) -> list[Any]:
    """Return the values of the symbols in each row, for angles `(rows, n_angles)` in radians."""
    import cirq

    half_turns = (angles.detach().cpu().double() / math.pi).tolist()
    return [cirq.ParamResolver({f"a{k}": value for k, value in enumerate(row)}) for row in half_turns]


@lru_cache(maxsize=64)
def program(circuit: Circuit, noise: Noise) -> Any:
    """Return gates and channels, without a measurement; the symbol of rotation k is `ak`, in half turns."""
    import cirq
    import sympy

    line, operations, column = qubits(circuit), [], 0
    for gate in circuit.gates:
        symbol = None if gate.angle is None else sympy.Symbol(f"a{column}")
        column += symbol is not None
        operations.append(_gate(gate, symbol).on(*(line[wire] for wire in gate.wires)))
        for channel in channels_after(gate, noise):
            operations.append(_channel(channel).on(*(line[wire] for wire in channel.wires)))
    kinds = (cirq.DepolarizingChannel, cirq.AmplitudeDampingChannel, cirq.PhaseDampingChannel)
    found = cirq.Circuit(operations)
    assert sum(isinstance(each.gate, kinds) for each in found.all_operations()) == n_channels(circuit, noise)
    return found


def _gate(gate: Gate, half_turns: Any) -> Any:
    import cirq

    if half_turns is None:
        roots = {"S": cirq.S, "T": cirq.T, "SX": cirq.X**0.5}
        name = gate.name.removesuffix("DG")
        kind = roots[name] if name in roots else getattr(cirq, name)
        return kind**-1 if gate.name.endswith("DG") else kind
    letters = gate.name[2:] if gate.kind.controlled else gate.name[1:]
    # a power of a Pauli string takes its exponent unchanged, while `cirq.rx` divides symbols by pi, which is slow
    rotation = getattr(cirq, f"{letters}PowGate")(exponent=half_turns, global_shift=-0.5)
    return cirq.ControlledGate(rotation) if gate.kind.controlled else rotation


def _channel(channel: Channel) -> Any:
    import cirq

    if channel.kind in ("one_qubit", "two_qubit"):
        return cirq.depolarize(channel.probability, n_qubits=len(channel.wires))
    damp = {"amplitude_damping": cirq.amplitude_damp, "phase_damping": cirq.phase_damp}[channel.kind]
    return damp(channel.probability)
