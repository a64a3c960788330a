"""Noise channels after a gate, with their order and wires, shared by all adapters that insert them."""

from __future__ import annotations

from typing import NamedTuple

from hqlm.circuits import Circuit, Gate
from hqlm.execution import Noise


class Channel(NamedTuple):
    """A channel to translate to an SDK: `kind` is a field of `Noise`, `probability` its value."""

    kind: str
    wires: tuple[int, ...]
    probability: float


def channels_after(gate: Gate, noise: Noise) -> list[Channel]:
    """Return the channels after a gate in the order they act: a Pauli on all its wires, then damping on each wire."""
    if not gate.noisy:
        return []
    pauli = "one_qubit" if len(gate.wires) == 1 else "two_qubit"
    damping = [(kind, (wire,)) for kind in ("amplitude_damping", "phase_damping") for wire in gate.wires]
    found = [Channel(kind, wires, getattr(noise, kind)) for kind, wires in ((pauli, gate.wires), *damping)]
    return [channel for channel in found if channel.probability > 0.0]


def n_channels(circuit: Circuit, noise: Noise) -> int:
    """Return the number of channels in a run of the circuit, with which an adapter checks what it built."""
    return sum(len(channels_after(gate, noise)) for gate in circuit.gates)
