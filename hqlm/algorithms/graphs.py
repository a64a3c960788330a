"""Problems on graphs as spins: maximum cut and maximum independent set."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from pathlib import Path
from reprlib import repr as short
from typing import Any

import networkx as nx

from hqlm.algorithms.hamiltonian import LARGEST
from hqlm.algorithms.ising import Ising
from hqlm.errors import ConfigError
from hqlm.files import parse_json


def max_cut(graph: nx.Graph) -> Ising:
    """Return the energy of maximum cut: minus the weight of the edges between the parts; the default weight is 1.

    Raises:
        ConfigError: for a graph without edges or with several components.
    """
    edges = _edges(graph)
    return Ising(len(graph), {}, {pair: weight / 2 for pair, weight in edges.items()}, -sum(edges.values()) / 2)


def max_independent_set(graph: nx.Graph, penalty: float = 2.0) -> Ising:
    """Return minus the number of chosen nodes (bit 1), plus `penalty` for each edge between two chosen ones.

    With a penalty above 1, dropping a node of a violated edge never raises the energy, so the minimum is an
    independent set.

    Raises:
        ConfigError: for a graph without edges or with several components, or a penalty of 1 or less.
    """
    if not penalty > 1.0:
        raise ConfigError(f"penalty must be above 1, so that nodes of an edge are not chosen together; given {penalty}")
    fields, couplings, constant = dict.fromkeys(range(len(graph)), 0.5), {}, -len(graph) / 2
    for i, j in _edges(graph):
        couplings[i, j] = penalty / 4
        fields[i] -= penalty / 4
        fields[j] -= penalty / 4
        constant += penalty / 4
    return Ising(len(graph), fields, couplings, constant)


def is_independent(graph: nx.Graph, bits: Any) -> bool:
    """Return whether no edge joins two nodes of bit 1."""
    return not any(bits[i] and bits[j] for i, j in _edges(graph))


def read_graph(path: str | Path) -> nx.Graph:
    """Read a graph from a file: JSON in networkx's node-link form, GraphML, or lines `node node [weight]`.

    Raises:
        ConfigError: for a file that does not exist or is not such a graph, or an edge that is listed twice.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise FileNotFoundError(path)
        if path.suffix == ".json":
            graph = _node_link_graph(parse_json(path.read_text(encoding="utf-8"), "the file"))
        elif path.suffix == ".graphml":
            graph = nx.read_graphml(path)
        else:
            read = nx.read_weighted_edgelist if _has_weights(path) else partial(nx.read_edgelist, data=False)
            graph = read(path, create_using=nx.MultiGraph)
    except FileNotFoundError as err:
        raise ConfigError(f"there is no graph file {path}") from err
    except (OSError, ValueError, LookupError, TypeError, AttributeError, nx.NetworkXError, SyntaxError) as err:
        raise ConfigError(f"{short(str(path))} is not a graph that networkx can read: {err}") from err
    return without_directions(graph)


def without_directions(graph: nx.Graph) -> nx.Graph:
    """Return the graph without directions: the same nodes and edges, at most one between two nodes.

    Raises:
        ConfigError: if there are two, of which one would be lost.
    """
    times = Counter(frozenset(edge[:2]) for edge in graph.edges)
    for ends, count in times.items():
        if count > 1:
            names = " and ".join(sorted(map(str, ends)))
            raise ConfigError(f"the edge between {names} is listed {count} times. List it once, with its total weight")
    return nx.Graph(graph)


def _node_link_graph(data: Any) -> nx.MultiGraph:
    if not isinstance(data, dict):
        raise ConfigError('it must be a mapping such as {"nodes": [{"id": 0}], "edges": [{"source": 0, "target": 1}]}')
    for key in ("nodes", "edges"):
        if not isinstance(data.get(key), list) or not all(isinstance(item, dict) for item in data[key]):
            raise ConfigError(f"'{key}' must be a list of mappings, given {short(data.get(key))}")
    if not isinstance(data.get("graph", {}), dict):
        raise ConfigError(f"'graph' must be a mapping, given {short(data['graph'])}")
    return nx.node_link_graph(data | {"multigraph": True}, edges="edges")


def _has_weights(path: Path) -> bool:
    lines = (line.split("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines())
    return any(len(words) > 2 for words in lines)


def _edges(graph: nx.Graph) -> dict[tuple[int, int], float]:
    """Return the weights of edges by node indices, in the order of the graph."""
    if not graph.number_of_edges():
        raise ConfigError("the graph has no edges, so there is nothing to decide")
    if not nx.is_connected(graph):
        pieces = nx.number_connected_components(graph)
        raise ConfigError(f"the graph has {pieces} components, which are independent. Solve each on its own")
    place = {node: index for index, node in enumerate(graph)}
    found: dict[tuple[int, int], float] = {}
    for one, other, weight in graph.edges(data="weight", default=1.0):
        if one == other:
            raise ConfigError(f"node {one} has an edge to itself")
        i, j = sorted((place[one], place[other]))
        found[i, j] = found.get((i, j), 0.0) + _finite(one, other, weight)
    return found


def _finite(one: Any, other: Any, weight: Any) -> float:
    try:
        value = float(weight)
    except OverflowError:  # an integer of hundreds of digits
        value = math.inf
    except (TypeError, ValueError):
        value = math.nan
    if not abs(value) <= LARGEST:
        given = f"{value:g}" if isinstance(weight, int | float) else short(weight).strip("'")
        raise ConfigError(
            f"the edge between {one} and {other} has the weight {given}, which is not a finite number up to 1e100"
        )
    return value
