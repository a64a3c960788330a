"""Base class of re-uploading schemes: how features enter a trainable circuit, and how often.

Features come in `n_groups` equal groups; a circuit has one qubit for each feature of a group.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from hqlm.circuits.ansatze.base import Ansatz
from hqlm.circuits.circuit import Circuit, PauliString
from hqlm.circuits.gates import Gate, Input
from hqlm.circuits.sizes import check_qubits
from hqlm.contracts import returns
from hqlm.errors import CircuitError
from hqlm.registry import Component


@dataclass(frozen=True)
class Reuploading(Component):
    """A scheme that combines features and an ansatz into one circuit."""

    @property
    def uploads(self) -> bool:
        """Whether the circuit reads features at all."""
        return True

    @property
    def trains_scale(self) -> bool:
        """Whether each feature is multiplied by its own trainable scale before it enters the circuit."""
        return False

    @abstractmethod
    @returns(
        "a Circuit on n_features // n_groups qubits with the observables it was given",
        lambda circuit, self, n_features, n_groups, ansatz, observables: (
            isinstance(circuit, Circuit)
            and circuit.n_qubits == n_features // n_groups
            and circuit.observables == tuple(observables)
        ),
    )
    def circuit(self, n_features: int, n_groups: int, ansatz: Ansatz, observables: Sequence[PauliString]) -> Circuit:
        """Return the circuit on `n_features // n_groups` qubits; feature j of group g is input `g * n_qubits + j`.

        Raises:
            CircuitError: if the groups are unequal or one of them would never be uploaded.
        """

    def ablated(self, word: str) -> Reuploading:
        """Return the scheme after an ablation; itself if the ablation does not apply."""
        return self


def group_size(n_features: int, n_groups: int) -> int:
    """Return the number of qubits of a circuit whose `n_features` features come in `n_groups` groups.

    Raises:
        CircuitError: if there is nothing to upload or the groups are unequal.
    """
    if n_groups < 1 or n_features < n_groups or n_features % n_groups:
        raise CircuitError(f"{n_features} features cannot be split into {n_groups} equal groups")
    check_qubits(n_features // n_groups)
    return n_features // n_groups


def angle_encoding(group: int, n_qubits: int, scale: float) -> list[Gate]:
    """Return RY(scale * x) on every qubit, where x are the features of one group."""
    return [Gate("RY", (wire,), Input(group * n_qubits + wire, scale)) for wire in range(n_qubits)]


def check_uploads(n_uploads: int, n_groups: int, scheme: str) -> None:
    """Reject a scheme with fewer uploads than groups: an encoder would never be read.

    Raises:
        CircuitError: with the number of encoders E and of uploads N.
    """
    if n_uploads < n_groups:
        raise CircuitError(
            f"{scheme} uploads N = {n_uploads} times, but feature_encoder merges E = {n_groups} encoders in turn "
            f"(merge=alternate), so some are never read. Raise the uploads to {n_groups} or more, or use merge=concat"
        )


def check_scale(scale: float, scheme: str) -> None:
    """Reject a scale that is zero or not finite.

    Raises:
        CircuitError: with the name of the scheme.
    """
    if not math.isfinite(scale) or scale == 0.0:
        raise CircuitError(f"{scheme}: scale must be a finite number other than 0, given {scale}")
