import copy
import pickle

import pytest
import torch

from hqlm.backends import StatevectorBackend
from hqlm.circuits import Circuit, Gate, Input, PauliString, RepeatedUpload, RingAnsatz, Weight
from hqlm.errors import UnsupportedExecution
from hqlm.execution import Execution
from hqlm.layer import QuantumLayer, circuits

CIRCUIT = RepeatedUpload().circuit(3, 1, RingAnsatz(), [PauliString("ZII"), PauliString("IZI")])
X = torch.linspace(-1.0, 1.0, 12).view(4, 3)


def layer(execution=Execution(), circuit=CIRCUIT, **options):
    torch.manual_seed(0)
    return QuantumLayer(circuit, StatevectorBackend(), execution, **options)


def test_readout_of_one_rotation_is_its_cosine():
    circuit = Circuit(1, (Gate("RY", (0,), Weight(0)), Gate("RY", (0,), Input(0, 2.0))), (PauliString("Z"),))
    module = layer(circuit=circuit)
    x = torch.tensor([[0.3], [-0.7]])
    torch.testing.assert_close(module(x), torch.cos(module.weight + 2.0 * x))


def test_a_gradient_by_perturbation_has_the_step_of_the_execution():
    circuit = Circuit(1, (Gate("RY", (0,), Weight(0)),), (PauliString("Z"),))
    module = layer(Execution(gradient="spsa", spsa_step=1.0), circuit)
    module().sum().backward()  # (cos(w + 1) - cos(w - 1)) / 2, whatever the sign that is drawn
    torch.testing.assert_close(module.weight.grad, -torch.sin(module.weight.detach()) * torch.sin(torch.tensor(1.0)))


def test_trainable_scale_multiplies_inputs_and_gets_a_gradient():
    module = layer(trainable_scale=True)
    plain = layer()
    assert torch.equal(module(X), plain(X))
    with torch.no_grad():
        module.scale.mul_(0.5)
    torch.testing.assert_close(module(X), plain(X * 0.5))
    module(X).sum().backward()
    assert (module.scale.grad != 0).all()


def test_initial_weights_follow_the_global_seed():
    torch.manual_seed(1)
    first = QuantumLayer(CIRCUIT, StatevectorBackend()).weight
    torch.manual_seed(1)
    assert torch.equal(first, QuantumLayer(CIRCUIT, StatevectorBackend()).weight)
    assert first.abs().max() <= torch.pi
    assert first.std() > 1.0


def test_training_forwards_measure_with_seeds_of_their_own():
    module = layer(Execution(shots=50, seed=3))
    assert not torch.equal(module(X), module(X))


def test_every_evaluation_repeats_itself():
    module = layer(Execution(shots=50, seed=3))
    module.eval()
    first = [module(X), module(X)]
    module.train()
    module(X)
    module.eval()
    again = [module(X), module(X)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], layer(Execution(shots=50, seed=3))(X))  # what a first training forward measures


def test_a_resumed_layer_goes_on_where_it_stopped():
    whole = layer(Execution(shots=50, seed=3))
    values = [whole(X) for _ in range(3)]
    stopped = layer(Execution(shots=50, seed=3))
    stopped(X)
    resumed = layer(Execution(shots=50, seed=3))
    resumed.load_state_dict(stopped.state_dict())
    assert torch.equal(resumed(X), values[1])


def test_seed_none_takes_the_seed_of_torch():
    outputs = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        module = QuantumLayer(CIRCUIT, StatevectorBackend(), Execution(shots=20))
        with torch.no_grad():
            module.weight.fill_(0.5)
            outputs.append(module(X))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_what_the_backend_refuses_is_refused_when_the_layer_is_built():
    with pytest.raises(UnsupportedExecution, match="adjoint needs exact values"):
        layer(Execution(shots=10, gradient="adjoint"))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_compute_the_same(duplicate):
    module = layer()
    assert torch.equal(duplicate(module)(X), module(X))


def test_description_names_sizes_and_backend():
    assert "3 qubits" in repr(layer())
    assert "StatevectorBackend" in repr(layer())


def test_circuits_of_a_model_are_told_once_under_their_first_name():
    other = Circuit(1, (Gate("RY", (0,), Weight(0)),), (PauliString("Z"),))
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(1, 1), "b": layer(), "c": layer(circuit=other), "d": layer()})
    assert circuits(model) == {"b": CIRCUIT, "c": other}
    assert circuits(model["a"]) == {}
