"""What the quantum head is made of, and what each ablation word takes away."""

import itertools
from dataclasses import replace

import pytest
import torch

from hqlm.ablation import ABLATIONS
from hqlm.circuits import (
    ANSATZE,
    REUPLOADINGS,
    InterleavedUpload,
    NoUpload,
    RepeatedUpload,
    RingAnsatz,
    SingleUpload,
    StronglyEntanglingAnsatz,
)
from hqlm.encoders import FEATURE_ENCODERS, LinearFeatureEncoder, QuantumFeatureEncoder
from hqlm.encoders.feature import ProjectionFeatureEncoder
from hqlm.errors import CircuitError, ConfigError, HqlmError
from hqlm.heads import LinearHead, QuantumHead
from tests.registries import shipped

WHOLE = QuantumHead(
    feature_encoder=QuantumFeatureEncoder(n_qubits=4, n_encoders=2, offset=0.5, ansatz=RingAnsatz(2)),
    reuploading=RepeatedUpload(n_blocks=3, n_main_layers=2),
    ansatz=RingAnsatz(2),
)
PAIRS = replace(
    WHOLE,
    feature_encoder=QuantumFeatureEncoder(
        n_qubits=4, n_encoders=2, offset=0.5, rotate=True, correlators=1, ansatz=RingAnsatz(2)
    ),
    reuploading=RepeatedUpload(n_blocks=5, n_main_layers=2),
    skip=True,
)
X = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))


def module_of(head, **options):
    torch.manual_seed(0)
    return replace(head, **options).build(10, 2)


def ablated(head, words):
    return replace(head, ablate=words).resolved


@pytest.mark.parametrize(
    ("readout", "n_classes", "read"), [("auto", 2, 1), ("auto", 3, 3), ("auto", 9, 4), ("all", 2, 4), (2, 5, 2)]
)
def test_readout_says_how_many_qubits_are_measured_from_the_first(readout, n_classes, read):
    circuit = replace(WHOLE, readout=readout).circuit(n_classes)
    assert [observable.letters for observable in circuit.observables] == [
        "IIII"[:w] + "Z" + "III"[w:] for w in range(read)
    ]


@pytest.mark.parametrize("readout", [0, 5])
def test_more_readout_than_qubits_is_refused(readout):
    with pytest.raises(ConfigError, match=f"head.readout={readout}: the second module has only 4 qubits"):
        replace(WHOLE, readout=readout).circuit(2)


@pytest.mark.parametrize(
    ("changes", "inputs"),
    [
        ({}, 1),
        ({"readout": "all"}, 4),
        ({"skip": True}, 1 + 8),
        ({"reuploading": None}, 8),
        ({"feature_encoder": PAIRS.feature_encoder, "reuploading": None}, 16),
    ],
)
def test_what_the_linear_layer_reads(changes, inputs):
    assert module_of(WHOLE, **changes).linear.in_features == inputs


def test_with_skip_the_linear_layer_reads_the_features_themselves():
    model = module_of(replace(WHOLE, skip=True))
    features = model.features(X)
    torch.testing.assert_close(model(X), model.linear(torch.cat((model.quantum(features), features), dim=1)))


def test_a_scheme_that_never_reads_an_encoder_is_refused_naming_both_numbers():
    with pytest.raises(CircuitError, match=r"N = 3 times.*E = 4"):
        replace(WHOLE, feature_encoder=replace(WHOLE.feature_encoder, n_encoders=4)).circuit(2)


# ---- ablation ----


def test_feature_encoder_becomes_a_fixed_projection():
    assert ablated(WHOLE, ("feature_encoder",)).feature_encoder == ProjectionFeatureEncoder(8, 2)


def uploads(circuit):
    return [
        gate.angle.index for gate in circuit.gates if gate.angle is not None and type(gate.angle).__name__ == "Input"
    ]


def test_reuploading_uploads_each_group_once_and_keeps_every_layer():
    whole, left = WHOLE.circuit(2), ablated(WHOLE, ("reuploading",)).circuit(2)
    assert uploads(whole) == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]
    assert uploads(left) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert left.n_weights == whole.n_weights


def test_long_range_leaves_stride_one_in_both_modules():
    left = ablated(WHOLE, ("long_range",))
    for circuit in (left.circuit(2), left.feature_encoder.circuit):
        assert {(gate.wires[1] - gate.wires[0]) % 4 for gate in circuit.gates if len(gate.wires) == 2} == {1}


def test_entanglement_leaves_rotations_in_both_modules():
    left = ablated(WHOLE, ("entanglement",))
    for before, after in (
        (WHOLE.circuit(2), left.circuit(2)),
        (WHOLE.feature_encoder.circuit, left.feature_encoder.circuit),
    ):
        assert set(after.counts()) == {"RY"}
        assert after.counts()["RY"] == before.counts()["RY"]


def test_main_circuit_leaves_the_blocks():
    assert WHOLE.circuit(2).n_weights - ablated(WHOLE, ("main_circuit",)).circuit(2).n_weights == 2 * 4 * 2 + 4


def test_offset_goes_and_centring_stays():
    centred = replace(WHOLE, feature_encoder=replace(WHOLE.feature_encoder, center=True))
    left = ablated(centred, ("offset",)).feature_encoder
    assert (left.offset, left.center) == (0.0, True)


def test_second_module_leaves_the_features_to_the_linear_layer():
    model = module_of(WHOLE, ablate=("second_module",))
    assert model.quantum is None
    assert model.linear.in_features == 8


def test_quantum_leaves_the_embedding_to_the_linear_layer():
    model = module_of(WHOLE, ablate=("quantum",))
    assert model.parameter_counts() == {"quantum": 0, "classical": 22}
    assert ablated(WHOLE, ("quantum",)) == LinearHead()


@pytest.mark.parametrize("head", [WHOLE, PAIRS], ids=["whole", "pairs"])
@pytest.mark.parametrize("word", [word for word in ABLATIONS if word != "alignment"])
def test_every_word_changes_what_the_model_computes_and_keeps_the_shape(word, head):
    whole, left = module_of(head), module_of(head, ablate=(word,))
    assert left(X).shape == whole(X).shape == (6, 2)
    assert (left(X) - whole(X)).abs().max() > 1e-4
    left(X).sum().backward()
    assert all(parameter.grad is not None for parameter in left.parameters())


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        (
            {"feature_encoder": QuantumFeatureEncoder(n_qubits=4, ansatz=RingAnsatz(1)), "ansatz": RingAnsatz(1)},
            "long_range",
        ),
        ({"feature_encoder": QuantumFeatureEncoder(n_qubits=4)}, "offset"),
        ({"reuploading": RepeatedUpload(n_main_layers=0, n_blocks=3)}, "main_circuit"),
        ({"reuploading": RepeatedUpload(n_blocks=2)}, "reuploading"),
        ({"reuploading": None}, "second_module"),
        ({"feature_encoder": ProjectionFeatureEncoder(8, 2)}, "feature_encoder"),
        ({}, "alignment"),
        ({"reuploading": NoUpload()}, "reuploading"),
        ({"reuploading": NoUpload()}, "offset"),
    ],
)
def test_a_word_that_changes_nothing_is_refused(changes, word):
    with pytest.raises(ConfigError, match=f"'{word}' changes nothing"):
        replace(WHOLE, **changes, ablate=(word,))


def test_a_word_given_twice_is_refused():
    with pytest.raises(ConfigError, match="changes nothing"):
        replace(WHOLE, ablate=("offset", "offset"))


def test_a_word_that_no_module_has_is_refused():
    with pytest.raises(ConfigError, match=r"there is no word 'ofset'\. Did you mean 'offset'"):
        replace(WHOLE, ablate=("ofset",))


@pytest.mark.parametrize(
    "words", [("offset", "feature_encoder"), ("main_circuit", "second_module"), ("offset", "entanglement", "quantum")]
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_word_that_another_one_covers_is_refused_in_any_order(words, order):
    with pytest.raises(ConfigError, match="changes nothing"):
        replace(WHOLE, ablate=words[::order])


def test_long_range_reaches_strides_that_grow_with_the_layers():
    left = ablated(replace(WHOLE, ansatz=StronglyEntanglingAnsatz()), ("long_range",)).circuit(2)
    assert {(gate.wires[1] - gate.wires[0]) % 4 for gate in left.gates if len(gate.wires) == 2} == {1}


def test_words_add_up():
    left = ablated(WHOLE, ("long_range", "main_circuit"))
    assert left.circuit(2) == ablated(WHOLE, ("main_circuit", "long_range")).circuit(2)


# ---- every combination of the registries ----

FEATURES = [
    QuantumFeatureEncoder(n_qubits=4, offset=0.5, ansatz=RingAnsatz(1)),
    LinearFeatureEncoder(4),
    ProjectionFeatureEncoder(4),
]
SCHEMES = [
    RepeatedUpload(trainable_scale=True),
    RepeatedUpload(share_weights=True),
    InterleavedUpload(trainable_scale=True),
    SingleUpload(trainable_scale=True),
    NoUpload(),
]


def test_every_registered_component_is_combined_here():
    assert {type(recipe).__name__ for recipe in FEATURES} == shipped(FEATURE_ENCODERS)
    assert {type(recipe).__name__ for recipe in SCHEMES} == shipped(REUPLOADINGS)


@pytest.mark.parametrize(
    ("features", "scheme", "ansatz"),
    list(itertools.product(FEATURES, SCHEMES, sorted(ANSATZE))),
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_every_trainable_parameter_of_every_configuration_gets_a_gradient(features, scheme, ansatz):
    head = QuantumHead(features, scheme, ANSATZE[ansatz](), readout="all")
    model = module_of(head)
    model(X).square().sum().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert not idle


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda value: type(value).__name__)
def test_skip_lets_the_linear_layer_see_the_features(scheme):
    head = QuantumHead(LinearFeatureEncoder(4), scheme, RingAnsatz(1), readout=1, skip=True)
    model = module_of(head)
    assert model.linear.in_features == 5
    assert model.features is not None


def test_no_feature_encoder_is_built_where_nothing_reads_it():
    model = module_of(QuantumHead(LinearFeatureEncoder(4), NoUpload(), RingAnsatz(1), readout="all"))
    assert model.features is None
    assert torch.equal(model(X)[0], model(X)[1])


def test_unknown_recipes_of_one_size_are_refused_as_such():
    with pytest.raises(HqlmError):
        QuantumHead(LinearFeatureEncoder(2), RepeatedUpload(), RingAnsatz(2), readout=1).circuit(2)
