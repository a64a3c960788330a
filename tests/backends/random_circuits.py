"""Circuits and states for tests: random ones from seeds, and one in which every gate follows every gate."""

from __future__ import annotations

import random
from itertools import permutations

import torch
from hypothesis import strategies as st
from torch import Tensor

from hqlm.circuits import GATES, Circuit, Gate, Input, PauliString, Weight

REAL_GATES = tuple(name for name, kind in GATES.items() if kind.real)
ALL_GATES = tuple(GATES)


def random_circuit(seed: int, n_qubits: int, n_gates: int, names: tuple[str, ...] = ALL_GATES) -> Circuit:
    """Gates on random wires; weights, inputs (some shared) and constants as angles; five random observables.

    Half of the gates prefer the wires of the gate before, so that gates which a backend joins or runs together meet.
    """
    draw = random.Random(seed)
    fitting = [name for name in names if GATES[name].n_wires <= n_qubits]
    gates = [Gate("RY", (0,), Weight(0)), Gate("RY", (0,), Input(0))]
    for _ in range(n_gates):
        name = draw.choice(fitting)
        angle = draw.choice(
            [Weight(draw.randrange(5), draw.choice([1.0, -0.5])), Input(draw.randrange(3), 0.7), draw.uniform(-3, 3)]
        )
        wires = draw.sample(range(n_qubits), n_qubits)
        if draw.random() < 0.5:
            wires.sort(key=lambda wire: wire not in gates[-1].wires)
        gates.append(Gate(name, tuple(wires[: GATES[name].n_wires]), angle if GATES[name].parameterised else None))
    letters = ["".join(draw.choice("IXYZ") for _ in range(n_qubits)) for _ in range(5)]
    return Circuit(n_qubits, tuple(gates), tuple(map(PauliString, letters)))


def every_pair(n_qubits: int, wires: tuple[int, ...]) -> Circuit:
    """Every gate on every choice out of `wires`, each of them once right after each of them; inputs as angles.

    The order is that of a de Bruijn sequence: the Lyndon words of one and of two letters in turn.
    """
    gates = [
        Gate(name, chosen, Input(number % 5, 0.3 + 0.1 * (number % 7)) if kind.parameterised else None)
        for number, (name, kind) in enumerate(GATES.items())
        for chosen in permutations(wires, kind.n_wires)
    ]
    order: list[Gate] = []
    for place, one in enumerate(gates):
        order += [one, *(gate for other in gates[place + 1 :] for gate in (one, other))]
    observables = [PauliString(first.ljust(n_qubits, "Z")) for first in ("IXZ", "YZI", "XYX")]
    return Circuit(n_qubits, (*order, gates[0]), tuple(observables))


def random_states(seed: int, batch: int, n_qubits: int, dtype: torch.dtype) -> Tensor:
    """Normalised random states `(batch, 2**n_qubits)`."""
    states = torch.randn(batch, 2**n_qubits, dtype=dtype, generator=torch.Generator().manual_seed(seed))
    return states / torch.linalg.vector_norm(states, dim=1, keepdim=True)


def random_parameters(seed: int, circuit: Circuit, batch: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Weights and inputs of a circuit."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(circuit.n_weights, dtype=dtype, generator=generator)
    return weights, torch.randn(batch, circuit.n_inputs, dtype=dtype, generator=generator)


SEEDS = st.integers(0, 2**31)
