"""Unitary coupled cluster with single and double excitations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

from hqlm.circuits.ansatze.base import Ansatz, check_size
from hqlm.circuits.circuit import PauliString
from hqlm.circuits.gates import Gate, Weight
from hqlm.circuits.pauli_rotation import pauli_rotation
from hqlm.circuits.sizes import check_gates
from hqlm.errors import CircuitError

# Pauli strings of (occupied, occupied, free, free) by Jordan-Wigner; each has a partner, X and Y exchanged,
# of the opposite sign
_DOUBLE = ("XXYX", "YXYY", "XYYY", "XXXY")
_GATES_OF_DOUBLE = 8 * 15  # eight strings of four letters or more: basis changes, ladder, rotation
_EXCHANGED = str.maketrans("XY", "YX")


@dataclass(frozen=True)
class UCCSDAnsatz(Ansatz):
    """Doubles `exp(w (a_p+ a_q+ a_r a_s - h.c.))`, then singles `exp(w (a_p+ a_r - h.c.))`, one weight each.

    Qubits are spin orbitals in Jordan-Wigner order with alternating spins: even ones up, odd ones down. Excitations go
    from the first `n_electrons` qubits to the others and preserve the spin. Start from the Hartree-Fock bits, ones
    first. Further layers are further Trotter steps with their own weights.

    Sources: Peruzzo et al. (2014), arXiv:1304.3061; Romero et al. (2018), Strategies for quantum computing molecular
    energies using the unitary coupled cluster ansatz, arXiv:1701.02691.

    Args:
        n_electrons: number of occupied spin orbitals.
    """

    n_electrons: int = 2

    def __post_init__(self) -> None:
        if self.n_electrons < 1:
            raise CircuitError(f"UCCSDAnsatz: n_electrons must be 1 or more, given {self.n_electrons}")

    def gates(self, n_qubits: int, n_layers: int) -> tuple[Gate, ...]:
        """Return the gates of `n_layers` Trotter steps.

        Raises:
            CircuitError: if no excitation preserves the spin.
        """
        check_size(n_qubits, n_layers)
        occupied = min(self.n_electrons, n_qubits)
        pairs = comb(occupied, 2) * comb(n_qubits - occupied, 2) // 4  # at least this many preserve the spin
        check_gates(pairs * n_layers * _GATES_OF_DOUBLE, "ansatz.n_electrons, the number of layers or that of qubits")
        excitations = [*_doubles(occupied, n_qubits), *_singles(occupied, n_qubits)]
        if n_layers and not excitations:
            raise CircuitError(
                f"UCCSDAnsatz: {self.n_electrons} electrons on {n_qubits} spin orbitals have no excitation that keeps "
                "the spin. Use more qubits or a smaller n_electrons"
            )
        gates: list[Gate] = []
        for index, excitation in enumerate(excitations * n_layers):
            for letters, sign in _strings(excitation, n_qubits):
                gates += pauli_rotation(PauliString(letters), Weight(index, sign * 2.0 / len(_signs(excitation))))
        return tuple(gates)


def _singles(n_electrons: int, n_qubits: int) -> Iterator[tuple[int, ...]]:
    for occupied in range(n_electrons):
        for free in range(n_electrons, n_qubits):
            if (occupied - free) % 2 == 0:
                yield occupied, free


def _doubles(n_electrons: int, n_qubits: int) -> Iterator[tuple[int, ...]]:
    for pair in combinations(range(n_electrons), 2):
        for free in combinations(range(n_electrons, n_qubits), 2):
            if sum(wire % 2 for wire in pair) == sum(wire % 2 for wire in free):
                yield *pair, *free


def _signs(excitation: tuple[int, ...]) -> list[tuple[str, int]]:
    """Return the letters on the qubits of an excitation, and the signs of their rotations."""
    heads = ("YX",) if len(excitation) == 2 else _DOUBLE
    return [(head, -1) for head in heads] + [(head.translate(_EXCHANGED), 1) for head in heads]


def _strings(excitation: tuple[int, ...], n_qubits: int) -> Iterator[tuple[str, int]]:
    """Yield whole Pauli strings: Z on the qubits in between accounts for the order of fermions."""
    between = {
        wire for low, high in zip(excitation[::2], excitation[1::2], strict=True) for wire in range(low + 1, high)
    }
    for head, sign in _signs(excitation):
        letters = dict.fromkeys(between, "Z") | dict(zip(excitation, head, strict=True))
        yield "".join(letters.get(wire, "I") for wire in range(n_qubits)), sign
