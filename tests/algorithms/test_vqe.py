"""Energies against exact diagonalisation and PennyLane, with every optimiser; what cannot run is refused."""

import functools
import math

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything

from hqlm.algorithms import (
    SPSA,
    VQE,
    HamiltonianFile,
    IsingChain,
    PauliTerms,
    QuantumNaturalGradient,
    Rotosolve,
    SciPyOptimizer,
)
from hqlm.backends import PennyLaneBackend
from hqlm.circuits import BrickWallAnsatz, HardwareEfficientAnsatz, RingAnsatz, UCCSDAnsatz
from hqlm.data import ReviewsData
from hqlm.errors import ConfigError, TrainingError, UnsupportedExecution
from hqlm.execution import Execution, Noise
from tests.commands.conftest import ROOT

HARTREE = 1.6e-3  # chemical accuracy
H2 = HamiltonianFile(str(ROOT / "hqlm/configs/algorithms/h2.json"))
LIH = HamiltonianFile(str(ROOT / "hqlm/configs/algorithms/lih.json"))
PAIRS = functools.partial(VQE, H2, UCCSDAnsatz(2), n_layers=1, initial_bits="1100", spread=0.0)
OPTIMIZERS = {
    "adam": (functools.partial(torch.optim.Adam, lr=0.1), 40),
    "lbfgs": (torch.optim.LBFGS, 2),
    "natural": (functools.partial(QuantumNaturalGradient, lr=0.5), 8),
    "blocks": (functools.partial(QuantumNaturalGradient, lr=0.5, metric="block_diagonal"), 8),
    "spsa": (functools.partial(SPSA, lr=0.5), 80),
    "rotosolve": (Rotosolve, 2),
    "cobyla": (SciPyOptimizer, 1),
    "l-bfgs-b": (functools.partial(SciPyOptimizer, method="L-BFGS-B"), 1),
}


def train(model, steps):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = Trainer(max_steps=steps, enable_checkpointing=False, num_sanity_val_steps=0, **quiet)
    trainer.fit(model)
    return {name: float(value) for name, value in model.assess().items()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_takes_hydrogen_to_chemical_accuracy(name):
    optimizer, steps = OPTIMIZERS[name]
    found = train(PAIRS(optimizer=optimizer, steps_per_epoch=steps), steps)
    assert 0.0 <= found["error"] < HARTREE
    assert found["fidelity"] > 0.998
    assert 0.0 <= found["variance"] < 1e-2


def test_hydrogen_by_a_hardware_efficient_ansatz():
    seed_everything(0, verbose=False)
    ansatz = HardwareEfficientAnsatz(("RY",))
    model = VQE(H2, ansatz, n_layers=3, initial_bits="1100", spread=0.3, optimizer=Rotosolve, steps_per_epoch=5)
    assert train(model, 5)["error"] < HARTREE


@pytest.mark.slow
def test_lithium_hydride_reaches_chemical_accuracy():
    model = VQE(LIH, UCCSDAnsatz(2), n_layers=1, initial_bits="1100000000", spread=0.0, steps_per_epoch=1,
                optimizer=functools.partial(SciPyOptimizer, method="L-BFGS-B"))  # fmt: skip
    found = train(model, 1)
    assert 0.0 <= found["error"] < HARTREE
    assert found["fidelity"] > 0.999


def ising(n_qubits, n_layers, seed):
    seed_everything(seed, verbose=False)
    optimizer = functools.partial(SciPyOptimizer, method="L-BFGS-B", max_iterations=2000, tolerance=1e-10)
    settings = {"spread": math.pi, "optimizer": optimizer, "steps_per_epoch": 1}
    model = VQE(IsingChain(n_qubits), BrickWallAnsatz(), n_layers, **settings)
    return train(model, 1)["error"] / abs(model.hamiltonian.ground.energy)


def test_a_short_ising_chain_comes_within_a_thousandth():
    assert 0.0 <= ising(8, 5, seed=1) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("n_qubits", "seed"), [(12, 0), (14, 1), (14, 2)])
def test_a_long_ising_chain_comes_within_a_thousandth(n_qubits, seed):
    assert 0.0 <= ising(n_qubits, 8, seed) < 1e-3


@pytest.mark.parametrize(("problem", "ansatz"), [(H2, UCCSDAnsatz(2)), (IsingChain(5), RingAnsatz(2))], ids=repr)
def test_energy_and_gradient_are_those_of_pennylane(problem, ansatz):
    import pennylane as qml

    bits = "11".ljust(problem.hamiltonian().n_qubits, "0")
    model = VQE(problem, ansatz, initial_bits=bits, spread=1.0)
    model.configure_model()
    energy = model()
    energy.backward()
    circuit, n_qubits = model.quantum.circuit, len(bits)

    @qml.qnode(qml.device("default.qubit", wires=n_qubits), interface="torch", diff_method="backprop")
    def node(weights):
        for gate in circuit.gates:
            name = {"SXDG": "SX", "SDG": "S"}.get(gate.name, gate.name)
            angles = () if gate.angle is None else (gate.angle.scale * weights[gate.angle.index],)
            kind = {"X": qml.X, "H": qml.Hadamard}.get(name) or getattr(qml, name)
            qml.adjoint(kind)(wires=gate.wires) if name != gate.name else kind(*angles, wires=gate.wires)
        words = [(qml.pauli.string_to_pauli_word(word), value) for word, value in problem.hamiltonian().terms]
        return qml.expval(qml.dot([value for _, value in words], [word for word, _ in words]))

    weights = model.quantum.weight.detach().clone().requires_grad_()
    expected = node(weights)
    expected.backward()
    torch.testing.assert_close(energy, expected, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(model.quantum.weight.grad, weights.grad, atol=1e-6, rtol=0.0)


def test_another_backend_and_noise_raise_or_keep_the_energy():
    exact, elsewhere = PAIRS(), PAIRS(backend=PennyLaneBackend())
    noisy = PAIRS(execution=Execution(noise=Noise(two_qubit=0.01)))
    energies = []
    for model in (exact, elsewhere, noisy):
        model.configure_model()
        energies.append(float(model.assess()["energy"]))
    assert energies[1] == pytest.approx(energies[0], abs=1e-9)
    assert energies[2] > energies[0] + 0.01


def test_shots_measure_the_energy_and_every_step_anew():
    model = PAIRS(execution=Execution(shots=2000, seed=3))
    model.configure_model()
    with torch.no_grad():
        energies = [float(model()) for _ in range(4)]
    exact = PAIRS()
    exact.configure_model()
    assert len(set(energies)) == 4
    assert sum(energies) / 4 == pytest.approx(float(exact().detach()), abs=0.03)
    found = train(PAIRS(execution=Execution(shots=2000), optimizer=functools.partial(SPSA, lr=0.5)), 40)
    assert found["fidelity"] > 0.98


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"initial_bits": "11"}, ConfigError, "has 2 bits, but the Hamiltonian has 4 qubits"),
        ({"problem": PauliTerms({"II": 1.0}), "initial_bits": ""}, ConfigError, "other than the identity"),
        ({"n_layers": 0}, ConfigError, "Raise model.n_layers"),
        ({"problem": IsingChain(60), "ansatz": RingAnsatz(), "initial_bits": ""}, UnsupportedExecution, "60 qubits"),
    ],
)
def test_what_cannot_be_built_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        VQE(**{"problem": H2, "ansatz": HardwareEfficientAnsatz(), "initial_bits": "1100", **options}).configure_model()


def test_weights_start_evenly_around_zero():
    weights = VQE(spread=0.5).initial_weights(1000)
    assert weights.abs().max() < 0.5
    assert abs(weights.mean()) < 5 * 0.5 / math.sqrt(3 * 1000)


@pytest.mark.parametrize("options", [{"initial_bits": "12"}, {"spread": -1.0}, {"steps_per_epoch": 0}])
def test_settings_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match=f"model.{next(iter(options))}"):
        VQE(**options)


def test_ablation_removes_entanglement_or_says_that_it_changes_nothing():
    whole, product = VQE(IsingChain(3)), VQE(IsingChain(3), ablate=["entanglement"])
    assert {gate.name for gate in whole.circuit().gates} - {gate.name for gate in product.circuit().gates} == {"CNOT"}
    assert product.hparams["ablate"] == ["entanglement"]
    for words in (["long_range"], ["entanglement", "entanglement"]):
        with pytest.raises(ConfigError, match="changes nothing"):
            VQE(IsingChain(3), ablate=words)


def test_a_weight_that_is_not_finite_ends_the_training():
    model = PAIRS()
    model.configure_model()
    with torch.no_grad():
        model.quantum.weight[0] = float("nan")
    with pytest.raises(TrainingError, match="a weight is not finite"):
        train(model, 1)


def test_a_step_that_is_too_long_ends_the_training():
    with pytest.raises(TrainingError, match="not finite"):
        train(PAIRS(optimizer=functools.partial(torch.optim.SGD, lr=float("inf"))), 2)


def test_a_schedule_moves_the_learning_rate_and_needs_one():
    model = PAIRS(optimizer=functools.partial(torch.optim.Adam, lr=0.1), schedule="cosine", steps_per_epoch=10)
    train(model, 10)
    assert len(model.train_dataloader()) == 10
    assert model.optimizers(use_pl_optimizer=False).param_groups[0]["lr"] < 1e-6
    with pytest.raises(ConfigError, match="Rotosolve has no learning rate"):
        train(PAIRS(optimizer=Rotosolve, schedule="cosine"), 1)


def test_a_data_set_is_refused():
    trainer = Trainer(max_steps=1, logger=False, accelerator="cpu", enable_checkpointing=False)
    with pytest.raises(ConfigError, match="Leave --data=ReviewsData out"):
        trainer.fit(PAIRS(), datamodule=ReviewsData(limit_train=8, limit_val=8))


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [
        (functools.partial(torch.optim.Adam, lr=0.05), 8),
        (functools.partial(torch.optim.LBFGS, line_search_fn="strong_wolfe"), 2),
        (functools.partial(SciPyOptimizer, method="L-BFGS-B"), 1),
        (Rotosolve, 2),
    ],
    ids=["adam", "lbfgs", "l-bfgs-b", "rotosolve"],
)
def test_training_is_the_same_at_every_scale_and_zero_of_energy(optimizer, steps):
    found = []
    for scale, constant in ((1.0, 0.0), (1.0, 1e8), (1e-12, 0.0), (1e12, 1e20)):
        seed_everything(1, verbose=False)
        terms = dict(IsingChain(3, scale, 0.7 * scale).hamiltonian().terms) | {"III": constant}
        model = VQE(PauliTerms(terms), BrickWallAnsatz(), 2, spread=1.0, optimizer=optimizer, steps_per_epoch=steps)
        result = train(model, steps)
        found.append([result["error"] / scale, result["variance"] / scale**2, result["fidelity"]])
        assert result["error"] > 0.0
    torch.testing.assert_close(torch.tensor(found), torch.tensor(found[:1] * 4), rtol=1e-4, atol=1e-7)


def test_a_hamiltonian_of_zeros_is_refused():
    with pytest.raises(ConfigError, match="other than 0"):
        VQE(PauliTerms({"ZZ": 0.0, "II": 3.0})).configure_model()
