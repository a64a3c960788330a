"""Random circuits for hypothesis, and parameters, states and observables for them."""

from __future__ import annotations

from collections.abc import Collection
from itertools import product

import torch
from hypothesis import strategies as st
from torch import Tensor

from hqlm.circuits import GATES, Angle, Circuit, Gate, Input, PauliString, Weight

_SCALES = (1.0, -0.5, 2.0)


def angles() -> st.SearchStrategy[Angle]:
    """Return weights and inputs with few indices, so that gates share them, and constants in radians."""
    scale = st.sampled_from(_SCALES)
    return st.one_of(
        st.builds(Weight, st.integers(0, 3), scale),
        st.builds(Input, st.integers(0, 2), scale),
        st.floats(-6.0, 6.0).map(lambda angle: round(angle, 3)),
    )


@st.composite
def gates(draw: st.DrawFn, n_qubits: int, names: Collection[str] = tuple(GATES)) -> Gate:
    """Draw one gate on `n_qubits` qubits with one of `names`."""
    name = draw(st.sampled_from(sorted(name for name in names if GATES[name].n_wires <= n_qubits)))
    wires = draw(st.permutations(range(n_qubits)))[: GATES[name].n_wires]
    return Gate(name, tuple(wires), draw(angles()) if GATES[name].parameterised else None)


@st.composite
def circuits(
    draw: st.DrawFn,
    names: Collection[str] = tuple(GATES),
    max_qubits: int = 3,
    max_gates: int = 12,
    letters: str = "IXYZ",
) -> Circuit:
    """Draw circuits of 1 to `max_qubits` qubits with one to four observables of `letters`."""
    n_qubits = draw(st.integers(1, max_qubits))
    acting = draw(st.lists(gates(n_qubits, names), max_size=max_gates))
    strings = st.text(letters, min_size=n_qubits, max_size=n_qubits).map(PauliString)
    return Circuit(n_qubits, tuple(acting), tuple(draw(st.lists(strings, min_size=1, max_size=4))))


def all_observables(n_qubits: int, letters: str = "IXYZ") -> tuple[PauliString, ...]:
    """Return every Pauli string of `letters` on `n_qubits` qubits: with all four letters, they determine the state."""
    return tuple(PauliString("".join(string)) for string in product(letters, repeat=n_qubits))


def random_parameters(circuit: Circuit, batch: int = 2, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    """Return weights and inputs (None if the circuit reads none) in radians, float64, from -3 to 3."""
    generator = torch.Generator().manual_seed(seed)
    weights = 6.0 * torch.rand(circuit.n_weights, generator=generator, dtype=torch.float64) - 3.0
    inputs = 6.0 * torch.rand(batch, circuit.n_inputs, generator=generator, dtype=torch.float64) - 3.0
    return weights, inputs if circuit.n_inputs else None


def random_states(n_qubits: int, batch: int = 2, seed: int = 0, dtype: torch.dtype = torch.complex128) -> Tensor:
    """Return normalised states `(batch, 2**n_qubits)` without any symmetry."""
    generator = torch.Generator().manual_seed(seed)
    amplitudes = torch.randn(batch, 2**n_qubits, generator=generator, dtype=dtype)
    states: Tensor = amplitudes / torch.linalg.vector_norm(amplitudes, dim=1, keepdim=True)
    return states
