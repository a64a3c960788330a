"""One word changes the SDK and nothing else: the whole classifier on every registered backend."""

import pytest
import torch

from hqlm.backends import BACKENDS, StatevectorBackend
from hqlm.circuits import RepeatedUpload, RingAnsatz
from hqlm.encoders import HashingEncoder, QuantumFeatureEncoder
from hqlm.execution import Execution, Noise
from hqlm.heads import QuantumHead
from hqlm.models import TextModel
from tests.registries import shipped

X = torch.nn.functional.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), dim=1)
NOISE = Noise(one_qubit=0.01, two_qubit=0.05, amplitude_damping=0.02, phase_damping=0.03, readout=0.04)
OTHERS = sorted(shipped(BACKENDS) - {"StatevectorBackend"})
EXACT = [name for name in OTHERS if BACKENDS[name]().exact]


def model_on(backend, **execution):
    """The same weights for every backend, in double precision."""
    torch.manual_seed(0)
    head = QuantumHead(
        QuantumFeatureEncoder(n_qubits=3, n_layers=2, n_encoders=2, merge="alternate", ansatz=RingAnsatz(2)),
        RepeatedUpload(n_blocks=2, n_main_layers=1),
        RingAnsatz(2),
        backend,
        Execution(seed=3, **execution),
        readout="all",
    )
    model = TextModel(HashingEncoder(dim=8), head, class_names=["a", "b", "c"], embedding_dim=8)
    model.configure_model()
    return model.double().eval()


def logits(backend, **execution):
    with torch.no_grad():
        return model_on(backend, **execution)(X.double())


def test_other_sdks_are_there():
    assert set(EXACT) >= {"CirqBackend", "PennyLaneBackend", "QiskitBackend"}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("noise", [Noise(), NOISE], ids=["noiseless", "noisy"])
def test_exact_logits_are_the_same(name, noise):
    torch.testing.assert_close(
        logits(BACKENDS[name](), noise=noise), logits(StatevectorBackend(), noise=noise), atol=1e-6, rtol=0.0
    )


@pytest.mark.parametrize("name", OTHERS)
def test_sampled_logits_lie_around_the_exact_ones(name):
    """Within five standard deviations: a value spreads by 1 / sqrt(shots) at most, a logit by the weights' norm."""
    shots, backend = 4000, BACKENDS[name]()
    noise = NOISE if backend.channels else Noise(readout=NOISE.readout)
    weights = model_on(StatevectorBackend()).head.linear.weight
    bound = 5.0 * weights.square().sum(1).sqrt() / shots**0.5
    found, exact = logits(backend, shots=shots, noise=noise), logits(StatevectorBackend(), noise=noise)
    assert bool(((found - exact).abs() < bound).all())
    assert not torch.equal(found, exact)


@pytest.mark.parametrize("name", EXACT)
def test_gradients_of_all_parameters_are_the_same(name):
    """Through both modules, with the gradient rule that each backend takes by itself."""
    gradients = []
    for backend in (BACKENDS[name](), StatevectorBackend()):
        model = model_on(backend).train()
        model(X.double()).square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0.0)
