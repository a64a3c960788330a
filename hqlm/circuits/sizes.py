"""Limits on the size of a circuit, checked in closed form before anything of it is built."""

from __future__ import annotations

from typing import Final

from hqlm.errors import CircuitError

MOST_QUBITS: Final = 4096  # observables take n letters each; no simulator and no device comes near
MOST_GATES: Final = 250_000  # a training step of as many takes 10 seconds and a gibibyte


def check_qubits(n_qubits: int) -> None:
    """Refuse more qubits than `MOST_QUBITS`.

    Raises:
        CircuitError: naming the number of qubits.
    """
    if n_qubits > MOST_QUBITS:
        raise CircuitError(f"a circuit has at most {MOST_QUBITS:,} qubits, given {n_qubits:,}. Use fewer qubits")


def check_gates(n_gates: int, options: str) -> None:
    """Refuse more gates than `MOST_GATES`.

    Args:
        n_gates: gates that would be built.
        options: what to lower, for the message.

    Raises:
        CircuitError: naming the number of gates.
    """
    if n_gates > MOST_GATES:
        raise CircuitError(f"a circuit has at most {MOST_GATES:,} gates, asked for {n_gates:,}. Lower {options}")
