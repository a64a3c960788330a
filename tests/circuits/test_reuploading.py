"""Every registered scheme keeps the contract; the circuits of each are those of its formula."""

import math

import pytest

from hqlm.circuits import (
    REUPLOADINGS,
    Gate,
    HardwareEfficientAnsatz,
    Input,
    InterleavedUpload,
    NoUpload,
    PauliString,
    RepeatedUpload,
    RingAnsatz,
    SingleUpload,
    UCCSDAnsatz,
    Weight,
)
from hqlm.errors import CircuitError
from hqlm.testing import ReuploadingContract

Z = (PauliString("ZII"),)
RING = RingAnsatz(ry_column=False)


class TestRegisteredSchemes(ReuploadingContract):
    @pytest.fixture(params=sorted(REUPLOADINGS))
    def scheme(self, request):
        return REUPLOADINGS[request.param]()


@pytest.mark.parametrize(
    "variant",
    [
        RepeatedUpload(n_blocks=1, n_main_layers=0),
        RepeatedUpload(n_blocks=5, share_weights=True, scale=1.0, trainable_scale=True),
        InterleavedUpload(n_uploads=1),
        InterleavedUpload(n_uploads=3, scale=-2.0),
        SingleUpload(n_main_layers=0),
        NoUpload(n_main_layers=0),
    ],
    ids=repr,
)
class TestVariants(ReuploadingContract):
    @pytest.fixture
    def scheme(self, variant):
        return variant


def upload(group=0, n_qubits=3, scale=math.pi):
    return tuple(Gate("RY", (wire,), Input(group * n_qubits + wire, scale)) for wire in range(n_qubits))


def ring(first_weight, n_layers=1):
    """Rings of three qubits whose weights start at `first_weight`."""
    gates = []
    for index in range(first_weight, first_weight + 3 * n_layers):
        control = index % 3
        gates += [Gate("CNOT", (control, (control + 1) % 3)), Gate("RY", ((control + 1) % 3,), Weight(index))]
    return tuple(gates)


def test_the_papers_scheme_is_blocks_of_upload_and_ring_then_the_main_circuit():
    circuit = RepeatedUpload(n_blocks=2, n_main_layers=2).circuit(3, 1, RING, Z)
    assert circuit.gates == upload() + ring(0) + upload() + ring(3) + ring(6, 2)


def test_shared_weights_serve_every_block_but_not_the_main_circuit():
    circuit = RepeatedUpload(n_blocks=3, n_main_layers=1, share_weights=True).circuit(3, 1, RING, Z)
    assert circuit.gates == (upload() + ring(0)) * 3 + ring(3)


def test_blocks_upload_the_groups_in_turn():
    circuit = RepeatedUpload(n_blocks=3, n_main_layers=0, scale=1.0).circuit(6, 2, RING, Z)
    assert circuit.gates == upload(0, scale=1.0) + ring(0) + upload(1, scale=1.0) + ring(3) + upload(
        0, scale=1.0
    ) + ring(6)


def test_without_reuploading_the_groups_are_uploaded_in_the_first_blocks_and_all_rings_stay():
    circuit = RepeatedUpload(n_blocks=3, n_main_layers=1).ablated("reuploading").circuit(6, 2, RING, Z)
    assert circuit.gates == upload(0) + ring(0) + upload(1) + ring(3) + ring(6) + ring(9)


def test_the_main_circuit_of_two_layers_has_the_ry_column_and_blocks_have_none():
    circuit = RepeatedUpload(n_blocks=2, n_main_layers=2).circuit(3, 1, RingAnsatz(), Z)
    assert circuit.n_weights == 2 * 3 + 2 * 3 + 3
    column = circuit.gates[-6 - 3 : -6]
    assert column == tuple(Gate("RY", (wire,), Weight(9 + wire)) for wire in range(3))


def test_interleaved_uploads_stand_between_layers():
    circuit = InterleavedUpload(n_uploads=2).circuit(3, 1, RING, Z)
    assert circuit.gates == ring(0) + upload() + ring(3) + upload() + ring(6)


def test_a_single_upload_stands_before_all_layers():
    assert SingleUpload(n_main_layers=2).circuit(3, 1, RING, Z).gates == upload() + ring(0, 2)


def test_no_upload_is_the_ansatz_alone():
    circuit = NoUpload(n_main_layers=2).circuit(3, 1, RING, Z)
    assert circuit.gates == ring(0, 2)
    assert not NoUpload().uploads


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        (RepeatedUpload(n_blocks=2), "N = 2 .* E = 3"),
        (InterleavedUpload(n_uploads=1), "N = 1 .* E = 3"),
        (SingleUpload(), "N = 1 .* E = 3"),
    ],
)
def test_groups_that_would_never_be_uploaded_are_refused_naming_both_numbers(scheme, message):
    with pytest.raises(CircuitError, match=message):
        scheme.circuit(9, 3, RING, Z)


@pytest.mark.parametrize(
    ("scheme", "settings"),
    [
        (RepeatedUpload, {"n_blocks": 0}),
        (RepeatedUpload, {"n_main_layers": -1}),
        (RepeatedUpload, {"scale": 0.0}),
        (InterleavedUpload, {"n_uploads": 0}),
        (InterleavedUpload, {"scale": math.nan}),
        (SingleUpload, {"n_main_layers": -1}),
        (SingleUpload, {"scale": math.inf}),
        (NoUpload, {"n_main_layers": -1}),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(scheme, settings):
    with pytest.raises(CircuitError, match=f"{scheme.__name__}.*{next(iter(settings))}"):
        scheme(**settings)


def test_only_a_trainable_scale_asks_for_one():
    for kind in (RepeatedUpload, InterleavedUpload, SingleUpload):
        assert kind(trainable_scale=True).trains_scale
        assert not kind().trains_scale


def test_no_main_circuit_leaves_the_blocks():
    scheme = RepeatedUpload(n_blocks=2, n_main_layers=3)
    ansatz = HardwareEfficientAnsatz()
    whole, ablated = (s.circuit(3, 1, ansatz, Z) for s in (scheme, scheme.ablated("main_circuit")))
    assert ablated.gates == whole.gates[: len(ablated.gates)]
    assert ablated.n_weights == 2 * 6
    assert SingleUpload().ablated("main_circuit").circuit(3, 1, RING, Z).gates == upload()
    assert NoUpload().ablated("main_circuit").circuit(3, 1, RING, Z).gates == ()


@pytest.mark.parametrize("scheme", [RepeatedUpload(n_blocks=2, n_main_layers=1), InterleavedUpload(n_uploads=2)])
def test_layers_of_scaled_weights_keep_their_scales(scheme):
    ansatz = UCCSDAnsatz(2)
    circuit = scheme.circuit(4, 1, ansatz, ())
    scales = [gate.angle.scale for gate in circuit.gates if isinstance(gate.angle, Weight)]
    assert scales == 3 * [gate.angle.scale for gate in ansatz.gates(4, 1) if isinstance(gate.angle, Weight)]
