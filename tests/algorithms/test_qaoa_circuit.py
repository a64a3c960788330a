"""The circuit of QAOA against matrices, and what is known of its angles."""

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.linalg import expm

from hqlm.algorithms.graphs import max_cut
from hqlm.algorithms.ising import Ising, all_bits
from hqlm.algorithms.qaoa_circuit import interpolated, qaoa_circuit, ramp
from hqlm.backends import StatevectorBackend
from hqlm.errors import ConfigError

PROBLEM = Ising(3, {0: 0.3}, {(0, 1): 0.7, (1, 2): -1.1})
ANGLES = np.array([0.4, 0.9, -0.3, 0.2])


def on(wire, matrix, n=3):
    parts = [np.eye(2)] * n
    parts[wire] = matrix
    whole = np.eye(1)
    for part in parts:
        whole = np.kron(whole, part)
    return whole


@pytest.mark.parametrize("start", [None, [1, 0, 1]])
def test_states_are_those_of_the_matrices(start):
    circuit = qaoa_circuit(PROBLEM, 2, start, doubt=0.2)
    found = StatevectorBackend().states(circuit, torch.from_numpy(ANGLES))[0].numpy()
    shares = [0.5] * 3 if start is None else [0.8, 0.2, 0.8]
    psi, mixer = np.ones(1), np.zeros((8, 8))
    for wire, c in enumerate(shares):
        psi = np.kron(psi, [np.sqrt(1 - c), np.sqrt(c)])
        off = 2 * np.sqrt(c * (1 - c))  # Egger et al. (2021), the mixer whose ground state is the start
        mixer += on(wire, np.array([[2 * c - 1, -off], [-off, 1 - 2 * c]]))
    energy = np.diag(PROBLEM.energies(all_bits(3)))
    for gamma, beta in ANGLES.reshape(-1, 2):
        psi = expm(-1j * beta * mixer) @ expm(-1j * gamma * energy) @ psi
    assert abs(np.vdot(psi, found)) == pytest.approx(1.0, abs=1e-12)
    values = StatevectorBackend().expectations(circuit, torch.from_numpy(ANGLES))[0].numpy()
    assert values @ list(PROBLEM.terms.values()) == pytest.approx((np.vdot(psi, energy @ psi)).real, abs=1e-12)


def best_ratio(problem, angles, n_layers, start=None):
    """Expected energy at the nearest minimum, as a share of the way from the largest energy to the least."""
    circuit = qaoa_circuit(problem, n_layers, start)
    coefficients = torch.tensor(list(problem.terms.values()), dtype=torch.float64)
    weights = torch.tensor(angles, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=50, line_search_fn="strong_wolfe")

    def energy():
        optimizer.zero_grad()
        found = StatevectorBackend().expectations(circuit, weights)[0] @ coefficients + problem.constant
        found.backward()
        return found

    optimizer.step(energy)
    least, most = problem.extremes
    return (most - energy().item()) / (most - least), weights.detach().numpy()


@pytest.mark.parametrize("seed", range(3))
def test_one_layer_cuts_what_farhi_proved_and_more_layers_cut_more(seed):
    problem = max_cut(nx.random_regular_graph(3, 10, seed=seed))
    angles, ratios = ramp(1), []
    for depth in (1, 2, 3):
        ratio, angles = best_ratio(problem, angles, depth)
        ratios.append(ratio)
        angles = interpolated(angles)
    assert ratios[0] >= 0.6924  # Farhi et al. (2014): of every graph whose nodes have three edges
    assert ratios[0] < ratios[1] < ratios[2]


def test_the_start_is_found_again_at_angles_of_zero():
    circuit = qaoa_circuit(PROBLEM, 1, [1, 0, 0], doubt=0.1)
    psi = StatevectorBackend().states(circuit, torch.zeros(2, dtype=torch.float64))[0].numpy()
    assert abs(psi[4]) ** 2 == pytest.approx(0.9**3)


def test_interpolation_keeps_the_ends_of_a_line():
    np.testing.assert_allclose(interpolated([0.3, 0.8]), [0.3, 0.8, 0.3, 0.8])
    found = interpolated([0.2, 0.6, 0.4, 0.2])
    np.testing.assert_allclose(found, [0.2, 0.6, 0.3, 0.4, 0.4, 0.2])
    np.testing.assert_allclose(ramp(2, step=1.0), [0.25, 0.75, 0.75, 0.25])  # at the middle of each of two steps
    rising = ramp(5)
    assert (np.diff(rising[::2]) > 0).all()
    assert (np.diff(rising[1::2]) < 0).all()


def test_what_cannot_be_a_circuit_is_refused():
    for arguments, message in (((0,), "n_layers"), ((1, [0, 1]), "spins"), ((1, [0, 1, 1], 0.7), "doubt")):
        with pytest.raises(ConfigError, match=message):
            qaoa_circuit(PROBLEM, *arguments)
