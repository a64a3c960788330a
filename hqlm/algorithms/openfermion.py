"""Hamiltonians of OpenFermion, and molecules computed with its chemistry tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final

from hqlm.algorithms.hamiltonian import Hamiltonian, check_size
from hqlm.algorithms.molecule import Molecule
from hqlm.algorithms.problems import Problem
from hqlm.errors import DataError
from hqlm.registry import check_installed

_ROUNDING: Final = 1e-9  # imaginary parts up to this, relative to the largest coefficient, remain from conjugate pairs


def from_openfermion(operator: Any, n_qubits: int | None = None) -> Hamiltonian:
    """Convert a Hamiltonian of OpenFermion; its qubit 0 is our first letter.

    Fermions are mapped by Jordan-Wigner, mode k to qubit k; for another mapping, such as `openfermion.bravyi_kitaev`,
    pass its result.

    Args:
        operator: a `QubitOperator`; or a `FermionOperator`, `MajoranaOperator`, `InteractionOperator`,
            `DiagonalCoulombHamiltonian` or `MolecularData` with integrals.
        n_qubits: number of qubits, if there are more than the operator acts on.

    Raises:
        DataError: for anything else, an operator that is not Hermitian, or too few qubits for it.
    """
    import openfermion

    if isinstance(operator, openfermion.MolecularData):
        operator = _interaction(operator, None, None)
    try:
        acts_on = openfermion.count_qubits(operator)
        qubits = operator if isinstance(operator, openfermion.QubitOperator) else openfermion.jordan_wigner(operator)
    except TypeError as err:
        raise DataError(
            f"cannot transform a {type(operator).__name__} to qubits. Use a QubitOperator, FermionOperator, "
            "MajoranaOperator, InteractionOperator, DiagonalCoulombHamiltonian or MolecularData"
        ) from err
    if n_qubits is not None and n_qubits < acts_on:
        raise DataError(f"the operator acts on {acts_on} qubits, given n_qubits={n_qubits}")
    return Hamiltonian(tuple(_terms(qubits, n_qubits or acts_on)))


@dataclass(frozen=True)
class MolecularDataFile(Problem):
    """A molecule in a file that `openfermion.MolecularData` saved, orbitals and qubits in the order of `Molecule`.

    Args:
        path: path of the `.hdf5` file, with the integrals that a plugin of OpenFermion added.
        active_electrons: electrons outside the frozen core; null for all.
        active_orbitals: spatial orbitals they may take; null for all.
    """

    paths: ClassVar[tuple[str, ...]] = ("path",)
    path: str
    active_electrons: int | None = None
    active_orbitals: int | None = None

    requires: ClassVar[tuple[str, ...]] = ("openfermion",)
    install: ClassVar[str] = "hqlm[openfermion]"

    def data_files(self) -> tuple[Path, ...]:
        """Return the file."""
        return (Path(self.path),)

    def hamiltonian(self) -> Hamiltonian:
        """Return the Hamiltonian as a sum of Pauli strings.

        Raises:
            DataError: for a file without such a molecule, or electrons and orbitals that it does not have.
            MissingDependency: if OpenFermion is not installed.
        """
        check_installed(type(self))
        import openfermion

        try:
            molecule = openfermion.MolecularData(filename=self.path)
        except (OSError, KeyError, ValueError, TypeError) as err:
            raise DataError(f"{self.path} is not a file of openfermion.MolecularData: {err}") from err
        return from_openfermion(_interaction(molecule, self.active_electrons, self.active_orbitals))


@dataclass(frozen=True)
class OpenFermionMolecule(Molecule):
    """A `Molecule` computed by OpenFermion and PySCF instead of PennyLane, also with open shells; same order of qubits.

    Args:
        atoms: symbol and x, y, z in angstrom of each atom: `[[H, 0, 0, 0], [H, 0, 0, 0.735]]`.
        basis: name of the Gaussian basis, as known to PySCF.
        charge: total charge, in elementary charges.
        active_electrons: electrons outside the frozen core; null for all.
        active_orbitals: spatial orbitals they may take; null for all.
        multiplicity: unpaired electrons plus 1.
    """

    multiplicity: int = 1

    requires: ClassVar[tuple[str, ...]] = ("openfermion", "openfermionpyscf", "pyscf")
    install: ClassVar[str] = "hqlm[openfermion]"

    def hamiltonian(self) -> Hamiltonian:
        """Return the Hamiltonian as a sum of Pauli strings.

        Raises:
            DataError: if the tools cannot compute it, with their reason, or if Hartree-Fock does not converge.
            MissingDependency: if OpenFermion, PySCF or the plugin between them is not installed.
        """
        check_installed(type(self))
        self.check_geometry()
        import openfermion
        from openfermionpyscf import run_pyscf

        geometry = [(atom[0], atom[1:]) for atom in self.atoms]
        with TemporaryDirectory() as folder:  # for the plugin, which otherwise saves the molecule beside its code
            place = str(Path(folder, "molecule"))
            try:
                molecule = run_pyscf(
                    openfermion.MolecularData(geometry, self.basis, self.multiplicity, self.charge, filename=place)
                )
            except (RuntimeError, ValueError, LookupError, TypeError, AssertionError) as err:
                raise DataError(
                    f"PySCF cannot compute the Hamiltonian of {self}: {err}. An odd number of electrons needs an even "
                    "multiplicity"
                ) from err
            if not molecule._pyscf_data["scf"].converged:
                raise DataError(f"the Hartree-Fock energy of {self} does not converge. Try another geometry or basis")
            return from_openfermion(_interaction(molecule, self.active_electrons, self.active_orbitals))


def _interaction(molecule: Any, active_electrons: int | None, active_orbitals: int | None) -> Any:
    """Return the `InteractionOperator` of the active orbitals around a frozen core."""
    if molecule.one_body_integrals is None or molecule.two_body_integrals is None:
        raise DataError(f"the molecule {molecule.name} has no integrals. Run a plugin of OpenFermion on it first")
    electrons = molecule.n_electrons if active_electrons is None else active_electrons
    n_core, unpaired = divmod(molecule.n_electrons - electrons, 2)
    orbitals = molecule.n_orbitals - n_core if active_orbitals is None else active_orbitals
    if unpaired or n_core < 0 or not 0 <= electrons <= 2 * orbitals or not 0 < orbitals <= molecule.n_orbitals - n_core:
        raise DataError(
            f"{molecule.name} has {molecule.n_electrons} electrons in {molecule.n_orbitals} orbitals, of which an even "
            f"number must be frozen; given active_electrons={active_electrons}, active_orbitals={active_orbitals}"
        )
    return molecule.get_molecular_hamiltonian(list(range(n_core)), list(range(n_core, n_core + orbitals)))


def _terms(operator: Any, n_qubits: int) -> Iterator[tuple[str, Any]]:
    check_size(n_qubits, len(operator.terms))
    bound = _ROUNDING * max(map(abs, operator.terms.values()), default=0.0)
    for word, coefficient in operator.terms.items():
        letters = dict(word)
        near_real = isinstance(coefficient, complex) and abs(coefficient.imag) <= bound
        value = coefficient.real if near_real else coefficient
        yield "".join(letters.get(wire, "I") for wire in range(n_qubits)), value
