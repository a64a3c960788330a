"""Check of the memory that states take, before any is made."""

from __future__ import annotations

import math

from hqlm.errors import UnsupportedExecution
from hqlm.memory import gibibytes
from hqlm.resources import physical_memory


def check_memory(n_qubits: int, states: int, bytes_per_amplitude: int, fix: str = "") -> None:
    """Refuse states that the memory cannot hold.

    Args:
        n_qubits: qubits of a state.
        states: number of states.
        bytes_per_amplitude: size of an amplitude.
        fix: what to change, where it is neither the number of qubits nor that of rows.

    Raises:
        UnsupportedExecution: naming the memory needed and the number of qubits that would fit.
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
            or "Use fewer qubits (feature_encoder.n_qubits, or a smaller problem), or lower data.batch_size where "
            "many states are kept"
        )
    )
