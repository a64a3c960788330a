"""Base class of problems: recipes of a Hamiltonian whose lowest energy is searched."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from hqlm.algorithms.hamiltonian import Hamiltonian
from hqlm.contracts import returns
from hqlm.registry import Component, Registry


@dataclass(frozen=True)
class Problem(Component):
    """A problem for a variational algorithm."""

    @abstractmethod
    @returns("a Hamiltonian", lambda found, self: isinstance(found, Hamiltonian))
    def hamiltonian(self) -> Hamiltonian:
        """Return the Hamiltonian whose lowest energy is the solution.

        Raises:
            DataError: if there is none, with the reason.
        """

    def data_files(self) -> Sequence[Path]:
        """Return the files that are read; studies rerun their trials when the content of one changes."""
        return ()


PROBLEMS: Final[Registry[Problem]] = Registry(Problem, "problem")  # type: ignore[type-abstract]


@dataclass(frozen=True)
class PauliTerms(Problem):
    """A sum of Pauli strings, written out.

    Args:
        terms: real coefficient of each string, one letter per qubit, qubit 0 first: `{ZZI: 0.5, IXI: -1.0}`.
    """

    terms: dict[str, float | str] = field(default_factory=lambda: {"ZZ": 1.0}, hash=False)

    def hamiltonian(self) -> Hamiltonian:
        """Return the sum."""
        return Hamiltonian.of(self.terms)


@dataclass(frozen=True)
class HamiltonianFile(Problem):
    """A sum of Pauli strings in a JSON or YAML file.

    The file maps each string, one letter of `IXYZ` per qubit and qubit 0 first, to its real coefficient; or it has that
    mapping under `terms`, and a note under `about` that is not read. No key may be listed twice. In JSON::

        {"about": {"molecule": "H2"}, "terms": {"II": -0.81, "ZI": 0.17, "IZ": 0.17, "XX": 0.05}}

    Args:
        path: path of the file, `.json` for JSON, any other name for YAML.
    """

    paths: ClassVar[tuple[str, ...]] = ("path",)
    path: str

    def hamiltonian(self) -> Hamiltonian:
        """Return the Hamiltonian in the file."""
        return Hamiltonian.read(self.path)

    def data_files(self) -> tuple[Path, ...]:
        """Return the file."""
        return (Path(self.path),)


@dataclass(frozen=True)
class IsingChain(Problem):
    """`-coupling sum Z_q Z_(q+1) - field sum X_q`, the Ising chain in a transverse field.

    Args:
        n_qubits: number of sites.
        coupling: coupling J.
        field: field h; `field = coupling` is the critical point.
        periodic: close the chain to a ring.
    """

    n_qubits: int = 8
    coupling: float = 1.0
    field: float = 1.0
    periodic: bool = False

    def hamiltonian(self) -> Hamiltonian:
        """Return the chain."""
        return Hamiltonian.ising_chain(self.n_qubits, self.coupling, self.field, self.periodic)
