"""Base class of algorithms that minimise an energy: a model without data that takes optimiser steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from hqlm.algorithms.hamiltonian import Hamiltonian
from hqlm.algorithms.optimizers import CircuitOptimizer
from hqlm.algorithms.problems import Problem
from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.backends.memory import check_memory
from hqlm.circuits import Circuit
from hqlm.contracts import returns
from hqlm.errors import CheckpointError, ComponentError, ConfigError, TrainingError
from hqlm.execution import Execution
from hqlm.layer import QuantumLayer
from hqlm.models import HqlmModule, Schedule

_TOLERANCES: Final = ("eps", "tolerance_grad", "tolerance_change", "tolerance")  # options for values of order 1


class EnergyMinimizer(HqlmModule):
    """Minimises `E(w) = <0| U(w)^+ H U(w) |0>`; it reads no data, so `--data` is left out.

    It logs `train/energy` of every step and, once per epoch, `val/energy` as measured with the execution. If the
    Hamiltonian is small enough, it also logs `val/error` (above the exact lowest energy), and for the noise-free state
    `val/variance` of its energy and `val/fidelity` with the exact lowest level. Angles are in double precision.

    Any torch optimiser that takes a closure can be used; one that calls it without gradients computes none.
    Optimisers see the energy without its constant; those with an absolute tolerance (`eps` of Adam, `tolerance_grad` of
    LBFGS, ...) see it in units of the largest coefficient of the Hamiltonian, so that its scale has no effect. The
    learning rate of others (SGD, SPSA, QuantumNaturalGradient) is in radians per unit of energy.

    Args:
        problem: problem to solve.
        backend: quantum SDK or engine.
        execution: shots, noise, seed and gradient rule.
        steps_per_epoch: number of optimiser steps between two validations.
        optimizer: class of the optimiser.
        schedule: learning-rate schedule, per step.
    """

    score = "val/energy"
    score_title = "energy"
    score_mode = "min"

    def __init__(
        self,
        problem: Problem,
        backend: QuantumBackend,
        execution: Execution,
        steps_per_epoch: int,
        optimizer: OptimizerCallable,
        schedule: Schedule,
    ) -> None:
        super().__init__(optimizer, schedule)
        if steps_per_epoch < 1:
            raise ConfigError(f"model.steps_per_epoch must be 1 or more, given {steps_per_epoch}")
        self.automatic_optimization = False  # one step may evaluate the energy many times, or without gradients
        self.problem = problem
        self.backend = backend
        self.execution = execution
        self.steps_per_epoch = steps_per_epoch
        self._energy_unit = 1.0  # unit of the energies that the optimiser sees

    @abstractmethod
    @returns("a Circuit", lambda circuit, self: isinstance(circuit, Circuit))
    def circuit(self) -> Circuit:
        """Return U, without observables, on the qubits of the Hamiltonian."""

    @abstractmethod
    @returns(
        "a tensor (n_weights,)",
        lambda found, self, n_weights: isinstance(found, Tensor) and tuple(found.shape) == (n_weights,),
    )
    def initial_weights(self, n_weights: int) -> Tensor:
        """Return the initial weights, in radians `(n_weights,)`."""

    @cached_property
    def hamiltonian(self) -> Hamiltonian:
        """The Hamiltonian H."""
        return self.problem.hamiltonian()

    def configure_model(self) -> None:
        """Build the circuit as a layer.

        Raises:
            ConfigError: if there is nothing to minimise.
            UnsupportedExecution: if the backend cannot run it.
        """
        if hasattr(self, "quantum"):
            return
        n_qubits = self.hamiltonian.n_qubits
        self.backend.check(Circuit(n_qubits, (), ()), self.execution)  # before anything of that size is allocated
        circuit = replace(self.circuit(), observables=self.hamiltonian.observables)
        if not self.hamiltonian.unit or not circuit.n_weights:
            lacking = (
                "a term other than the identity, with a coefficient other than 0"
                if circuit.n_weights
                else "a weight. Raise model.n_layers"
            )
            raise ConfigError(f"{type(self).__name__} has nothing to minimise: it needs {lacking}")
        if isinstance(self.backend, StatevectorBackend):  # a gradient needs two states
            check_memory(n_qubits, 2, 8 if circuit.is_real else 16)
        self.quantum = QuantumLayer(circuit, self.backend, self.execution).double()
        with torch.no_grad():
            self.quantum.weight.copy_(self.initial_weights(circuit.n_weights))

    def setup(self, stage: str) -> None:
        """Reject a data set, and several processes, which would each take a part of the steps.

        Raises:
            ConfigError: with the option to leave out.
        """
        if stage == "fit" and self.trainer.world_size > 1:
            raise ConfigError(f"{type(self).__name__} has no rows that processes could share. Set trainer.devices=1")
        data = getattr(self.trainer, "datamodule", None)
        if data is not None:
            raise ConfigError(f"{type(self).__name__} reads no data. Leave --data={type(data).__name__} out")

    def forward(self) -> Tensor:
        """Return the energy of the current weights, a scalar."""
        return self.hamiltonian.expectation(self.quantum()[0])

    def states(self) -> Tensor:
        """Return the noise-free state of the current weights, `(1, 2**n_qubits)`."""
        with torch.no_grad():
            return StatevectorBackend().states(self.quantum.circuit, self.quantum.weight)

    def configure_optimizers(self) -> Any:
        """Return the optimiser, attached to the circuit if it needs it, and its schedule."""
        configured = super().configure_optimizers()
        optimizer = configured if isinstance(configured, Optimizer) else configured["optimizer"]
        has_tolerance = any(name in optimizer.param_groups[0] for name in _TOLERANCES)
        self._energy_unit = self.hamiltonian.unit if has_tolerance else 1.0
        if isinstance(optimizer, CircuitOptimizer):
            optimizer.attach(self.quantum.circuit)
        return configured

    def training_step(self, batch: int, batch_idx: int) -> None:
        """Take one step of the optimiser.

        Raises:
            TrainingError: if the energy or a weight is not finite.
        """
        optimizer = self.optimizers()
        value = optimizer.step(self._objective)  # type: ignore[union-attr]
        if not isinstance(value, Tensor | float):
            raise ComponentError(
                f"{type(optimizer).__name__}.step returned a {type(value).__name__}. It must call its closure and "
                "return the energy"
            )
        energy = self.hamiltonian.constant + self._energy_unit * value
        if not bool(self.quantum.weight.isfinite().all()):
            raise TrainingError(f"a weight is not finite after step {self.global_step}. Lower model.optimizer.lr")
        scheduler = self.lr_schedulers()
        if scheduler is not None:
            scheduler.step()  # type: ignore[union-attr]
        self.log("train/energy", energy, prog_bar=True)

    def _objective(self) -> Tensor:
        energy = self.hamiltonian.variable_part(self.quantum()[0]) / self._energy_unit
        if not bool(energy.isfinite()):
            raise TrainingError(f"the energy is {energy.item()} at step {self.global_step}: a weight is not finite")
        if torch.is_grad_enabled():
            self.quantum.weight.grad = None
            self.manual_backward(energy)
        return energy.detach()

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """Log the energy and its distance from the exact solution."""
        # not in the progress bar, which would need a line for each
        self.log_dict({f"val/{name}": value for name, value in self.assess().items()}, batch_size=1)

    def test_step(self, batch: int, batch_idx: int) -> None:
        """Log the energy and its distance from the exact solution."""
        self.log_dict({f"test/{name}": value for name, value in self.assess().items()}, batch_size=1)

    def assess(self) -> dict[str, Tensor]:
        """Return `energy` and, if available, `error`, `variance` and `fidelity`, as scalars in double precision."""
        with torch.no_grad():
            variable = self.hamiltonian.variable_part(self.quantum()[0])
        found = {"energy": variable + self.hamiltonian.constant}
        ground = self.hamiltonian.ground
        if ground is not None:
            states = self.states()
            found["error"] = variable - ground.variable_part
            found["variance"] = self.hamiltonian.moments(states)[1][0]
            found["fidelity"] = ground.fidelity(states)[0]
        return found

    def data_files(self) -> Sequence[Path]:
        """Return the files that the problem is read from."""
        return self.problem.data_files()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the Hamiltonian, whose file may change or disappear later."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["hamiltonian"] = dict(self.hamiltonian.terms)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the Hamiltonian of the checkpoint, or compare with it if the model already has one.

        Raises:
            CheckpointError: if they differ.
        """
        super().on_load_checkpoint(checkpoint)
        kept = Hamiltonian.of(checkpoint["hamiltonian"])
        own = vars(self).setdefault("hamiltonian", kept)
        if not kept.is_near(own):
            raise CheckpointError(
                f"the checkpoint was trained on a Hamiltonian that differs from that of {self.problem}"
            )

    def train_dataloader(self) -> DataLoader[int]:
        """Return the steps of an epoch."""
        return _steps(self.steps_per_epoch)

    def val_dataloader(self) -> DataLoader[int]:
        """Return one validation."""
        return _steps(1)

    def test_dataloader(self) -> DataLoader[int]:
        """Return one test."""
        return _steps(1)

    def predict_dataloader(self) -> DataLoader[int]:
        """Raise an error: there is nothing to predict.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"{type(self).__name__} reads no texts, so there is nothing to predict. Try hqlm test")


def _steps(count: int) -> DataLoader[int]:
    return DataLoader(range(count), batch_size=None)  # type: ignore[arg-type]
