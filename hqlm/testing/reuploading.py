"""The conformance suite of re-uploading schemes."""

from __future__ import annotations

from itertools import product

import pytest

from hqlm.circuits import (
    Ansatz,
    Circuit,
    HardwareEfficientAnsatz,
    Input,
    PauliString,
    Reuploading,
    RingAnsatz,
    StronglyEntanglingAnsatz,
)
from hqlm.errors import CircuitError
from hqlm.testing.ansatz import weight_indices
from hqlm.testing.recipes import assert_is_recipe

_ANSATZE: tuple[Ansatz, ...] = (RingAnsatz(), HardwareEfficientAnsatz(), StronglyEntanglingAnsatz())
_SIZES = ((2, 1), (3, 1), (5, 1), (4, 2), (6, 2), (9, 3))  # (n_features, n_groups)
_WORDS = ("reuploading", "main_circuit", "entanglement", "nonsense")


def _observables(n_qubits: int) -> tuple[PauliString, ...]:
    return PauliString.z(0, n_qubits), PauliString("X" * n_qubits)


class ReuploadingContract:
    """Everything a `Reuploading` scheme promises, as tests that a plugin gets in five lines.

    ```python
    class TestMyUpload(ReuploadingContract):
        @pytest.fixture
        def scheme(self):
            return MyUpload()
    ```
    """

    @pytest.fixture
    def scheme(self) -> Reuploading:
        """The scheme under test; a subclass overrides this fixture."""
        raise NotImplementedError("override the fixture `scheme` and return your re-uploading scheme")

    def circuits(self, scheme: Reuploading) -> list[tuple[int, int, Circuit]]:
        """Return (n_features, n_groups, circuit) wherever the scheme does not reject the number of groups."""
        found, refusals = [], []
        for (n_features, n_groups), ansatz in product(_SIZES, _ANSATZE):
            observables = _observables(n_features // n_groups)
            try:
                found.append((n_features, n_groups, scheme.circuit(n_features, n_groups, ansatz, observables)))
            except CircuitError as error:
                refusals.append((n_groups, str(error)))
        for n_groups, message in refusals:
            assert n_groups > 1, f"one group can always be uploaded: {message}"
            assert f"E = {n_groups}" in message, f"the refusal must name the {n_groups} groups: {message}"
            assert "N = " in message, f"the refusal must name the number of uploads: {message}"
        return found

    def test_circuits_have_one_qubit_for_each_feature_of_a_group(self, scheme: Reuploading) -> None:
        """`n_features // n_groups` of them."""
        for n_features, n_groups, circuit in self.circuits(scheme):
            assert circuit.n_qubits == n_features // n_groups

    def test_every_feature_is_uploaded(self, scheme: Reuploading) -> None:
        """All `n_features` inputs are read, or none by a scheme that does not upload."""
        for n_features, _, circuit in self.circuits(scheme):
            read = {gate.angle.index for gate in circuit.gates if isinstance(gate.angle, Input)}
            assert read == (set(range(n_features)) if scheme.uploads else set())

    def test_a_group_is_uploaded_one_feature_a_qubit(self, scheme: Reuploading) -> None:
        """Feature j of group g is input `g * n_qubits + j` and acts on one qubit, number j."""
        for _, _, circuit in self.circuits(scheme):
            uploads = [gate for gate in circuit.gates if isinstance(gate.angle, Input)]
            for gate in uploads:
                assert isinstance(gate.angle, Input)
                assert gate.wires == (gate.angle.index % circuit.n_qubits,)

    def test_weights_are_numbered_from_zero_in_order_of_first_use(self, scheme: Reuploading) -> None:
        """No gaps, whatever the ansatz."""
        for _, _, circuit in self.circuits(scheme):
            assert weight_indices(circuit.gates) == list(range(circuit.n_weights))

    def test_layers_are_those_of_the_ansatz_at_hand(self, scheme: Reuploading) -> None:
        """Another ansatz makes another circuit, unless the scheme has no layers and so no weights."""
        circuits = {scheme.circuit(4, 1, ansatz, _observables(4)) for ansatz in _ANSATZE}
        assert len(circuits) == len(_ANSATZE) or not any(circuit.n_weights for circuit in circuits)

    def test_observables_are_kept_in_order(self, scheme: Reuploading) -> None:
        """A scheme makes gates; the caller chooses the observables."""
        for _, _, circuit in self.circuits(scheme):
            assert circuit.observables == _observables(circuit.n_qubits)

    def test_features_that_make_no_equal_groups_are_refused(self, scheme: Reuploading) -> None:
        """Nothing to upload, unequal groups, more groups than features."""
        for n_features, n_groups in ((0, 1), (5, 2), (1, 2), (4, 0)):
            with pytest.raises(CircuitError):
                scheme.circuit(n_features, n_groups, _ANSATZE[1], _observables(4))

    def test_a_scheme_is_a_recipe(self, scheme: Reuploading) -> None:
        """Frozen, hashable, equal to its copies, and deterministic."""
        assert_is_recipe(scheme)
        assert self.circuits(scheme) == self.circuits(scheme)
        assert isinstance(scheme.uploads, bool)
        assert isinstance(scheme.trains_scale, bool)

    @pytest.mark.parametrize("word", _WORDS)
    def test_an_ablated_scheme_has_another_circuit_or_is_equal(self, scheme: Reuploading, word: str) -> None:
        """An ablation without effect leaves an equal scheme, with one group; a second one changes nothing more."""
        ablated = scheme.ablated(word)
        ansatz, observables = _ANSATZE[0], _observables(4)
        same = scheme.circuit(4, 1, ansatz, observables) == ablated.circuit(4, 1, ansatz, observables)
        assert same == (ablated == scheme)
        assert ablated.ablated(word) == ablated

    def test_without_reuploading_each_feature_is_uploaded_once_and_all_layers_stay(self, scheme: Reuploading) -> None:
        """The control experiment changes uploads, not weights."""
        once = scheme.ablated("reuploading")
        for n_features, n_groups, circuit in self.circuits(once):
            uploads = [gate.angle.index for gate in circuit.gates if isinstance(gate.angle, Input)]
            assert sorted(uploads) == (list(range(n_features)) if scheme.uploads else [])
            whole = [scheme.circuit(n_features, n_groups, a, circuit.observables) for a in _ANSATZE]
            assert circuit.n_weights in {other.n_weights for other in whole}
