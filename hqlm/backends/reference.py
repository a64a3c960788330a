"""State vectors and density matrices in plain PyTorch: used for CUDA tensors, and the readable reference.

A state is `(rows, 2**n)`, qubit 0 the most significant bit; a density matrix is the state of 2 n qubits whose first n
index its rows and last n its columns. Arithmetic is real whenever the circuit and the states are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hqlm.backends.matrices import gate_matrix, noise_superoperators
from hqlm.circuits import Circuit, Gate, PauliString
from hqlm.execution import Noise


def final_states(circuit: Circuit, angles: Tensor, states: Tensor | None) -> Tensor:
    """Return states `(rows, 2**n)` after all gates, for angles `(rows, n_angles)` in radians; differentiable."""
    psi = _initial_states(circuit, angles, states)
    for gate, angle in circuit.bound(angles.unbind(1)):
        psi = _apply_gate(psi, gate, gate_matrix(gate, angle, psi), gate.wires)
    return psi


def final_density_matrices(circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise) -> Tensor:
    """Return density matrices `(rows, 2**n, 2**n)` after all gates and their noise; differentiable."""
    n, size = circuit.n_qubits, 2**circuit.n_qubits
    psi = _initial_states(circuit, angles, states)
    rho = (psi[:, :, None] * psi[:, None, :].conj()).flatten(1)  # (rows, 4**n)
    for gate, angle in circuit.bound(angles.unbind(1)):
        matrix = gate_matrix(gate, angle, rho)
        rho = _apply_gate(rho, gate, matrix, gate.wires)
        rho = _apply_gate(rho, gate, matrix.conj(), [wire + n for wire in gate.wires])
        for positions, superoperator in noise_superoperators(noise, len(gate.wires)) if gate.noisy else ():
            wires = [gate.wires[position] for position in positions]
            rho = _apply(rho, superoperator.to(rho)[None], wires + [wire + n for wire in wires])
    return rho.view(-1, size, size)


def _initial_states(circuit: Circuit, angles: Tensor, states: Tensor | None) -> Tensor:
    complex_needed = not circuit.is_real or (states is not None and states.is_complex())
    dtype = angles.dtype.to_complex() if complex_needed else angles.dtype
    if states is not None:
        return states.to(dtype)
    zero = torch.zeros(len(angles), 2**circuit.n_qubits, dtype=dtype, device=angles.device)
    zero[:, 0] = 1.0
    return zero


def _apply_gate(state: Tensor, gate: Gate, matrix: Tensor, wires: Sequence[int]) -> Tensor:
    """Apply `matrix`, the gate's matrix, to wires of each state `(rows, 2**n)`."""
    if gate.kind.controlled:
        return _apply_controlled(state, gate, matrix, *wires)
    if len(wires) == 2:
        return _apply(state, matrix, wires)
    split = state.view(len(state), 2 ** wires[0], 2, -1)
    return torch.einsum("rij,rajb->raib", matrix, split).reshape(state.shape)


def _apply_controlled(state: Tensor, gate: Gate, matrix: Tensor, control: int, target: int) -> Tensor:
    """Apply `matrix` `(rows or 1, 2, 2)` to the target, in the half of each state where the control is 1."""
    low, high = sorted((control, target))
    split = state.view(len(state), 2**low, 2, 2 ** (high - low - 1), 2, -1)
    axis, target_axis = (2, 3) if control < target else (4, 2)  # the second index among the remaining axes
    idle, active = split.unbind(axis)
    if gate.name == "CNOT":
        changed = active.flip(target_axis)
    else:
        changed = torch.einsum("rij,rabjc->rabic" if target_axis == 3 else "rij,rajbc->raibc", matrix, active)
    return torch.stack((idle, changed), axis).view(state.shape)


def _apply(state: Tensor, matrix: Tensor, wires: Sequence[int]) -> Tensor:
    """Apply `matrix` `(rows or 1, 2**k, 2**k)` to k wires of each state `(rows, 2**n)`."""
    order = sorted(wires)
    shape, free = [len(state)], 0
    for wire in order:
        shape += [2 ** (wire - free), 2]
        free = wire + 1
    axes = [2 + 2 * order.index(wire) for wire in wires]
    last = list(range(-len(axes), 0))
    split = state.reshape(*shape, -1).movedim(axes, last)  # (rows, ..., 2, 2)
    product = split.reshape(len(state), -1, 2 ** len(axes)) @ matrix.mT
    return product.view(split.shape).movedim(last, axes).reshape(state.shape)


def state_expectations(observables: Sequence[PauliString], psi: Tensor) -> Tensor:
    """Return <psi| P |psi> of each Pauli string P, `(rows, n_observables)`, real."""
    return torch.stack([_state_expectation(observable, psi) for observable in observables], dim=1)


def _state_expectation(observable: PauliString, psi: Tensor) -> Tensor:
    flips, signs, phase = _action(observable, psi)
    overlap = (psi[:, flips].conj() * signs * psi).sum(1)
    return _real_part(phase, overlap)


def density_expectations(observables: Sequence[PauliString], rho: Tensor) -> Tensor:
    """Return tr(rho P) of each Pauli string P for density matrices `(rows, 2**n, 2**n)`: `(rows, n_observables)`."""
    values = []
    for observable in observables:
        flips, signs, phase = _action(observable, rho)
        diagonal = rho[:, torch.arange(len(flips), device=rho.device), flips]
        values.append(_real_part(phase, (diagonal * signs).sum(1)))
    return torch.stack(values, dim=1)


def _action(observable: PauliString, like: Tensor) -> tuple[Tensor, Tensor, complex]:
    """Return flips, signs and phase with P |k> = phase * signs[k] |flips[k]> for every basis state k."""
    n = len(observable.letters)
    basis = torch.arange(2**n, device=like.device)
    flips, parity = basis, torch.zeros_like(basis)
    for wire, letter in enumerate(observable.letters):
        bit = n - 1 - wire
        if letter in "XY":
            flips = flips ^ (1 << bit)
        if letter in "YZ":
            parity = parity ^ ((basis >> bit) & 1)
    phases: tuple[complex, ...] = (1, 1j, -1, -1j)
    real = like.real if like.is_complex() else like
    return flips, (1 - 2 * parity).to(real.dtype), phases[observable.letters.count("Y") % 4]


def _real_part(phase: complex, value: Tensor) -> Tensor:
    real, imaginary = (value.real, value.imag) if value.is_complex() else (value, torch.zeros_like(value))
    return phase.real * real - phase.imag * imaginary


def sample(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """Sample basis states as bits `(rows, shots, n)`, uint8, by inverse transform of `uniform (rows, shots)`."""
    n = probabilities.shape[1].bit_length() - 1
    cumulative = probabilities.double().cumsum(1)
    drawn = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    drawn = drawn.clamp(max=probabilities.shape[1] - 1)
    places = torch.arange(n - 1, -1, -1, device=drawn.device)
    return ((drawn[..., None] >> places) & 1).to(torch.uint8)
