"""What states take of the machine's memory, looked at before any is made."""

from __future__ import annotations

import math
import os
from functools import lru_cache

from hqlm.errors import UnsupportedExecution


def check_memory(n_qubits: int, states: int, bytes_per_amplitude: int) -> None:
    """Refuse states that the machine's memory cannot hold.

    Raises:
        UnsupportedExecution: naming the memory needed and the number of qubits that would fit.
    """
    needed, there = states * bytes_per_amplitude << n_qubits, physical_memory()
    if needed <= there:
        return
    fitting = int(math.log2(there / (states * bytes_per_amplitude)))
    count = "a state" if states == 1 else f"{states} states"
    raise UnsupportedExecution(
        f"{count} of {n_qubits} qubits take{'s' * (states == 1)} {_gibibytes(needed)} of memory, this machine has "
        f"{_gibibytes(there)}: up to {fitting} qubits would fit. Use fewer qubits (feature_encoder.n_qubits, or a "
        "smaller problem), or lower data.batch_size where many states are kept"
    )


@lru_cache(maxsize=1)
def physical_memory() -> float:
    """Bytes of memory; without limit where the system does not say."""
    if not hasattr(os, "sysconf"):
        return math.inf
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _gibibytes(number: float) -> str:
    return f"{number / 2**30:,.1f} GiB" if number < 2**70 else f"2^{int(number).bit_length() - 31} GiB"
