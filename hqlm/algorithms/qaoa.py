"""The quantum approximate optimisation algorithm, with classical pre- and post-processing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from hqlm.ablation import remove_modules
from hqlm.algorithms.energy import EnergyMinimizer
from hqlm.algorithms.heuristics import goemans_williamson, greedy, local_search
from hqlm.algorithms.ising import MOST_EXACT, Bits, Ising, Values
from hqlm.algorithms.qaoa_circuit import interpolated, qaoa_circuit, ramp
from hqlm.algorithms.spin_problems import MaxCut, SpinProblem
from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError
from hqlm.execution import Execution
from hqlm.execution.execution import MOST_SHOTS
from hqlm.models import Schedule
from hqlm.notices import say_once

Start = Literal["none", "greedy", "goemans_williamson"]


@dataclass(frozen=True)
class Solution:
    """Result of a search.

    Args:
        bits: the best choice, one bit per spin, qubit 0 first.
        chosen: names of the spins of bit 1: nodes of a graph, else their indices.
        energy: its energy.
        sampled: lowest energy among the measured bits.
        refined: lowest energy after a local search from every measured choice; that of `bits`.
        classical: lowest energy of the classical heuristic without the circuit, including local search.
        exact: lowest energy of all choices; None for more than 20 spins.
    """

    bits: tuple[int, ...]
    chosen: tuple[str, ...]
    energy: float
    sampled: float
    refined: float
    classical: float
    exact: float | None


class QAOA(EnergyMinimizer):
    """Minimises an energy of spins with a classical start, a circuit with trained angles and a local search.

    A test samples the circuit, improves every sample by a local search, and logs, besides the energy, the approximation
    ratios `(E_max - E) / (E_max - E_min)` of the mean energy (`test/ratio`), of the best sample (`test/ratio_sampled`),
    of the best refined one (`test/ratio_refined`) and of the classical heuristic alone (`test/ratio_classical`).

    Sources: Farhi et al. (2014), arXiv:1411.4028; Egger et al. (2021), arXiv:2009.10095 (start); Zhou et al. (2020),
    arXiv:1812.01041 (interpolation).

    Gammas are in units of the inverse of the problem's largest coefficient, so that all angles are of order 1.

    Args:
        problem: a problem over spins.
        n_layers: number of layers, the depth p.
        start: classical solution that the circuit starts around; `none` for the uniform superposition.
        doubt: probability that a bit of the start is first measured as its opposite (epsilon of warm-start QAOA).
        angles: `ramp`, a slow linear schedule; or `interpolated`, the optimum of every lower depth in turn, found
            without noise on the native engine and interpolated.
        samples: number of measurements at the end.
        ablate: modules to remove from the circuit: entanglement, that is all two-qubit gates.
        backend: quantum SDK or engine.
        execution: shots, noise, seed and gradient rule.
        steps_per_epoch: number of optimiser steps between two validations.
        optimizer: class of the optimiser: any of torch, or QuantumNaturalGradient, SPSA, Rotosolve, SciPyOptimizer.
        schedule: learning-rate schedule, per step.
    """

    def __init__(
        self,
        problem: SpinProblem = MaxCut(),
        n_layers: int = 2,
        start: Start = "none",
        doubt: float = 0.25,
        angles: Literal["ramp", "interpolated"] = "ramp",
        samples: int = 256,
        ablate: Sequence[Literal["entanglement"]] = (),
        backend: QuantumBackend = StatevectorBackend(),
        execution: Execution = Execution(),
        steps_per_epoch: int = 20,
        optimizer: OptimizerCallable = torch.optim.Adam,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(problem, backend, execution, steps_per_epoch, optimizer, schedule)
        self.problem: SpinProblem = problem
        if samples < 1:
            raise ConfigError(f"model.samples must be 1 or more, given {samples}")
        if samples > MOST_SHOTS:
            raise ConfigError(f"model.samples must be at most {MOST_SHOTS:,}, given {samples:,}")
        self.save_hyperparameters()
        self.n_layers = n_layers
        self.start = start
        self.doubt = doubt
        self.angles = angles
        self.samples = samples
        self.ablate = tuple(ablate)

    @cached_property
    def ising(self) -> Ising:
        """Energy of the spins."""
        return self.problem.ising()

    @cached_property
    def start_bits(self) -> Bits | None:
        """Classical solution that the circuit starts around."""
        if self.start == "none":
            return None
        return greedy(self.ising) if self.start == "greedy" else goemans_williamson(self.ising)[0]

    def circuit(self) -> Circuit:
        """Return the layers of problem and mixer.

        Raises:
            ConfigError: for an ablation that removes nothing.
        """
        return self._circuit(self.n_layers)

    def initial_weights(self, n_weights: int) -> Tensor:
        """Return the initial angles in radians, by the rule of `angles`."""
        if self.angles == "ramp":
            return torch.from_numpy(_start(self.n_layers))
        angles = _start(1)
        for depth in range(1, self.n_layers):
            angles = interpolated(self._optimum(depth, torch.from_numpy(angles)))
        return torch.from_numpy(angles)

    def test_step(self, batch: int, batch_idx: int) -> None:
        """Log the energy, and the ratios of samples and of the classical heuristic."""
        super().test_step(batch, batch_idx)
        if not self.ising.is_small:
            say_once(
                f"test/ratio is left out: it needs the energies of all 2^{self.ising.n_spins} choices, and these are "
                f"computed for up to {MOST_EXACT} spins"
            )
            return
        with torch.no_grad():
            energies = {"": float(self.hamiltonian.variable_part(self.quantum()[0]))}
        _, found = self._search()
        energies |= {f"_{name}": energy for name, energy in found.items()}
        least, most = self.ising.variable_extremes
        for name, energy in energies.items():
            self.log(f"test/ratio{name}", (most - energy) / (most - least), batch_size=1)

    def solution(self) -> Solution:
        """Sample the circuit and improve the samples; the execution's seed governs both."""
        best, found = self._search()
        energies = {name: self.ising.constant + energy for name, energy in found.items()}
        return Solution(
            bits=tuple(int(bit) for bit in best),
            chosen=tuple(name for name, bit in zip(self.problem.names(), best, strict=True) if bit),
            energy=energies["refined"],
            **energies,
            exact=self.ising.extremes[0] if self.ising.is_small else None,
        )

    def _search(self) -> tuple[Bits, dict[str, float]]:
        """Return the best bits, and the energies of a `Solution` without the constant."""
        self.configure_model()
        execution = replace(self.execution, shots=self.execution.shots or self.samples)
        bits = self.backend.sample(self.circuit(), self.quantum.weight.detach(), execution=execution)
        measured = np.unique(bits[0].cpu().numpy(), axis=0)
        refined = local_search(self.ising, measured)
        heuristic = np.stack((greedy(self.ising), goemans_williamson(self.ising)[0]))
        choices = {"sampled": measured, "refined": refined, "classical": local_search(self.ising, heuristic)}
        energies = {name: self.ising.variable_part(bits) for name, bits in choices.items()}
        return refined[energies["refined"].argmin()], {name: float(each.min()) for name, each in energies.items()}

    def _circuit(self, n_layers: int) -> Circuit:
        circuit = qaoa_circuit(self.ising.scaled, n_layers, self.start_bits, self.doubt)
        left: Circuit = remove_modules(replace(circuit, observables=()), self.ablate, _remove, lambda circuit: circuit)
        return left

    def _optimum(self, depth: int, angles: Tensor) -> Tensor:
        circuit = replace(self._circuit(depth), observables=self.hamiltonian.observables)
        weights = angles.clone().requires_grad_()
        optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

        def energy() -> Tensor:
            optimizer.zero_grad()
            values = StatevectorBackend().expectations(circuit, weights)[0]
            found = self.hamiltonian.variable_part(values) / self.hamiltonian.unit
            found.backward()  # type: ignore[no-untyped-call]
            return found.detach()

        with torch.enable_grad():
            optimizer.step(energy)  # type: ignore[no-untyped-call]
        return weights.detach()


def _remove(circuit: Circuit, word: str) -> Circuit:
    if word != "entanglement":
        return circuit
    return replace(circuit, gates=tuple(gate for gate in circuit.gates if len(gate.wires) == 1))


def _start(n_layers: int) -> Values:
    """Return a ramp of angles; gammas are halved because the largest coupling of a cut is 1/2 and here 1."""
    angles: Values = ramp(n_layers) * np.tile((0.5, 1.0), n_layers)
    return angles
