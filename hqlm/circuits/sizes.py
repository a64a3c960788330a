"""Limits on the size of a circuit, checked in closed form before any part of it is built."""

from __future__ import annotations

from typing import Final

from hqlm.errors import CircuitError

MOST_QUBITS: Final = 4096  # observables take n letters each; no simulator or device comes near
MOST_GATES: Final = 250_000  # a training step of this many takes 10 seconds and a gibibyte


def check_qubits(n_qubits: int) -> None:
    """Reject more qubits than `MOST_QUBITS`.

    Raises:
        CircuitError: with the number of qubits.
    """
    if n_qubits > MOST_QUBITS:
        raise CircuitError(f"a circuit can have at most {MOST_QUBITS:,} qubits, given {n_qubits:,}. Use fewer qubits")


def check_gates(n_gates: int, options: str) -> None:
    """Reject more gates than `MOST_GATES`.

    Args:
        n_gates: number of gates that would be built.
        options: options to lower, for the message.

    Raises:
        CircuitError: with the number of gates.
    """
    if n_gates > MOST_GATES:
        raise CircuitError(f"a circuit can have at most {MOST_GATES:,} gates, given {n_gates:,}. Lower {options}")
