"""Molecules, by the quantum chemistry of PennyLane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from hqlm.algorithms.hamiltonian import Hamiltonian
from hqlm.algorithms.problems import Problem
from hqlm.errors import DataError
from hqlm.registry import check_installed

_BOHR: Final = 0.529177210903  # angstrom (CODATA 2018)


@dataclass(frozen=True)
class Molecule(Problem):
    """Electrons of a molecule, Hartree-Fock orbitals after the Jordan-Wigner transformation; energies in hartree.

    Qubit 2 k is orbital k with spin up, qubit 2 k + 1 with spin down, the lowest orbital first: the Hartree-Fock bits
    are ones for the electrons, then zeros. All number sectors are in it.

    Args:
        atoms: symbol and x, y, z in angstrom of each: `[[H, 0, 0, 0], [H, 0, 0, 0.735]]`.
        basis: name of the Gaussian basis.
        charge: of the whole, in elementary charges.
        active_electrons: electrons outside the frozen core; null for all.
        active_orbitals: spatial orbitals they may take; null for all.
    """

    atoms: tuple[tuple[str, float, float, float], ...] = (("H", 0.0, 0.0, 0.0), ("H", 0.0, 0.0, 0.735))
    basis: str = "sto-3g"
    charge: int = 0
    active_electrons: int | None = None
    active_orbitals: int | None = None

    requires: ClassVar[tuple[str, ...]] = ("pennylane",)
    install: ClassVar[str] = "hqlm[pennylane]"

    def __post_init__(self) -> None:
        object.__setattr__(self, "atoms", tuple(tuple(atom) for atom in self.atoms))

    def hamiltonian(self) -> Hamiltonian:
        """The Hamiltonian as sum of Pauli strings.

        Raises:
            DataError: when PennyLane cannot make it, with its reason.
            MissingDependency: without PennyLane.
        """
        check_installed(type(self))
        import pennylane as qml

        places = qml.numpy.array([atom[1:] for atom in self.atoms], requires_grad=False) / _BOHR
        try:
            found, n_qubits = qml.qchem.molecular_hamiltonian(
                [atom[0] for atom in self.atoms],
                places,
                charge=self.charge,
                basis=self.basis,
                method="dhf",
                active_electrons=self.active_electrons,
                active_orbitals=self.active_orbitals,
            )
        except (ValueError, KeyError, TypeError) as err:
            raise DataError(f"PennyLane cannot make the Hamiltonian of {self}: {err}") from err
        terms = [
            ("".join(word.get(wire, "I") for wire in range(n_qubits)), complex(coefficient))
            for word, coefficient in found.pauli_rep.items()
        ]
        return Hamiltonian(tuple(terms))  # type: ignore[arg-type]
