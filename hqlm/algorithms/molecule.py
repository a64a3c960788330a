"""Molecules, with the quantum chemistry of PennyLane."""

from __future__ import annotations

from dataclasses import dataclass
from reprlib import repr as short
from typing import ClassVar, Final

from hqlm.algorithms.hamiltonian import Hamiltonian
from hqlm.algorithms.problems import Problem
from hqlm.errors import DataError
from hqlm.registry import check_installed

_FARTHEST: Final = 1e6  # angstrom
_BOHR: Final = 0.529177210903  # angstrom (CODATA 2018)


@dataclass(frozen=True)
class Molecule(Problem):
    """Electrons of a molecule in Hartree-Fock orbitals, mapped by Jordan-Wigner; energies in hartree.

    Qubit 2 k is orbital k with spin up, qubit 2 k + 1 with spin down, the lowest orbital first: the Hartree-Fock bits
    are ones for the electrons, then zeros. All particle numbers are included.

    Args:
        atoms: symbol and x, y, z in angstrom of each atom: `[[H, 0, 0, 0], [H, 0, 0, 0.735]]`.
        basis: name of the Gaussian basis.
        charge: total charge, in elementary charges.
        active_electrons: electrons outside the frozen core; null for all.
        active_orbitals: spatial orbitals they may take; null for all.

    Raises:
        DataError: for atoms in another format.
    """

    atoms: tuple[tuple[str, float, float, float], ...] = (("H", 0.0, 0.0, 0.0), ("H", 0.0, 0.0, 0.735))
    basis: str = "sto-3g"
    charge: int = 0
    active_electrons: int | None = None
    active_orbitals: int | None = None

    requires: ClassVar[tuple[str, ...]] = ("pennylane",)
    install: ClassVar[str] = "hqlm[pennylane]"

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "atoms", tuple(tuple(atom) for atom in self.atoms))
        except TypeError as err:
            raise DataError(f"atoms must be a list of [symbol, x, y, z], given {short(self.atoms)}") from err

    def check_geometry(self) -> None:
        """Reject atoms at invalid positions, which some chemistry tools accept silently.

        Raises:
            DataError: for atoms in another format, coordinates that are not finite or very large, or two atoms at the
                same position.
        """
        try:
            places = [(float(x), float(y), float(z)) for _, x, y, z in self.atoms]
        except (TypeError, ValueError, OverflowError) as err:
            raise DataError(f"atoms must be a list of [symbol, x, y, z], given {short(self.atoms)}") from err
        if not all(abs(number) <= _FARTHEST for place in places for number in place):
            raise DataError(
                f"atoms must have finite coordinates up to {_FARTHEST:g} angstrom, given {short(self.atoms)}"
            )
        if len(set(places)) < len(places):
            raise DataError(f"two atoms are at the same position: {short(self.atoms)}. Move one of them")

    def hamiltonian(self) -> Hamiltonian:
        """Return the Hamiltonian as a sum of Pauli strings.

        Raises:
            DataError: if PennyLane cannot compute it, with its reason.
            MissingDependency: if PennyLane is not installed.
        """
        check_installed(type(self))
        self.check_geometry()
        import pennylane as qml

        places = qml.numpy.array([atom[1:] for atom in self.atoms], requires_grad=False) / _BOHR
        try:
            whole = qml.qchem.Molecule(
                [atom[0] for atom in self.atoms], places, charge=self.charge, basis_name=self.basis
            )
            if not 0 < whole.n_electrons <= 2 * whole.n_orbitals:
                raise ValueError(f"{whole.n_electrons} electrons do not fit in {whole.n_orbitals} orbitals")
            found, n_qubits = qml.qchem.molecular_hamiltonian(
                [atom[0] for atom in self.atoms],
                places,
                charge=self.charge,
                basis=self.basis,
                method="dhf",
                active_electrons=self.active_electrons,
                active_orbitals=self.active_orbitals,
            )
        except (ValueError, LookupError, TypeError) as err:
            raise DataError(f"PennyLane cannot compute the Hamiltonian of {self}: {err}") from err
        terms = [
            ("".join(word.get(wire, "I") for wire in range(n_qubits)), complex(coefficient))
            for word, coefficient in found.pauli_rep.items()
        ]
        return Hamiltonian(tuple(terms))  # type: ignore[arg-type]
