"""What the head is made of, and what each ablation word takes away."""

import itertools
from dataclasses import replace

import pytest
import torch

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
from hqlm.encoders import FEATURE_ENCODERS, HashingEncoder, LinearFeatureEncoder, QuantumFeatureEncoder
from hqlm.encoders.feature import ProjectionFeatureEncoder
from hqlm.errors import CircuitError, ConfigError, HqlmError
from hqlm.models import HybridClassifier
from hqlm.models.composition import ABLATIONS, Composition
from tests.registries import shipped

WHOLE = Composition(
    feature_encoder=QuantumFeatureEncoder(n_qubits=4, n_encoders=2, offset=0.5, ansatz=RingAnsatz(2)),
    reuploading=RepeatedUpload(n_blocks=3, n_main_layers=2),
    ansatz=RingAnsatz(2),
    readout="auto",
    skip=False,
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


def model_of(composition, **options):
    torch.manual_seed(0)
    settings = {name: getattr(composition, name) for name in ("feature_encoder", "reuploading", "ansatz", "readout")}
    model = HybridClassifier(
        HashingEncoder(), **settings, skip=composition.skip, class_names=["a", "b"], embedding_dim=10, **options
    )
    model.configure_model()
    return model


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
    with pytest.raises(ConfigError, match=f"model.readout={readout}: the second module has 4 qubits"):
        replace(WHOLE, readout=readout).circuit(2)


@pytest.mark.parametrize(
    ("changes", "inputs"),
    [
        ({}, 1),
        ({"readout": "all"}, 4),
        ({"skip": True}, 1 + 8),
        ({"reuploading": None}, 8),
        ({"feature_encoder": PAIRS.feature_encoder, "reuploading": None}, 16),
        ({"feature_encoder": None, "reuploading": None}, 10),
    ],
)
def test_what_the_linear_layer_reads(changes, inputs):
    assert replace(WHOLE, **changes).head_inputs(2, 10) == inputs


def test_with_skip_the_linear_layer_reads_the_features_themselves():
    model = model_of(replace(WHOLE, skip=True))
    features = model.features(X)
    torch.testing.assert_close(model(X), model.head(torch.cat((model.quantum(features), features), dim=1)))


def test_a_scheme_that_never_reads_an_encoder_is_refused_naming_both_numbers():
    with pytest.raises(CircuitError, match=r"N = 3 times.*E = 4"):
        replace(WHOLE, feature_encoder=replace(WHOLE.feature_encoder, n_encoders=4)).circuit(2)


# ---- ablation ----


def test_feature_encoder_becomes_a_fixed_projection():
    assert WHOLE.ablated(("feature_encoder",)).feature_encoder == ProjectionFeatureEncoder(8, 2)


def uploads(circuit):
    return [
        gate.angle.index for gate in circuit.gates if gate.angle is not None and type(gate.angle).__name__ == "Input"
    ]


def test_reuploading_uploads_each_group_once_and_keeps_every_layer():
    whole, ablated = WHOLE.circuit(2), WHOLE.ablated(("reuploading",)).circuit(2)
    assert uploads(whole) == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]
    assert uploads(ablated) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert ablated.n_weights == whole.n_weights


def test_long_range_leaves_stride_one_in_both_modules():
    ablated = WHOLE.ablated(("long_range",))
    for circuit in (ablated.circuit(2), ablated.feature_encoder.circuit):
        assert {(gate.wires[1] - gate.wires[0]) % 4 for gate in circuit.gates if len(gate.wires) == 2} == {1}


def test_entanglement_leaves_rotations_in_both_modules():
    ablated = WHOLE.ablated(("entanglement",))
    for before, after in (
        (WHOLE.circuit(2), ablated.circuit(2)),
        (WHOLE.feature_encoder.circuit, ablated.feature_encoder.circuit),
    ):
        assert set(after.counts()) == {"RY"}
        assert after.counts()["RY"] == before.counts()["RY"]


def test_main_circuit_leaves_the_blocks():
    assert WHOLE.circuit(2).n_weights - WHOLE.ablated(("main_circuit",)).circuit(2).n_weights == 2 * 4 * 2 + 4


def test_offset_goes_and_centring_stays():
    centred = replace(WHOLE, feature_encoder=replace(WHOLE.feature_encoder, center=True))
    ablated = centred.ablated(("offset",)).feature_encoder
    assert (ablated.offset, ablated.center) == (0.0, True)


def test_second_module_leaves_the_features_to_the_linear_layer():
    model = model_of(WHOLE, ablate=["second_module"])
    assert model.quantum is None
    assert model.head.in_features == 8


def test_quantum_leaves_the_embedding_to_the_linear_layer():
    model = model_of(WHOLE, ablate=["quantum"])
    assert model.parameter_counts() == {"body": 0, "lora": 0, "quantum": 0, "classical": 22}


@pytest.mark.parametrize("composition", [WHOLE, PAIRS], ids=["whole", "pairs"])
@pytest.mark.parametrize("word", ABLATIONS)
def test_every_word_changes_what_the_model_computes_and_keeps_the_shape(word, composition):
    whole, ablated = model_of(composition), model_of(composition, ablate=[word])
    assert ablated(X).shape == whole(X).shape == (6, 2)
    assert (ablated(X) - whole(X)).abs().max() > 1e-4
    ablated(X).sum().backward()
    assert all(parameter.grad is not None for parameter in ablated.parameters())


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
        ({"feature_encoder": None, "reuploading": None}, "quantum"),
        ({"reuploading": NoUpload()}, "reuploading"),
        ({"reuploading": NoUpload()}, "offset"),
    ],
)
def test_a_word_that_changes_nothing_is_refused(changes, word):
    with pytest.raises(ConfigError, match=f"'{word}' changes nothing"):
        replace(WHOLE, **changes).ablated((word,))


def test_a_word_given_twice_is_refused():
    with pytest.raises(ConfigError, match="changes nothing"):
        WHOLE.ablated(("offset", "offset"))


@pytest.mark.parametrize(
    "words", [("offset", "feature_encoder"), ("main_circuit", "second_module"), ("offset", "entanglement", "quantum")]
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_word_that_another_one_covers_is_refused_in_any_order(words, order):
    with pytest.raises(ConfigError, match="changes nothing"):
        WHOLE.ablated(words[::order])


def test_long_range_reaches_strides_that_grow_with_the_layers():
    ablated = replace(WHOLE, ansatz=StronglyEntanglingAnsatz()).ablated(("long_range",)).circuit(2)
    assert {(gate.wires[1] - gate.wires[0]) % 4 for gate in ablated.gates if len(gate.wires) == 2} == {1}


def test_words_add_up():
    ablated = WHOLE.ablated(("long_range", "main_circuit"))
    assert ablated.circuit(2) == WHOLE.ablated(("main_circuit", "long_range")).circuit(2)


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
    composition = Composition(features, scheme, ANSATZE[ansatz](), "all", skip=False)
    model = model_of(composition)
    model(X).square().sum().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert not idle


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda value: type(value).__name__)
def test_skip_lets_the_linear_layer_see_the_features(scheme):
    composition = Composition(LinearFeatureEncoder(4), scheme, RingAnsatz(1), 1, skip=True)
    model = model_of(composition)
    assert model.head.in_features == 5
    assert model.features is not None


def test_no_feature_encoder_is_built_where_nothing_reads_it():
    model = model_of(Composition(LinearFeatureEncoder(4), NoUpload(), RingAnsatz(1), "all", skip=False))
    assert model.features is None
    assert torch.equal(model(X)[0], model(X)[1])


def test_unknown_recipes_of_one_size_are_refused_as_such():
    with pytest.raises(HqlmError):
        Composition(LinearFeatureEncoder(2), RepeatedUpload(), RingAnsatz(2), 1, skip=False).circuit(2)
