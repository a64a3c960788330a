"""Matrices of gates and noise channels as torch tensors; row and column index with the most significant qubit first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Final

import torch
from torch import Tensor

from hqlm.circuits import Gate
from hqlm.execution import Noise

_R = math.sqrt(0.5)
_T = complex(_R, _R)
_FIXED: Final[dict[str, list[list[complex]]]] = {
    "I": [[1, 0], [0, 1]],
    "H": [[_R, _R], [_R, -_R]],
    "X": [[0, 1], [1, 0]],
    "Y": [[0, -1j], [1j, 0]],
    "Z": [[1, 0], [0, -1]],
    "S": [[1, 0], [0, 1j]],
    "SDG": [[1, 0], [0, -1j]],
    "T": [[1, 0], [0, _T]],
    "TDG": [[1, 0], [0, _T.conjugate()]],
    "SX": [[0.5 + 0.5j, 0.5 - 0.5j], [0.5 - 0.5j, 0.5 + 0.5j]],
    "SXDG": [[0.5 - 0.5j, 0.5 + 0.5j], [0.5 + 0.5j, 0.5 - 0.5j]],
    "SWAP": [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]],
}
_PAULIS = ("I", "X", "Y", "Z")


def gate_matrix(gate: Gate, angle: Tensor | None, like: Tensor) -> Tensor:
    """Return the matrix of a gate, `(rows, d, d)` for angles `(rows,)` in radians, `(1, d, d)` without angles.

    Args:
        gate: the gate; its wires are ignored. For a controlled gate, the matrix is the one applied to its target.
        angle: angle of each row; None for a gate without one.
        like: tensor whose dtype and device the matrix takes (complex unless the gate is real).
    """
    name = gate.name
    if angle is None:
        return _fixed_matrix({"CNOT": "X", "CZ": "Z"}.get(name, name), like.dtype, like.device)
    identity, generator = _rotation(name[-1:] if gate.kind.controlled else name[1:], like.dtype, like.device)
    half = (angle / 2).view(-1, 1, 1)
    return torch.cos(half) * identity + torch.sin(half) * generator


@lru_cache(maxsize=256)
@torch.inference_mode(False)  # cached for training too
def _rotation(letters: str, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return 1 and -i P, so that exp(-i t P / 2) = cos(t/2) 1 - i sin(t/2) P, for a string of Pauli letters P."""
    generator = -1j * pauli_matrix(letters)
    return torch.eye(len(generator), dtype=dtype, device=device), _as(generator, dtype, device)


@lru_cache(maxsize=256)
@torch.inference_mode(False)  # cached for training too
def _fixed_matrix(name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    return _as(torch.tensor(_FIXED[name], dtype=torch.complex128), dtype, device)[None]


def _as(matrix: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    return (matrix if dtype.is_complex else matrix.real).to(device, dtype)


def pauli_matrix(letters: str) -> Tensor:
    """Return the tensor product of Pauli matrices, complex128."""
    matrix = torch.ones(1, 1, dtype=torch.complex128)
    for letter in letters:
        matrix = torch.kron(matrix, torch.tensor(_FIXED[letter], dtype=torch.complex128))
    return matrix


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # cached for training too
def noise_superoperators(noise: Noise, n_wires: int) -> tuple[tuple[tuple[int, ...], Tensor], ...]:
    """Return the channels after a gate on `n_wires` qubits, in order, as (positions among its wires, superoperator).

    A superoperator `sum_k K (x) conj(K)` acts on the row and the column index of a density matrix together; all of
    them are real, so the density matrix of a real circuit stays real.
    """
    every = tuple(range(n_wires))
    pauli = noise.one_qubit if n_wires == 1 else noise.two_qubit
    channels = [(every, _depolarizing(pauli, n_wires))] if pauli else []
    for probability, kraus in ((noise.amplitude_damping, _amplitude), (noise.phase_damping, _phase)):
        if probability:
            channels += [((wire,), _superoperator(kraus(probability))) for wire in every]
    return tuple(channels)


def _depolarizing(probability: float, n_wires: int) -> Tensor:
    """Return the channel of a uniformly random non-identity Pauli string with the given probability."""
    strings = ["".join(letters) for letters in product(_PAULIS, repeat=n_wires)]
    share = probability / (len(strings) - 1)
    weights = [1.0 - probability] + [share] * (len(strings) - 1)
    return _superoperator([math.sqrt(w) * pauli_matrix(s) for w, s in zip(weights, strings, strict=True)])


def _amplitude(probability: float) -> list[Tensor]:
    keep, decay = math.sqrt(1.0 - probability), math.sqrt(probability)
    return [_complex([[1, 0], [0, keep]]), _complex([[0, decay], [0, 0]])]


def _phase(probability: float) -> list[Tensor]:
    keep, lose = math.sqrt(1.0 - probability), math.sqrt(probability)
    return [_complex([[1, 0], [0, keep]]), _complex([[0, 0], [0, lose]])]


def _superoperator(kraus: Sequence[Tensor]) -> Tensor:
    total = torch.stack([torch.kron(k, k.conj()) for k in kraus]).sum(0)
    return total.real


def _complex(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.complex128)
