"""What is refused before anything is allocated, and what an adapter may not return."""

from dataclasses import dataclass

import pytest
import torch

from hqlm.backends import QuantumBackend, StatevectorBackend, memory
from hqlm.circuits import Circuit, Gate, Input, PauliString, Weight
from hqlm.errors import CircuitError, UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.layer import QuantumLayer
from tests.backends.toys import _Trajectories

WEIGHTS = torch.zeros(1, requires_grad=True)


def circuit(n_qubits):
    return Circuit(n_qubits, (Gate("RY", (0,), Weight(0)),), (PauliString.z(0, n_qubits),))


def test_a_state_larger_than_the_memory_is_refused_when_a_layer_is_built(monkeypatch):
    monkeypatch.setattr(memory, "physical_memory", lambda: 16.0 * 2**30)
    message = r"a state of 40 qubits takes 4,096.0 GiB of memory, this machine has 16.0 GiB: up to 32 qubits would fit"
    with pytest.raises(UnsupportedExecution, match=message):
        QuantumLayer(circuit(40), StatevectorBackend())
    QuantumLayer(circuit(32), StatevectorBackend())
    with pytest.raises(UnsupportedExecution, match="a state of 40 qubits"):
        StatevectorBackend().states(circuit(40), WEIGHTS)


def test_a_batch_whose_states_are_kept_and_do_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "physical_memory", lambda: 2.0**20)
    states = torch.zeros(40, 2**13)
    states[:, 0] = 1.0
    with pytest.raises(UnsupportedExecution, match=r"40 states of 13 qubits .* up to 12 qubits would fit"):
        StatevectorBackend().expectations(circuit(13), WEIGHTS, None, states)
    with torch.no_grad():  # one at a time
        assert StatevectorBackend().expectations(circuit(13), WEIGHTS, None, states).shape == (40, 1)


def test_inputs_of_mixed_precision_are_refused_with_what_helps():
    layer = QuantumLayer(Circuit(1, (Gate("RY", (0,), Input(0)),), (PauliString("Z"),)), StatevectorBackend())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = torch.nn.Linear(1, 1)(torch.ones(2, 1))
        with pytest.raises(CircuitError, match=r"trainer\.precision=32-true"):
            layer(features)


@dataclass(frozen=True)
class _Flat(QuantumBackend):
    """Returns one number a row, where there should be one an observable."""

    def values(self, circuit, angles, states, noise):
        return torch.zeros(len(angles))


def test_values_of_another_shape_are_refused():
    with pytest.raises(UnsupportedExecution, match=r"_Flat returned values of shape \(1,\), expected \(1, 1\)"):
        _Flat().expectations(circuit(1), WEIGHTS)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # what torch.func.jvp itself calls
@pytest.mark.parametrize("transform", ["vmap", "grad", "jvp", "jacrev", "jacfwd", "hessian"])
@pytest.mark.parametrize("method", ["expectations", "states", "sample"])
def test_transforms_of_torch_are_refused_with_what_to_do_instead(transform, method):
    backend, weights = StatevectorBackend(), torch.zeros(1)

    def call(value):
        found = getattr(backend, method)(circuit(1), value.reshape(1))
        return found.real.sum() if method != "sample" else found.float().sum()

    apply = getattr(torch.func, transform)
    with pytest.raises(UnsupportedExecution, match=r"torch\.func\.vmap.*Give all rows in one call"):
        apply(call, (weights,), (weights,)) if transform == "jvp" else apply(call)(weights)


def test_channels_that_need_shots_say_so():
    backend, noise = _Trajectories(), Noise(one_qubit=0.1)
    with pytest.raises(UnsupportedExecution, match=r"one_qubit with shots only: set execution\.shots"):
        backend.check(circuit(1), Execution(noise=noise))
    backend.check(circuit(1), Execution(shots=10, noise=noise))
    with pytest.raises(
        UnsupportedExecution, match=r"cannot add noise phase_damping; it adds one_qubit, two_qubit, readout"
    ):
        backend.check(circuit(1), Execution(shots=10, noise=Noise(phase_damping=0.1)))
