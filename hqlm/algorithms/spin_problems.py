"""Problems over spins as recipes, each with a graph or a matrix of the user's."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

import networkx as nx
import numpy as np

from hqlm.algorithms.graphs import max_cut, max_independent_set, read_graph
from hqlm.algorithms.hamiltonian import Hamiltonian
from hqlm.algorithms.ising import Ising
from hqlm.algorithms.problems import Problem
from hqlm.errors import ConfigError

Edges = list[list[float]]


def _petersen() -> Edges:
    return [[float(node) for node in edge] for edge in nx.petersen_graph().edges]


@dataclass(frozen=True)
class SpinProblem(Problem):
    """An energy of spins; its Hamiltonian is made of I and Z."""

    @abstractmethod
    def ising(self) -> Ising:
        """The energy.

        Raises:
            ConfigError: when there is none, saying why.
        """

    def names(self) -> tuple[str, ...]:
        """What each spin is called."""
        return tuple(map(str, range(self.ising().n_spins)))

    def hamiltonian(self) -> Hamiltonian:
        """The energy as a sum of Pauli strings."""
        ising = self.ising()
        constant = ("I" * ising.n_spins, ising.constant)
        return Hamiltonian((constant, *((string.letters, value) for string, value in ising.terms.items())))


@dataclass(frozen=True)
class GraphProblem(SpinProblem):
    """A problem on the nodes of a graph.

    Args:
        graph: a file (lines `node node [weight]`, node-link JSON or GraphML), or edges `[[0, 1], [1, 2, 0.5]]` of
            numbered nodes with or without weights; by default Petersen's graph.
    """

    graph: str | Edges = field(default_factory=_petersen, hash=False)

    def names(self) -> tuple[str, ...]:
        """The nodes."""
        return tuple(map(str, self.read()))

    def read(self) -> nx.Graph:
        """The graph.

        Raises:
            ConfigError: for a file or edges that are no graph.
        """
        if isinstance(self.graph, str):
            return read_graph(self.graph)
        graph = nx.Graph()
        graph.add_nodes_from(sorted({int(node) for edge in self.graph for node in edge[:2]}))
        for edge in self.graph:
            if len(edge) not in (2, 3) or not all(float(node).is_integer() for node in edge[:2]):
                raise ConfigError(f"problem.graph: an edge is [node, node] or [node, node, weight], given {edge}")
            graph.add_edge(int(edge[0]), int(edge[1]), weight=float(edge[2]) if len(edge) == 3 else 1.0)
        return graph


@dataclass(frozen=True)
class MaxCut(GraphProblem):
    """Two parts of a graph with as much weight as possible on the edges between them; the energy is minus that weight.

    Args:
        graph: a file, or edges `[[0, 1], [1, 2, 0.5]]`.
    """

    def ising(self) -> Ising:
        """Half the weights as couplings."""
        return max_cut(self.read())


@dataclass(frozen=True)
class MaxIndependentSet(GraphProblem):
    """As many nodes as possible without an edge between two of them; the energy is minus their number.

    Args:
        graph: a file, or edges `[[0, 1], [1, 2]]`.
        penalty: energy of an edge between two chosen nodes, above 1.
    """

    penalty: float = 2.0

    def ising(self) -> Ising:
        """Chosen nodes have bit 1."""
        return max_independent_set(self.read(), self.penalty)


@dataclass(frozen=True)
class Qubo(SpinProblem):
    """The bits x that minimise `x^T Q x`.

    Args:
        matrix: Q as rows, or a file of numbers that `numpy.loadtxt` reads.
    """

    matrix: str | list[list[float]] = field(default_factory=lambda: [[-1.0, 2.0], [0.0, -1.0]], hash=False)

    def ising(self) -> Ising:
        """Bits as spins."""
        if not isinstance(self.matrix, str):
            try:
                return Ising.from_qubo(self.matrix)
            except ValueError as err:  # rows of unequal length
                raise ConfigError(f"problem.matrix: {err}") from err
        if not Path(self.matrix).is_file():
            raise ConfigError(f"problem.matrix: there is no file {self.matrix}")
        try:
            return Ising.from_qubo(np.loadtxt(self.matrix, ndmin=2))
        except ValueError as err:
            raise ConfigError(f"problem.matrix: {self.matrix} is no matrix of numbers: {err}") from err
