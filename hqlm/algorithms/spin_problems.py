"""Problems over spins as recipes, each with a graph or a matrix from the user."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as short
from typing import ClassVar

import networkx as nx
import numpy as np

from hqlm.algorithms.graphs import max_cut, max_independent_set, read_graph, without_directions
from hqlm.algorithms.hamiltonian import Hamiltonian
from hqlm.algorithms.ising import Ising
from hqlm.algorithms.problems import Problem
from hqlm.contracts import returns
from hqlm.errors import ConfigError, HqlmError

Edges = list[list[float | str]]


def _petersen() -> Edges:
    return [[float(node) for node in edge] for edge in nx.petersen_graph().edges]


@dataclass(frozen=True)
class SpinProblem(Problem):
    """An energy of spins; its Hamiltonian consists of I and Z."""

    @abstractmethod
    @returns("an Ising", lambda found, self: isinstance(found, Ising))
    def ising(self) -> Ising:
        """Return the energy.

        Raises:
            ConfigError: if there is none, with the reason.
        """

    def names(self) -> tuple[str, ...]:
        """Return the name of each spin."""
        return tuple(map(str, range(self.ising().n_spins)))

    def hamiltonian(self) -> Hamiltonian:
        """Return the energy as a sum of Pauli strings."""
        ising = self.ising()
        constant = ("I" * ising.n_spins, ising.constant)
        return Hamiltonian((constant, *((string.letters, value) for string, value in ising.terms.items())))


@dataclass(frozen=True)
class GraphProblem(SpinProblem):
    """A problem on the nodes of a graph.

    Args:
        graph: a file (lines `node node [weight]`, node-link JSON or GraphML), or edges `[[0, 1], [1, 2, 0.5]]` between
            nodes by number or name, with or without weights; by default Petersen's graph. In Python also a networkx
            graph, which is stored as its edges.

    Raises:
        ConfigError: for a networkx graph with an isolated node.
    """

    paths: ClassVar[tuple[str, ...]] = ("graph",)
    graph: str | Edges = field(default_factory=_petersen, hash=False)

    def __post_init__(self) -> None:
        if isinstance(self.graph, nx.Graph):
            lonely = list(nx.isolates(self.graph))
            if lonely:
                raise ConfigError(
                    f"node {lonely[0]} of the graph has no edge. Remove it, since it does not depend on the others"
                )
            named = self.graph.edges(data="weight", default=1.0)
            edges = [[*(node if isinstance(node, int) else str(node) for node in ends), w] for *ends, w in named]
            object.__setattr__(self, "graph", edges)

    def names(self) -> tuple[str, ...]:
        """Return the nodes."""
        return tuple(map(str, self.read()))

    def data_files(self) -> tuple[Path, ...]:
        """Return the file of the graph, if it comes from one."""
        return (Path(self.graph),) if isinstance(self.graph, str) else ()

    def read(self) -> nx.Graph:
        """Return the graph.

        Raises:
            ConfigError: for a file or edges that are not a graph, or an edge that is listed twice.
        """
        if isinstance(self.graph, str):
            return read_graph(self.graph)
        if not isinstance(self.graph, list | tuple):
            raise ConfigError(f"problem.graph must be a file or a list of edges, given {short(self.graph)}")
        edges = [_parse_edge(edge) for edge in self.graph]
        graph = nx.MultiGraph()
        nodes = {node for edge in edges for node in edge[:2]}
        graph.add_nodes_from(sorted(nodes, key=lambda node: (isinstance(node, str), node)))  # numbers first
        graph.add_weighted_edges_from(edges)
        return without_directions(graph)


def _parse_edge(edge: list[float | str]) -> tuple[int | str, int | str, float | str]:
    """Return two nodes and a weight."""
    is_list = isinstance(edge, list | tuple) and len(edge) in (2, 3)
    if (
        not is_list
        or any(not isinstance(node, str | int | float) for node in edge[:2])
        or any(not isinstance(node, str) and node % 1 for node in edge[:2])
    ):
        raise ConfigError(f"problem.graph: an edge must be [node, node] or [node, node, weight], given {short(edge)}")
    one, other = (node if isinstance(node, str) else int(node) for node in edge[:2])
    return one, other, edge[2] if len(edge) == 3 else 1.0


@dataclass(frozen=True)
class MaxCut(GraphProblem):
    """Partition of a graph with maximum weight of the edges between its two parts; the energy is minus that weight.

    Args:
        graph: a file, or edges `[[0, 1], [1, 2, 0.5]]`.
    """

    def ising(self) -> Ising:
        """Return the energy, with half the weights as couplings."""
        return max_cut(self.read())


@dataclass(frozen=True)
class MaxIndependentSet(GraphProblem):
    """Largest set of nodes without an edge between two of them; the energy is minus their number.

    Args:
        graph: a file, or edges `[[0, 1], [1, 2]]`.
        penalty: energy of an edge between two chosen nodes, above 1.
    """

    penalty: float = 2.0

    def ising(self) -> Ising:
        """Return the energy, in which chosen nodes have bit 1."""
        return max_independent_set(self.read(), self.penalty)


@dataclass(frozen=True)
class Qubo(SpinProblem):
    """The bits x that minimise `x^T Q x`.

    Args:
        matrix: Q as rows, or a file of numbers that `numpy.loadtxt` reads, separated by commas in a `.csv`.
    """

    paths: ClassVar[tuple[str, ...]] = ("matrix",)
    matrix: str | list[list[float]] = field(default_factory=lambda: [[-1.0, 2.0], [0.0, -1.0]], hash=False)

    def ising(self) -> Ising:
        """Return the energy, with bits as spins."""
        if not isinstance(self.matrix, str):
            try:
                matrix = np.array(self.matrix, dtype=np.float64)
            except (TypeError, ValueError, OverflowError) as err:  # also rows of unequal length
                raise ConfigError(f"problem.matrix is not a matrix of numbers: {err}") from err
            return Ising.from_qubo(matrix)
        try:
            if not Path(self.matrix).is_file():
                raise ConfigError(f"problem.matrix: there is no file {self.matrix}")
            comma = "," if self.matrix.endswith(".csv") else None
            lines = Path(self.matrix).read_text(encoding="utf-8").splitlines()
            matrix = np.loadtxt(lines, ndmin=2, delimiter=comma) if any(map(str.strip, lines)) else np.empty((0, 0))
        except HqlmError:
            raise
        except (OSError, ValueError) as err:
            raise ConfigError(f"problem.matrix: {short(self.matrix)} is not a matrix of numbers: {err}") from err
        return Ising.from_qubo(matrix)


@dataclass(frozen=True)
class IsingTerms(SpinProblem):
    """An Ising energy written out as Pauli strings of I and at most two Z.

    Args:
        terms: coefficient of each string, one letter per spin, spin 0 first: `{ZZI: 0.5, IZI: -1.0}`.
    """

    terms: dict[str, float | str] = field(default_factory=lambda: {"ZZ": 1.0}, hash=False)

    def ising(self) -> Ising:
        """Return the energy, with strings of one Z as fields, of two as couplings.

        Raises:
            ConfigError: for any other string.
        """
        written = Hamiltonian.of(self.terms)
        fields, couplings = {}, {}
        for letters, value in written.terms:
            places = [place for place, letter in enumerate(letters) if letter == "Z"]
            if set(letters) - set("IZ") or len(places) > 2:
                raise ConfigError(
                    f"problem.terms: an Ising energy must consist of I and at most two Z, given {letters}"
                )
            if len(places) == 1:
                fields[places[0]] = value
            elif places:
                couplings[places[0], places[1]] = value
        return Ising(written.n_qubits, fields, couplings, written.constant)
