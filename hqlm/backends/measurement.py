"""Computes expectation values from bits: basis changes, grouping of observables, readout errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hqlm.circuits import Circuit, Gate, PauliString

# rotations from the eigenbasis of a letter to that of Z; they set the measurement basis
_BASIS_CHANGE = {"X": ("H",), "Y": ("SDG", "H")}


@dataclass(frozen=True)
class Setting:
    """Observables that are measured together in one choice of bases.

    Args:
        circuit: the circuit with basis changes appended; the backend measures Z on every qubit.
        places: position of each observable in the original circuit.
        supports: qubits of each observable.
    """

    circuit: Circuit
    places: tuple[int, ...]
    supports: tuple[tuple[int, ...], ...]


def settings(circuit: Circuit) -> list[Setting]:
    """Return qubit-wise commuting groups of the circuit's observables, in order of first use (greedy first fit)."""
    groups: list[tuple[list[str], list[int]]] = []
    for place, observable in enumerate(circuit.observables):
        for letters, places in groups:
            if _fits(letters, observable):
                letters[:] = [b if a == "I" else a for a, b in zip(letters, observable.letters, strict=True)]
                places.append(place)
                break
        else:
            groups.append((list(observable.letters), [place]))
    return [_setting(circuit, letters, tuple(places)) for letters, places in groups]


def _fits(letters: Sequence[str], observable: PauliString) -> bool:
    return all(a == b or "I" in (a, b) for a, b in zip(letters, observable.letters, strict=True))


def _setting(circuit: Circuit, letters: Sequence[str], places: tuple[int, ...]) -> Setting:
    changes = [
        Gate(name, (wire,), noisy=False)
        for wire, letter in enumerate(letters)
        for name in _BASIS_CHANGE.get(letter, ())
    ]
    chosen = [circuit.observables[place] for place in places]
    turned = tuple(PauliString("".join("I" if a == "I" else "Z" for a in o.letters)) for o in chosen)
    measured = replace(circuit, gates=(*circuit.gates, *changes), observables=turned)
    return Setting(measured, places, tuple(observable.support for observable in turned))


def means(bits: Tensor, supports: Sequence[Sequence[int]], dtype: torch.dtype) -> Tensor:
    """Return the mean over shots of the parity of each support: `(rows, shots, n_qubits) -> (rows, n_observables)`."""
    columns = [1.0 - 2.0 * (bits[..., list(s)].sum(-1) % 2).to(dtype).mean(1) for s in supports]
    return torch.stack(columns, dim=-1)


def flip(bits: Tensor, probability: float, seed: int) -> Tensor:
    """Flip each bit with `probability`, as a readout error does."""
    if probability == 0.0:
        return bits
    flips = np.random.default_rng(seed).random(tuple(bits.shape)) < probability
    return bits ^ torch.from_numpy(flips).to(bits)


def with_readout_errors(values: Tensor, circuit: Circuit, probability: float) -> Tensor:
    """Scale exact values `(rows, n_observables)` as readout errors do: by (1 - 2 p)^k for k qubits."""
    if probability == 0.0:
        return values
    factors = [(1.0 - 2.0 * probability) ** len(observable.support) for observable in circuit.observables]
    return values * values.new_tensor(factors)
