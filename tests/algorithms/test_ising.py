"""Energies of spins against plain counting, and heuristics against the exact optimum."""

import itertools
import json

import networkx as nx
import numpy as np
import pytest
import torch

from hqlm.algorithms import MaxCut, Qubo
from hqlm.algorithms.graphs import is_independent, max_cut, max_independent_set, read_graph
from hqlm.algorithms.heuristics import goemans_williamson, greedy, local_search
from hqlm.algorithms.ising import Ising, all_bits
from hqlm.backends import StatevectorBackend
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError, DataError

PETERSEN = nx.petersen_graph()
WEIGHTED = nx.Graph()
WEIGHTED.add_weighted_edges_from([("a", "b", 2.0), ("b", "c", -1.0), ("c", "a", 0.5), ("c", "d", 3.0)])


def random_problem(seed, n=7):
    return Ising.from_qubo(np.random.default_rng(seed).normal(size=(n, n)))


@pytest.mark.parametrize("graph", [PETERSEN, WEIGHTED], ids=["petersen", "weighted"])
def test_a_cut_counts_what_networkx_counts(graph):
    bits = all_bits(len(graph))[:: max(1, 2 ** len(graph) // 64)]
    nodes = list(graph)
    sizes = [nx.cut_size(graph, {n for n, bit in zip(nodes, row, strict=True) if bit}, weight="weight") for row in bits]
    np.testing.assert_allclose(max_cut(graph).energies(bits), -np.array(sizes, dtype=float), atol=1e-12)


def test_the_least_energy_of_an_independent_set_is_its_size():
    problem = max_independent_set(PETERSEN)
    assert problem.extremes[0] == pytest.approx(-4.0)  # the independence number of Petersen's graph
    bits = all_bits(10)
    best = bits[problem.energies(bits) < -4.0 + 1e-9]
    assert all(row.sum() == 4 and is_independent(PETERSEN, row) for row in best)
    assert len(best) == 5  # as many as there are


def test_a_qubo_counts_bits():
    q = np.random.default_rng(0).normal(size=(5, 5))
    bits = np.array(list(itertools.product((0, 1), repeat=5)))
    np.testing.assert_allclose(Ising.from_qubo(q).energies(bits), [row @ q @ row for row in bits], atol=1e-12)
    np.testing.assert_array_equal(all_bits(5), bits)


def test_terms_are_the_energy_of_basis_states():
    problem = random_problem(1, n=4)
    values = StatevectorBackend().expectations(
        Circuit(4, (), tuple(problem.terms)), torch.zeros(0, dtype=torch.float64), states=torch.eye(16).double()
    )
    energies = values.numpy() @ np.array(list(problem.terms.values())) + problem.constant
    np.testing.assert_allclose(energies, problem.energies(all_bits(4)), atol=1e-12)


def test_extremes_are_looked_for_among_all_choices():
    signs = {0: -1.0, 1: 1.0, **dict.fromkeys(range(2, 16), -0.5)}  # neither lies among the first or last quarter
    assert Ising(16, signs, {}).extremes == (-9.0, 9.0)


@pytest.mark.parametrize("seed", range(5))
def test_local_search_ends_where_no_flip_helps(seed):
    problem = random_problem(seed)
    start = np.random.default_rng(seed).integers(0, 2, size=(20, 7))
    found = local_search(problem, start)
    energies = problem.energies(found)
    assert (energies <= problem.energies(start) + 1e-12).all()
    for wire in range(7):
        flipped = found.copy()
        flipped[:, wire] ^= 1
        assert (problem.energies(flipped) >= energies - 1e-9).all()


def test_greedy_finds_the_ground_state_of_a_tree():
    tree = max_cut(nx.balanced_tree(2, 3))
    assert tree.energies(greedy(tree)[None])[0] == -14.0
    alone = Ising(3, {0: 1.0, 1: -2.0, 2: 0.5}, {})  # each spin against its field
    assert greedy(alone).tolist() == [1, 0, 1]
    path = Ising(3, {}, {(0, 1): 1.0, (1, 2): 1.0})  # the middle touches most, so it is set first
    assert greedy(path).tolist() == [1, 0, 1]


@pytest.mark.parametrize("seed", range(3))
def test_hyperplanes_cut_on_average_what_was_proved(seed):
    problem = max_cut(nx.random_regular_graph(3, 14, seed=seed))
    best, energies = goemans_williamson(problem, n_cuts=400, seed=seed)
    optimum = problem.extremes[0]
    spread = energies.std() / np.sqrt(len(energies))
    assert energies.mean() <= 0.878 * optimum + 5 * spread
    assert problem.energies(best[None])[0] == energies.min() == optimum


def test_a_field_is_a_coupling_to_a_spin_that_stays_up():
    problem = Ising(3, {0: 1.0, 1: -2.0}, {(1, 2): 1.5})
    best, _ = goemans_williamson(problem)
    assert problem.energies(best[None])[0] == problem.extremes[0] == -4.5
    alone = Ising(3, {0: 1.0, 1: -2.0, 2: 0.5}, {})  # where the relaxation is exact every hyperplane finds the optimum
    assert goemans_williamson(alone)[1] == pytest.approx(-3.5)


def test_hyperplanes_are_those_of_their_seed():
    problem = random_problem(0, n=12)
    one, again, other = (goemans_williamson(problem, n_cuts=20, seed=seed)[1] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_graphs_from_files(tmp_path):
    (tmp_path / "plain.txt").write_text("# a triangle\n1 2\n2 3\n3 1\n")
    (tmp_path / "heavy.txt").write_text("a b 2.0\nb c -1.0\n")
    (tmp_path / "graph.json").write_text(json.dumps(nx.node_link_data(WEIGHTED, edges="edges")))
    nx.write_graphml(WEIGHTED, tmp_path / "graph.graphml")
    assert max_cut(read_graph(tmp_path / "plain.txt")).extremes[0] == -2.0
    assert max_cut(read_graph(tmp_path / "heavy.txt")).extremes[0] == -2.0
    for name in ("graph.json", "graph.graphml"):
        assert max_cut(read_graph(tmp_path / name)).extremes == max_cut(WEIGHTED).extremes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: max_cut(nx.empty_graph(3)), "no edges"),
        (lambda: max_cut(nx.Graph()), "no edges"),
        (lambda: max_cut(nx.Graph([(0, 1), (2, 3)])), "has 2 components"),
        (lambda: max_cut(nx.Graph([(0, 0), (0, 1)])), "edge to itself"),
        (lambda: max_cut(nx.Graph([("a", "b", {"weight": float("nan")})])), "between a and b has the weight nan"),
        (lambda: max_cut(nx.Graph([("a", "b", {"weight": "much"})])), "between a and b has the weight much"),
        (lambda: max_independent_set(PETERSEN, penalty=1.0), "penalty must be above 1"),
        (lambda: Ising.from_qubo(np.ones((2, 3))), "square matrix"),
        (lambda: Ising.from_qubo(np.full((2, 2), np.nan)), "square matrix of finite"),
        (lambda: Ising(2, {}, {}), "no terms"),
        (lambda: Ising(2, {}, {(1, 0): 1.0}), "does not fit 2 spins"),
        (lambda: Ising(2, {}, {(1, 1): 1.0}), "does not fit 2 spins"),
        (lambda: Ising(2, {2: 1.0}, {}), "does not fit 2 spins"),
        (lambda: Ising(2, {1: float("inf")}, {}), "finite"),
        (lambda: Ising(21, {0: 1.0}, {}).extremes, "up to 20 spins"),
        (lambda: read_graph("nowhere.txt"), "no graph file"),
    ],
)
def test_what_is_no_problem_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_file_that_is_no_graph_is_refused(tmp_path):
    for name, text in (("x.json", "{"), ("y.json", "[1]"), ("z.graphml", "<a>"), ("w.txt", "a b c\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match="not a graph that networkx can read"):
            read_graph(tmp_path / name)


def test_an_edge_is_given_once(tmp_path):
    (tmp_path / "plain.txt").write_text("1 2\n2 1\n")
    (tmp_path / "heavy.txt").write_text("1 2 1.5\n2 3 1.0\n1 2 0.5\n")
    twice = nx.MultiGraph([(1, 2), (1, 2)])
    (tmp_path / "graph.json").write_text(json.dumps(nx.node_link_data(twice, edges="edges")))
    unsaid = nx.node_link_data(twice, edges="edges") | {"multigraph": False}
    (tmp_path / "unsaid.json").write_text(json.dumps(unsaid))
    for name in ("plain.txt", "heavy.txt", "graph.json", "unsaid.json"):
        with pytest.raises(ConfigError, match="the edge between 1 and 2 is listed 2 times"):
            read_graph(tmp_path / name)
    for graph in (twice, [[1, 2], [2, 1, 3.0]]):
        with pytest.raises(ConfigError, match="the edge between 1 and 2 is listed 2 times"):
            MaxCut(graph).read()


SCALES = (1e-60, 1e-12, 1e-9, 1.0, 1e12, 1e60)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("constant", [0.0, 1e8])
def test_heuristics_find_the_same_bits_at_every_scale(scale, constant):
    matrix = np.random.default_rng(5).normal(size=(9, 9))
    one, start = Ising.from_qubo(matrix), np.random.default_rng(6).integers(0, 2, size=(20, 9))
    fields, couplings = ({key: value * scale for key, value in each.items()} for each in (one.fields, one.couplings))
    other = Ising(9, fields, couplings, constant * scale)
    np.testing.assert_array_equal(local_search(other, start), local_search(one, start))
    assert (local_search(one, start) != start).any()
    np.testing.assert_array_equal(greedy(other), greedy(one))
    np.testing.assert_array_equal(goemans_williamson(other)[0], goemans_williamson(one)[0])
    np.testing.assert_allclose(np.divide(other.variable_extremes, scale), one.variable_extremes, rtol=1e-12)


def test_local_search_sees_weak_couplings_beside_strong_ones():
    problem = Ising(3, {}, {(0, 1): 1.0, (1, 2): 1e-14})
    assert local_search(problem, [[0, 1, 1]]).tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"graph": 5}', "'nodes' must be a list of mappings, given None"),
        ('{"graph": 5, "nodes": [], "edges": []}', "'graph' must be a mapping, given 5"),
        ('{"graph": [[1, 2, 3]], "nodes": [], "edges": []}', "'graph' must be a mapping"),
        ("5", "it must be a mapping"),
        ("null", "it must be a mapping"),
        ('{"nodes": 5, "edges": []}', "'nodes' must be a list"),
        ('{"nodes": [1], "edges": []}', "'nodes' must be a list of mappings"),
        ('{"nodes": [{"id": 0}], "edges": [[0, 1]]}', "'edges' must be a list of mappings"),
        ('{"nodes": [{"id": {"a": 1}}], "edges": [{"source": {"a": 1}, "target": 1}]}', "unhashable"),
        ("[" * 100_000, "nested too deeply"),
        ('{"nodes": [{"id": "\\ud83d"}], "edges": []}', "surrogate"),
        ('{"nodes": [{"id": ' + "9" * 5_000 + '}], "edges": []}', "more than 4,300 digits"),
    ],
    ids=lambda value: value[:30],
)
def test_malformed_node_link_documents_are_refused(tmp_path, text, message):
    (tmp_path / "g.json").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_graph(tmp_path / "g.json")
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("weight", ["1e308", "9" * 400, "-1e101", "inf"])
def test_weights_of_no_use_are_refused(tmp_path, weight):
    (tmp_path / "g.txt").write_text(f"0 1 {weight}\n1 2 1\n")
    with pytest.raises(ConfigError, match="not a finite number up to 1e100"):
        max_cut(read_graph(tmp_path / "g.txt"))
    with pytest.raises(ConfigError, match="not a finite number up to 1e100"):
        MaxCut([[0, 1, 10**400]]).ising()


@pytest.mark.parametrize("graph", [5, [5], [[0]], [[None, 1]], [[[0], 1]], [[0, float("inf")]], "x" * 5000, "a\0b"])
def test_values_that_are_no_edges_are_refused(graph):
    with pytest.raises(ConfigError):
        MaxCut(graph).ising()


@pytest.mark.parametrize("matrix", [[[10**400]], 5, [], [[]], [["a"]], [[1e308, 1.0], [1.0, 1e308]], "x" * 5000, None])
def test_values_that_are_no_matrices_are_refused(matrix):
    with pytest.raises(ConfigError):
        Qubo(matrix).ising()


def test_problems_too_large_for_a_hamiltonian_are_refused_before_it_is_made():
    with pytest.raises(DataError, match="letters"):
        Ising.from_qubo(np.ones((800, 800)))
