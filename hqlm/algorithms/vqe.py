"""The variational quantum eigensolver."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from hqlm.ablation import remove_modules
from hqlm.algorithms.energy import EnergyMinimizer
from hqlm.algorithms.problems import IsingChain, Problem
from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.circuits import Ansatz, Circuit, Gate, HardwareEfficientAnsatz
from hqlm.errors import ConfigError
from hqlm.execution import Execution
from hqlm.models import Schedule


class VQE(EnergyMinimizer):
    """Finds the lowest energy of a Hamiltonian with an ansatz applied to a basis state.

    Source: Peruzzo et al. (2014), A variational eigenvalue solver on a quantum processor, arXiv:1304.3061.

    Args:
        problem: problem with the Hamiltonian.
        ansatz: trainable circuit.
        n_layers: number of its layers.
        initial_bits: basis state before the ansatz, qubit 0 first, such as the Hartree-Fock state `1100`; empty for
            all qubits in 0.
        ablate: modules to remove from the ansatz: entanglement, long_range.
        spread: initial weights are uniform in (-spread, spread) radians.
        backend: quantum SDK or engine.
        execution: shots, noise, seed and gradient rule.
        steps_per_epoch: number of optimiser steps between two validations.
        optimizer: class of the optimiser: any of torch, or QuantumNaturalGradient, SPSA, Rotosolve, SciPyOptimizer.
        schedule: learning-rate schedule, per step.
    """

    def __init__(
        self,
        problem: Problem = IsingChain(),
        ansatz: Ansatz = HardwareEfficientAnsatz(),
        n_layers: int = 2,
        initial_bits: str = "",
        ablate: Sequence[Literal["entanglement", "long_range"]] = (),
        spread: float = 0.1,
        backend: QuantumBackend = StatevectorBackend(),
        execution: Execution = Execution(),
        steps_per_epoch: int = 20,
        optimizer: OptimizerCallable = torch.optim.Adam,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(problem, backend, execution, steps_per_epoch, optimizer, schedule)
        if set(initial_bits) - set("01"):
            raise ConfigError(f"model.initial_bits must consist of 0 and 1, one per qubit; given '{initial_bits}'")
        if not 0.0 <= spread < math.inf:
            raise ConfigError(f"model.spread must be 0 or more, in radians; given {spread}")
        self.save_hyperparameters()
        self.ansatz = remove_modules(ansatz, ablate)
        self.n_layers = n_layers
        self.initial_bits = initial_bits
        self.spread = spread

    def circuit(self) -> Circuit:
        """Return X where the initial bits are 1, followed by the ansatz.

        Raises:
            ConfigError: if the number of bits is not that of qubits.
        """
        n_qubits = self.hamiltonian.n_qubits
        if len(self.initial_bits) not in (0, n_qubits):
            raise ConfigError(
                f"model.initial_bits='{self.initial_bits}' has {len(self.initial_bits)} bits, but the Hamiltonian has "
                f"{n_qubits} qubits"
            )
        flips = [Gate("X", (wire,)) for wire, bit in enumerate(self.initial_bits) if bit == "1"]
        return Circuit(n_qubits, (*flips, *self.ansatz.gates(n_qubits, self.n_layers)), ())

    def initial_weights(self, n_weights: int) -> Tensor:
        """Return weights that are uniform in (-spread, spread)."""
        return torch.empty(n_weights, dtype=torch.float64).uniform_(-1.0, 1.0) * self.spread
