"""QAOA from the command line and from Python, between its classical start and end."""

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch

import hqlm
from hqlm.algorithms import QAOA, IsingTerms, MaxCut, MaxIndependentSet, Qubo
from hqlm.algorithms.heuristics import goemans_williamson, greedy, local_search
from hqlm.algorithms.ising import Ising, all_bits
from hqlm.backends import CirqBackend
from hqlm.errors import ConfigError
from hqlm.execution import Execution, Noise
from hqlm.testing.recipes import assert_is_recipe
from tests.commands.conftest import ROOT, run  # noqa: F401 (a fixture)

EDGES = [[float(node) for node in edge] for edge in nx.random_regular_graph(3, 8, seed=1).edges]
CUT = MaxCut(EDGES)
SPINS = IsingTerms({"ZZI": 0.5, "IZZ": "-1e-1", "IZI": -1.0, "III": 2.0})


def built(**options):
    model = QAOA(**options)
    model.configure_model()
    return model


@pytest.mark.parametrize("problem", [CUT, MaxIndependentSet(EDGES), Qubo(), SPINS], ids=lambda p: type(p).__name__)
def test_the_hamiltonian_is_the_energy_of_the_bits(problem):
    ising = problem.ising()
    values = problem.hamiltonian().moments(torch.eye(2**ising.n_spins, dtype=torch.complex128))[0]
    np.testing.assert_allclose(values, ising.energies(all_bits(ising.n_spins)), atol=1e-10)


def test_the_shipped_configuration_finds_the_largest_cut(run):  # noqa: F811
    quiet = ["--trainer.max_epochs=1", "--trainer.enable_progress_bar=false"]
    assert run("fit", f"--config={ROOT}/hqlm/configs/algorithms/qaoa_maxcut.yaml", *quiet).code == 0
    assert run("test", "--ckpt_path=qaoa_maxcut").code == 0
    folder = Path("runs/qaoa_maxcut/test-1")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert 0.95 < metrics["test/ratio"] < metrics["test/ratio_refined"] == 1.0
    found = json.loads((folder / "solution.json").read_text())
    graph = nx.petersen_graph()
    cut = nx.cut_size(graph, set(map(int, found["chosen"])))
    assert cut == 12 == -found["energy"] == -found["exact"]
    assert hqlm.load("qaoa_maxcut").solution().bits == tuple(found["bits"])


def test_interpolated_angles_start_lower_than_a_ramp():
    ramp, interpolated = (built(problem=CUT, n_layers=3, angles=rule)().item() for rule in ("ramp", "interpolated"))
    assert interpolated < ramp - 0.1


@pytest.mark.parametrize("start", ["greedy", "goemans_williamson"])
def test_a_warm_start_begins_with_the_classical_solution(start):
    model = built(problem=CUT, n_layers=1, start=start, doubt=0.1)
    with torch.no_grad():
        model.quantum.weight.zero_()
    probabilities = model.states()[0].abs().square()
    place = int("".join(map(str, model.start_bits)), 2)
    assert float(probabilities[place]) == pytest.approx(0.9**8, abs=1e-9)


def test_samples_on_another_backend_under_noise_are_refined():
    execution = Execution(shots=40, noise=Noise(two_qubit=0.2, readout=0.1), seed=3)
    found = built(problem=CUT, n_layers=1, backend=CirqBackend(), execution=execution).solution()
    assert found.refined <= found.sampled
    assert found.energy == found.refined == pytest.approx(CUT.ising().energies(np.array([found.bits]))[0])
    assert found.exact <= found.refined


def test_refining_helps_poor_samples():
    model = built(problem=CUT, n_layers=1, samples=3)
    with torch.no_grad():
        model.quantum.weight.zero_()  # uniform bits
    found = model.solution()
    assert found.refined < found.sampled
    model.samples, model.execution = 256, Execution(shots=3)
    assert model.solution().sampled == found.sampled


def test_samples_are_those_of_the_trained_circuit():
    fields = {"".join("Z" if wire == site else "I" for wire in range(6)): 1.0 for site in range(6)}
    model = built(problem=IsingTerms(fields), n_layers=1, samples=1)
    with torch.no_grad():  # each |+> is turned to the equator's Y axis, then to the pole
        model.quantum.weight.copy_(torch.tensor([np.pi / 4, np.pi / 4]))
    energy = model().item()
    assert abs(energy) == pytest.approx(6.0)
    assert model.solution().sampled == pytest.approx(energy)


def test_the_bits_are_those_of_the_least_refined_energy():
    matrix = np.random.default_rng(44).normal(size=(12, 12))
    model = built(problem=Qubo(matrix.tolist()), n_layers=1, samples=40)
    found, ising = model.solution(), model.ising
    assert ising.energies(np.array([found.bits]))[0] == found.energy == found.refined
    assert found.chosen == tuple(str(place) for place, bit in enumerate(found.bits) if bit)
    heuristic = np.stack((greedy(ising), goemans_williamson(ising)[0]))
    assert found.classical == ising.energies(local_search(ising, heuristic)).min() < ising.energies(heuristic).min()


def test_without_entanglement_nothing_is_learned_of_a_cut():
    model = built(problem=CUT, n_layers=2, ablate=["entanglement"])
    assert {len(gate.wires) for gate in model.quantum.circuit.gates} == {1}
    assert model().item() == pytest.approx(-len(EDGES) / 2)  # a random cut, whatever the angles
    assert model.hparams["ablate"] == ["entanglement"]
    with pytest.raises(ConfigError, match="'entanglement' changes nothing"):  # no two spins are coupled
        built(problem=Qubo([[1.0, 0.0], [0.0, -1.0]]), ablate=["entanglement"])
    for words, idle in ((["quantum"], "quantum"), (["entanglement"] * 2, "entanglement")):
        with pytest.raises(ConfigError, match=f"'{idle}' changes nothing"):
            built(problem=CUT, ablate=words)
    with pytest.raises(ConfigError, match="there is no word 'e'"):
        built(problem=CUT, ablate="entanglement")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model.problem.graph=nowhere.txt"], "there is no graph file nowhere.txt"),
        (["--model.problem.graph=[[0, 1], [2, 3]]"], "has 2 components"),
        (["--model.problem.graph=[]"], "no edges"),
        (["--model.problem.graph=[[0]]"], "an edge must be [node, node]"),
        (["--model.problem.graph=[[0, 0.5]]"], "an edge must be [node, node]"),
        (["--model.problem.graph=[[0, 1, .nan]]"], "the edge between 0 and 1 has the weight nan"),
        (["--model.n_layers=0"], "n_layers must be 1 or more"),
        (["--model.samples=0"], "model.samples must be 1 or more"),
        (["--model.start=greedy", "--model.doubt=0"], "doubt must lie above 0"),
        (["--model.problem=Qubo", "--model.problem.matrix=[[1, 2]]"], "square matrix"),
        (["--model.problem=Qubo", "--model.problem.matrix=[[.nan]]"], "a QUBO must be a square matrix of finite"),
        (["--model.problem=Qubo", "--model.problem.matrix=absent.txt"], "there is no file absent.txt"),
        (["--model.problem=IsingChain"], "there is no such class. Known: IsingTerms, MaxCut, MaxIndependentSet, Qubo"),
        (["--model.problem=IsingTerms", "--model.problem.terms={ZZZ: 1}"], "at most two Z, given ZZZ"),
        (["--model.problem=IsingTerms", "--model.problem.terms={ZX: 1}"], "at most two Z, given ZX"),
        (["--data=ReviewsData"], "reads no data"),
    ],
)
def test_mistakes_are_named(run, flags, message):  # noqa: F811
    result = run("fit", "--model=QAOA", *flags, "--trainer.fast_dev_run=true", "--trainer.enable_progress_bar=false")
    assert result.code == 2
    assert message in " ".join(result.err.split())


def test_nodes_keep_their_names(tmp_path):
    (tmp_path / "edges.txt").write_text("oslo rome 5\nrome bonn 1\noslo bonn 1\n")
    found = built(problem=MaxCut(str(tmp_path / "edges.txt")), n_layers=1).solution()
    assert set(found.chosen) in ({"oslo"}, {"rome"}, {"oslo", "bonn"}, {"rome", "bonn"})
    assert found.energy == found.exact == -6.0


def test_edges_name_nodes_in_the_order_of_numbers_then_of_words():
    problem = MaxCut([[10, "a", 2.5], [2, 10]])
    assert problem.names() == ("2", "10", "a")
    assert problem.ising().couplings == {(1, 2): 1.25, (0, 1): 0.5}
    assert MaxCut(nx.path_graph(3)).ising().couplings == {(0, 1): 0.5, (1, 2): 0.5}  # of weight 1


def test_graphs_of_networkx_keep_their_nodes_and_weights():
    graph = nx.Graph()
    graph.add_weighted_edges_from([("oslo", "rome", 5), (3, "bonn", 1), ("oslo", "bonn", 1), (3, 1, 2)])
    problem = MaxCut(graph)
    assert problem.names() == ("1", "3", "bonn", "oslo", "rome")
    assert nx.utils.graphs_equal(problem.read(), graph)
    assert_is_recipe(problem)
    graph.add_node("cork")
    with pytest.raises(ConfigError, match="node cork of the graph has no edge"):
        MaxCut(graph)


@pytest.mark.parametrize(("name", "comma"), [("q.txt", " "), ("q.csv", ",")])
def test_a_matrix_is_read_from_a_file(tmp_path, name, comma):
    matrix = np.array([[-1.0, 2.0], [0.5, -3.0]])
    np.savetxt(tmp_path / name, matrix, delimiter=comma)
    assert Qubo(str(tmp_path / name)).ising() == Qubo(matrix.tolist()).ising()


def test_terms_name_spins_from_the_left():
    assert SPINS.ising() == Ising(3, {1: -1.0}, {(0, 1): 0.5, (1, 2): -0.1}, 2.0)
    assert dict(SPINS.hamiltonian().terms) == {"ZZI": 0.5, "IZZ": -0.1, "IZI": -1.0, "III": 2.0}


def test_a_matrix_of_unequal_rows_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"problem\.matrix"):
        Qubo([[1.0], [1.0, 2.0]]).ising()
    (tmp_path / "q.txt").write_text("1 x\n")
    with pytest.raises(ConfigError, match="not a matrix of numbers"):
        Qubo(str(tmp_path / "q.txt")).ising()


@pytest.mark.parametrize("angles", ["ramp", "interpolated"])
def test_circuit_and_solution_are_the_same_at_every_scale(angles):
    found = []
    for scale in (1.0, 1e-12, 1e12):
        edges = [[0, 1, scale], [1, 2, 2.0 * scale], [2, 3, scale], [3, 0, scale], [0, 2, scale]]
        model = built(problem=MaxCut(edges), n_layers=2, angles=angles)
        solution = model.solution()
        energies = [float(model().detach()), solution.energy, solution.sampled, solution.classical, solution.exact]
        found.append(np.divide(energies, scale))
    np.testing.assert_allclose(found, found[:1] * 3, rtol=1e-6)


def test_ratios_survive_a_large_constant(run):  # noqa: F811
    for name, constant in (("zero", 0), ("large", 1e16)):
        problem = json.dumps({"ZZI": 0.5, "IZZ": -0.1, "IZI": -1.0, "III": constant})
        flags = ["--model.problem=IsingTerms", f"--model.problem.terms={problem}", "--trainer.accelerator=cpu"]
        quiet = ["--trainer.max_epochs=1", "--trainer.enable_progress_bar=false", f"--name={name}"]
        assert run("fit", "--model=QAOA", *flags, *quiet).code == 0
        assert run("test", f"--ckpt_path={name}").code == 0
    zero, large = (json.loads(Path(f"runs/{name}/test-1/metrics.json").read_text()) for name in ("zero", "large"))
    ratios = [name for name in zero if "ratio" in name]
    assert len(ratios) == 4
    assert [large[name] for name in ratios] == pytest.approx([zero[name] for name in ratios], rel=1e-6)


def test_graphs_whose_states_do_not_fit_are_refused_before_they_start(run):  # noqa: F811
    Path("many.txt").write_text("\n".join(f"{one} {other}" for one, other in nx.random_regular_graph(3, 60, 0).edges))
    result = run("fit", "--model=QAOA", "--model.problem.graph=many.txt")
    assert result.code == 2
    assert "60 qubits take" in result.err
    Path("more.txt").write_text("\n".join(f"{one} {one + 1}" for one in range(2_000)))
    result = run("fit", "--model=QAOA", "--model.problem.graph=more.txt")
    assert result.code == 2
    assert "2001 qubits take" in result.err


def test_a_test_says_why_there_are_no_ratios(run, caplog):  # noqa: F811
    edges = json.dumps([[one, one + 1] for one in range(20)])
    flags = [f"--model.problem.graph={edges}", "--model.n_layers=1", "--model.steps_per_epoch=1", "--name=large"]
    assert run("fit", "--model=QAOA", *flags, "--trainer.max_epochs=1", "--trainer.enable_progress_bar=false").code == 0
    assert run("test", "--ckpt_path=large").code == 0
    assert "all 2^21 choices" in caplog.text
