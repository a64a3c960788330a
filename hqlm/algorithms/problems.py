"""The slot of problems: recipes of the Hamiltonian whose lowest energy is searched."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Final

from hqlm.algorithms.hamiltonian import Hamiltonian
from hqlm.contracts import returns
from hqlm.registry import Component, Registry


@dataclass(frozen=True)
class Problem(Component):
    """What a variational algorithm is to solve."""

    @abstractmethod
    @returns("a Hamiltonian", lambda found, self: isinstance(found, Hamiltonian))
    def hamiltonian(self) -> Hamiltonian:
        """The Hamiltonian whose lowest energy is the solution.

        Raises:
            DataError: when there is none, saying why.
        """


PROBLEMS: Final[Registry[Problem]] = Registry(Problem, "problem")  # type: ignore[type-abstract]


@dataclass(frozen=True)
class PauliTerms(Problem):
    """A sum of Pauli strings, written out.

    Args:
        terms: real coefficient of each string, one letter a qubit, qubit 0 first: `{ZZI: 0.5, IXI: -1.0}`.
    """

    terms: dict[str, float | str] = field(default_factory=lambda: {"ZZ": 1.0}, hash=False)

    def hamiltonian(self) -> Hamiltonian:
        """The sum."""
        return Hamiltonian.of(self.terms)


@dataclass(frozen=True)
class HamiltonianFile(Problem):
    """A sum of Pauli strings in a JSON or YAML file.

    Args:
        path: of a mapping of terms, or of one that has it under the key `terms`.
    """

    paths: ClassVar[tuple[str, ...]] = ("path",)
    path: str

    def hamiltonian(self) -> Hamiltonian:
        """What the file holds."""
        return Hamiltonian.read(self.path)


@dataclass(frozen=True)
class IsingChain(Problem):
    """`-coupling sum Z_q Z_(q+1) - field sum X_q`, the Ising chain in a transverse field.

    Args:
        n_qubits: sites.
        coupling: J.
        field: h; `field = coupling` is the critical point.
        periodic: a ring.
    """

    n_qubits: int = 8
    coupling: float = 1.0
    field: float = 1.0
    periodic: bool = False

    def hamiltonian(self) -> Hamiltonian:
        """The chain."""
        return Hamiltonian.ising_chain(self.n_qubits, self.coupling, self.field, self.periodic)
