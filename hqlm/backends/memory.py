"""Checks the memory that states need before any is allocated."""

from __future__ import annotations

import math

from hqlm.errors import UnsupportedExecution
from hqlm.memory import gibibytes
from hqlm.resources import physical_memory


def check_memory(n_qubits: int, states: int, bytes_per_amplitude: int, fix: str = "") -> None:
    """Reject states that do not fit in memory.

    Args:
        n_qubits: number of qubits of a state.
        states: number of states.
        bytes_per_amplitude: size of an amplitude in bytes.
        fix: advice for the message, if it is neither about the number of qubits nor of rows.

    Raises:
        UnsupportedExecution: with the memory needed and the number of qubits that would fit.
    """
    each, limit = states * bytes_per_amplitude, physical_memory()
    if limit == math.inf or (n_qubits < 64 and each << n_qubits <= limit):
        return
    fitting = max(0, int(math.log2(limit / each)))
    count = "a state" if states == 1 else f"{states} states"
    needed = gibibytes(each << n_qubits) if n_qubits < 1024 else f"2^{n_qubits - 30 + each.bit_length() - 1} GiB"
    raise UnsupportedExecution(
        f"{count} of {n_qubits} qubits take{'s' * (states == 1)} {needed} of memory, this machine has "
        f"{gibibytes(limit)}: up to {fitting} qubits would fit. "
        + (
            fix
            or "Use fewer qubits (feature_encoder.n_qubits, or a smaller problem), or lower data.batch_size if "
            "many states are kept"
        )
    )
