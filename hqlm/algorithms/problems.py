"""The slot of problems: recipes of the Hamiltonian whose lowest energy is searched."""

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
    """What a variational algorithm is to solve."""

    @abstractmethod
    @returns("a Hamiltonian", lambda found, self: isinstance(found, Hamiltonian))
    def hamiltonian(self) -> Hamiltonian:
        """The Hamiltonian whose lowest energy is the solution.

        Raises:
            DataError: when there is none, saying why.
        """

    def data_files(self) -> Sequence[Path]:
        """Return the files that are read, so that studies repeat their trials when the content of one changes."""
        return ()


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

    The file maps each string, one letter of `IXYZ` a qubit and qubit 0 first, to its real coefficient; or it has that
    mapping under `terms`, and under `about` a note that is not read. No key may stand there twice. In JSON::

        {"about": {"molecule": "H2"}, "terms": {"II": -0.81, "ZI": 0.17, "IZ": 0.17, "XX": 0.05}}

    Args:
        path: of the file, `.json` for JSON and anything else for YAML.
    """

    paths: ClassVar[tuple[str, ...]] = ("path",)
    path: str

    def hamiltonian(self) -> Hamiltonian:
        """What the file holds."""
        return Hamiltonian.read(self.path)

    def data_files(self) -> tuple[Path, ...]:
        """Return the file."""
        return (Path(self.path),)


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
