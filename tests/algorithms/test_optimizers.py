"""Metric, trigonometric minima and descent directions against PennyLane, finite differences and closed forms."""

import numpy as np
import pytest
import torch

from hqlm.algorithms import SPSA, QuantumNaturalGradient, Rotosolve, SciPyOptimizer
from hqlm.algorithms.optimizers import metric_tensor
from hqlm.algorithms.optimizers.natural_gradient import weight_layers
from hqlm.backends import StatevectorBackend
from hqlm.circuits import Circuit, Gate, HardwareEfficientAnsatz, PauliString, UCCSDAnsatz, Weight
from hqlm.errors import ConfigError

SHARED = Circuit(
    2,
    (
        Gate("RX", (0,), Weight(0)),
        Gate("RY", (1,), Weight(1, 0.5)),
        Gate("CRX", (0, 1), Weight(2, 1.5)),
        Gate("RXX", (0, 1), Weight(0, 2.0)),
        Gate("RY", (0,), Weight(1)),
    ),
    (PauliString("ZX"),),
)


def weights_of(circuit, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.nn.Parameter(torch.rand(circuit.n_weights, generator=draw, dtype=torch.float64) * 2.0 - 1.0)


def energy_of(circuit, weights):
    def closure():
        energy = StatevectorBackend().expectations(circuit, weights)[0, 0]
        if torch.is_grad_enabled():
            weights.grad = None
            energy.backward()
        return energy.detach()

    return closure


@pytest.mark.parametrize("circuit", [SHARED, Circuit(4, UCCSDAnsatz(2).gates(4, 1), ())], ids=["shared", "uccsd"])
def test_the_metric_is_that_of_finite_differences(circuit):
    weights = weights_of(circuit).detach()
    states = torch.stack([StatevectorBackend().states(circuit, weights + step)[0] for step in steps(len(weights))])
    slopes = (states[: len(weights)] - states[len(weights) :]) / 2e-5
    along = slopes @ StatevectorBackend().states(circuit, weights)[0].conj()
    expected = (slopes.conj() @ slopes.T - torch.outer(along.conj(), along)).real
    torch.testing.assert_close(metric_tensor(circuit, weights), expected, atol=1e-8, rtol=0.0)


def steps(n):
    return torch.cat((1e-5 * torch.eye(n, dtype=torch.float64), -1e-5 * torch.eye(n, dtype=torch.float64)))


@pytest.mark.parametrize("rotations", [("RY",), ("RY", "RZ")])
def test_metric_and_blocks_are_those_of_pennylane(rotations):
    import pennylane as qml

    circuit = Circuit(3, HardwareEfficientAnsatz(rotations).gates(3, 2), ())
    weights = weights_of(circuit).detach()

    @qml.qnode(qml.device("default.qubit", wires=4), diff_method="parameter-shift")
    def node(w):
        for gate in circuit.gates:
            parameters = () if gate.angle is None else (w[gate.angle.index],)
            getattr(qml, gate.name)(*parameters, wires=gate.wires)
        return qml.expval(qml.Z(0))

    point = qml.numpy.array(weights.numpy(), requires_grad=True)
    metric = metric_tensor(circuit, weights).numpy()
    np.testing.assert_allclose(metric, qml.metric_tensor(node)(point), atol=1e-10)
    if len(rotations) > 1:
        return  # PennyLane's blocks follow the order in which gates of other qubits are written
    layers = np.array(weight_layers(circuit))
    blocks = metric * (layers[:, None] == layers[None, :])
    np.testing.assert_allclose(blocks, qml.metric_tensor(node, approx="block-diag")(point), atol=1e-10)


def test_a_weight_of_two_gates_belongs_to_the_layer_of_the_first():
    gates = (Gate("RX", (0,), Weight(0)), Gate("RY", (0,), Weight(1)), Gate("RX", (0,), Weight(0)))
    assert weight_layers(Circuit(1, gates, ())) == [1, 2]


def test_a_natural_step_solves_with_the_metric():
    weights = weights_of(SHARED)
    energy_of(SHARED, weights)()
    metric = metric_tensor(SHARED, weights.detach()) + 0.1 * torch.eye(3, dtype=torch.float64)
    expected = weights.detach() - 0.2 * torch.linalg.solve(metric, weights.grad)
    optimizer = QuantumNaturalGradient([weights], lr=0.2, damping=0.1)
    optimizer.attach(SHARED)
    optimizer.step(energy_of(SHARED, weights))
    torch.testing.assert_close(weights.detach(), expected)


def test_blocks_change_the_step():
    circuit, found = Circuit(3, HardwareEfficientAnsatz(("RY",)).gates(3, 2), (PauliString("ZXX"),)), []
    for metric in ("full", "block_diagonal"):
        weights = weights_of(circuit)
        optimizer = QuantumNaturalGradient([weights], metric=metric)
        optimizer.attach(circuit)
        optimizer.step(energy_of(circuit, weights))
        found.append(weights.detach())
    assert (found[0] - found[1]).abs().max() > 1e-4


@pytest.mark.parametrize("place", range(3))
def test_rotosolve_finds_the_lowest_point_along_a_weight(place):
    weights = weights_of(SHARED)
    optimizer = Rotosolve([weights])
    optimizer.attach(SHARED)
    optimizer._waves = [wave if at == place else (1.0, 0) for at, wave in enumerate(optimizer._waves)]
    lowest = optimizer.step(energy_of(SHARED, weights))
    with torch.no_grad():
        assert float(lowest) == pytest.approx(float(energy_of(SHARED, weights)()), abs=1e-12)
        along = []
        for value in np.linspace(-2.0 * np.pi, 2.0 * np.pi, 2001):
            weights[place] = value
            along.append(float(energy_of(SHARED, weights)()))
    assert min(along) - 1e-12 <= float(lowest) + 1e-4
    assert float(lowest) <= min(along) + 1e-12


def test_rotosolve_asks_three_values_of_a_weight_with_one_gate():
    circuit, calls = Circuit(2, HardwareEfficientAnsatz(("RY",)).gates(2, 1), (PauliString("ZZ"),)), []
    weights = weights_of(circuit)
    optimizer = Rotosolve([weights])
    optimizer.attach(circuit)

    def closure():
        calls.append(torch.is_grad_enabled())
        return energy_of(circuit, weights)()

    assert float(optimizer.step(closure)) == pytest.approx(-1.0)
    assert calls == [False] * 6


def at_two_frequencies(scale):
    return Circuit(1, (Gate("RX", (0,), Weight(0)), Gate("RY", (0,), Weight(0, scale))), (PauliString("Z"),))


def test_rotosolve_knows_frequencies_that_are_no_multiples_of_one_another():
    circuit = at_two_frequencies(0.3)  # the energy is cos(w) cos(0.3 w)
    weights = weights_of(circuit)
    optimizer = Rotosolve([weights])
    optimizer.attach(circuit)
    assert optimizer._waves == [(pytest.approx(0.1), 13)]
    assert float(optimizer.step(energy_of(circuit, weights))) == pytest.approx(-1.0)
    assert float(energy_of(circuit, weights)().detach()) == pytest.approx(-1.0)


def test_rotosolve_leaves_a_weight_that_turns_nothing():
    gates = (Gate("RY", (0,), Weight(0, 0.0)), Gate("RY", (0,), Weight(1)))
    circuit = Circuit(1, gates, (PauliString("Z"),))
    weights = weights_of(circuit)
    first, optimizer = weights.detach()[0].item(), Rotosolve([weights])
    optimizer.attach(circuit)
    assert float(optimizer.step(energy_of(circuit, weights))) == pytest.approx(-1.0)
    assert weights.detach()[0].item() == first


def test_rotosolve_refuses_frequencies_without_a_common_unit():
    circuit = at_two_frequencies(2.0**0.5)
    with pytest.raises(ConfigError, match=r"weight 0 .* without a common unit"):
        Rotosolve([weights_of(circuit)]).attach(circuit)


def test_steps_of_spsa_are_its_formula():
    weights = torch.nn.Parameter(torch.tensor([0.3, -0.2], dtype=torch.float64))
    start, seen = weights.detach().clone(), []

    def closure():
        seen.append(weights.detach().clone())
        return (weights**2).sum().detach()

    optimizer = SPSA([weights], lr=0.5, perturbation=0.1, stability=3.0, seed=4)
    for k in (1, 2, 3):
        optimizer.step(closure)
        one, other = seen[-2:]
        reach = 0.1 / k**0.101
        signs = (one - start) / reach
        torch.testing.assert_close(signs.abs(), torch.ones(2, dtype=torch.float64))
        torch.testing.assert_close(other, start - reach * signs)
        slope = ((one**2).sum() - (other**2).sum()) / (2.0 * reach)
        torch.testing.assert_close(weights.detach(), start - 0.5 / (k + 3.0) ** 0.602 * slope * signs)
        start = weights.detach().clone()


def test_spsa_looks_where_its_seed_says():
    ends = []
    for seed in (1, 1, 2):
        weights = torch.nn.Parameter(torch.arange(12.0))
        SPSA([weights], seed=seed).step(lambda weights=weights: (weights**2).sum().detach())
        ends.append(weights.detach().clone())
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_spsa_goes_on_with_other_directions_after_a_checkpoint():
    def moved(optimizer, weights, count):
        for _ in range(count):
            optimizer.step(lambda: (weights**2).sum().detach())
        return weights.detach().clone()

    whole = torch.nn.Parameter(torch.ones(5))
    expected = moved(SPSA([whole]), whole, 4)
    half = torch.nn.Parameter(torch.ones(5))
    first = SPSA([half])
    moved(first, half, 2)
    second = SPSA([half])
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(moved(second, half, 2), expected)


@pytest.mark.parametrize(("method", "gradients"), [("COBYLA", False), ("L-BFGS-B", True)])
def test_scipy_minimises_and_takes_gradients_only_where_it_uses_them(method, gradients):
    weights, asked = weights_of(SHARED), set()

    def closure():
        asked.add(torch.is_grad_enabled())
        return energy_of(SHARED, weights)()

    found = SciPyOptimizer([weights], method=method).step(closure)
    assert asked == {gradients}
    assert float(found) == pytest.approx(float(energy_of(SHARED, weights)()), abs=1e-12)
    assert float(weights.grad.abs().max()) < 1e-3


def test_scipy_ends_after_its_iterations_at_the_best_point_that_it_has_seen():
    weights, seen = weights_of(SHARED), []

    def closure():
        seen.append(energy_of(SHARED, weights)().detach())
        return seen[-1]

    found = SciPyOptimizer([weights], max_iterations=9).step(closure)
    assert len(seen) <= 9
    assert found == min(seen) < seen[-1]
    assert float(found) == pytest.approx(float(energy_of(SHARED, weights)()), abs=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: SPSA(p, perturbation=0.0),
        lambda p: SPSA(p, seed=-1),
        lambda p: SciPyOptimizer(p, tolerance=0.0),
        lambda p: QuantumNaturalGradient(p, lr=-1.0),
        lambda p: Rotosolve([*p, torch.nn.Parameter(torch.zeros(1))]),
    ],
)
def test_settings_that_cannot_be_are_refused(make):
    with pytest.raises(ConfigError):
        make([torch.nn.Parameter(torch.zeros(1))])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("optimizer", "name"),
    [
        (SPSA, "lr"),
        (SPSA, "perturbation"),
        (SPSA, "stability"),
        (QuantumNaturalGradient, "lr"),
        (QuantumNaturalGradient, "damping"),
        (SciPyOptimizer, "tolerance"),
        (SciPyOptimizer, "max_iterations"),
    ],
)
def test_settings_that_are_no_numbers_are_refused(optimizer, name, value):
    with pytest.raises(ConfigError):
        optimizer([torch.nn.Parameter(torch.zeros(1))], **{name: value})


def test_frequencies_with_a_large_ratio_have_a_common_unit():
    weights = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    gates = (Gate("RX", (0,), Weight(0, 0.1)), Gate("RX", (0,), Weight(0, 0.1 * 3e7)))
    Rotosolve([weights]).attach(Circuit(1, gates, (PauliString("Z"),)))
