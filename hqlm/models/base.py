"""Base class of all models: a LightningModule whose hyperparameters are primitives, with optimiser and schedule."""

from __future__ import annotations

import inspect
import math
import os
import types
from abc import ABC
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Optimizer

from hqlm.circuits import Circuit
from hqlm.contracts import Contracted
from hqlm.errors import CheckpointError, ConfigError, TrainingError, describe, refusal, user_mistake
from hqlm.layer import circuit_weights, circuits
from hqlm.models.preparation import Preparation, check_callbacks
from hqlm.models.recipes import to_primitives
from hqlm.models.resuming import change_options, check_settings, describe_misfits, keep_callback_options
from hqlm.models.schedules import Schedule, check_schedule, scheduler_config
from hqlm.plain import to_plain

_INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"  # Lightning's trusted function for class paths
_WARM_START: Final = ", or start a new run from its head: --model.init_from=RUN without --ckpt_path"
_PLAIN: Final = frozenset(  # parts of a checkpoint with options, such as a rate from numpy.logspace
    {"optimizer_states", "lr_schedulers", "hyper_parameters", "optimizer_options"}
)
LOWER_RATE: Final = "Lower model.optimizer.lr, or set trainer.gradient_clip_val"


def show_score(value: float) -> str:
    """Return a score with four decimals, or with four significant digits if these would show too few or too many."""
    return f"{value:.4f}" if value == 0.0 or 0.1 <= abs(value) < 1e6 else f"{value:.4g}"


class HqlmModule(LightningModule, Contracted, ABC):
    """Base class of all models that can be chosen on the command line.

    A subclass calls `self.save_hyperparameters()` in `__init__` and builds its modules in `configure_model()`, which
    is idempotent and only reads the hyperparameters.

    Args:
        optimizer: class of the optimiser, or a `functools.partial` of one.
        schedule: learning-rate schedule, per step, or a callable that creates a scheduler from the optimiser.

    Attributes:
        score: metric by which the best checkpoint is chosen, logged once per epoch.
        score_title: title of that metric in the summary of a run.
        score_mode: whether a good score is high or low.
        requires: import names of the optional packages that it needs to run.
        install: arguments of `pip install` that install them.

    Raises:
        ConfigError: for a schedule that is neither a name nor a callable.
    """

    score: str = "val/acc"
    score_title: str = "validation accuracy"
    score_mode: Literal["max", "min"] = "max"
    requires: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""

    def __init__(self, optimizer: OptimizerCallable, schedule: Schedule | LRSchedulerCallable) -> None:
        super().__init__()
        if not callable(schedule):
            check_schedule(schedule)
        self._optimizer = optimizer
        self._schedule = schedule
        self.checkpoint: Path | None = None  # checkpoint that it was loaded from
        self.run_folder: Path | None = None  # folder of the run of that checkpoint
        self._planned_steps: int | None = None  # number of steps of the run of that checkpoint
        self._options: list[dict[str, Any]] = []  # configured options of the optimiser's groups
        self._resumed: dict[str, Any] | None = None  # checkpoint that training resumes from

    def save_hyperparameters(
        self, *args: Any, frame: types.FrameType | None = None, logger: bool = False, **kwargs: Any
    ) -> None:
        """Store the arguments of `__init__` as the command line does: class paths and primitives.

        Raises:
            ConfigError: for an argument that a configuration cannot express, such as a lambda.
        """
        caller = inspect.currentframe()
        assert caller is not None
        super().save_hyperparameters(*args, frame=frame or caller.f_back, logger=logger, **kwargs)
        for name, value in self.hparams.items():
            self.hparams[name] = to_primitives(value, name)
        self.hparams.setdefault("_class_path", f"{type(self).__module__}.{type(self).__qualname__}")
        self.hparams.setdefault("_instantiator", _INSTANTIATOR)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]  # only paths, and only weights
        cls, checkpoint_path: str | os.PathLike[str], map_location: Any = None, **options: Any
    ) -> Self:
        """Load a checkpoint as Lightning does, if it names only classes that `hqlm.load` creates without plugins.

        Args:
            checkpoint_path: file of the checkpoint.
            map_location: device for its weights.
            options: keyword arguments as in Lightning; hyperparameters among them replace those in the file.

        Raises:
            CheckpointError: if it cannot be read, or names unknown classes.
        """
        from hqlm.models.reading import read_checkpoint  # imports models
        from hqlm.models.restoring import check_model

        hparams = read_checkpoint(checkpoint_path)["hyper_parameters"]
        path = Path(checkpoint_path)
        check_model({name: value for name, value in hparams.items() if name not in options}, path)
        try:
            model: Self = super().load_from_checkpoint(path, map_location, **{**options, "weights_only": True})
        except (SystemExit, ArgumentError, TypeError, ValueError, AttributeError, LookupError, RuntimeError) as err:
            raise user_mistake(err) or CheckpointError(
                f"{cls.__name__} cannot be loaded from {path}: {describe(err)}"
            ) from err
        return model

    def find_body(self, body: Path) -> None:
        """Set the folder of a tuned text encoder, before the first text; ignored by models without one."""

    def initialize(self) -> None:
        """Set the values that a new fit estimates from the training data, before any callback sees the model."""

    def configure_callbacks(self) -> list[Callback]:
        """Reject callbacks that would make the run's files wrong, and add the one that builds the model first.

        Raises:
            ConfigError: with the callback, and an alternative.
        """
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        check_callbacks(map(type, callbacks))
        if not any(isinstance(each, Preparation) for each in callbacks):
            callbacks.insert(0, Preparation())
        return []

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return groups of trainable parameters for the optimiser, with their own options if they have any."""
        return [{"params": [parameter for parameter in self.parameters() if parameter.requires_grad]}]

    def configure_optimizers(self) -> Any:
        """Return the optimiser of all trainable parameters, and its schedule.

        Raises:
            ConfigError: if the optimiser cannot be created, has options out of range for the weights, or has no
                learning rate for its schedule; and if a resumed run has another number of steps than its schedule.
        """
        try:
            optimizer: Optimizer = self._optimizer(self.parameter_groups())
        except Exception as err:  # a constructor that the user chose may raise anything
            mistake = refusal(err, "model.optimizer")
            if mistake is None:
                raise
            raise mistake from err
        if not isinstance(optimizer, Optimizer):
            raise ConfigError(
                f"model.optimizer created a {type(optimizer).__name__}. It must be a class of torch.optim.Optimizer"
            )
        _check_range(optimizer)
        self._options = [
            {name: value for name, value in group.items() if isinstance(value, bool | int | float | str | tuple)}
            for group in optimizer.param_groups
        ]
        if self._schedule != "constant" and "lr" not in optimizer.defaults:
            raise ConfigError(f"{type(optimizer).__name__} has no learning rate: set model.schedule=constant")
        steps = self._count_steps()
        if self._resumed is not None and None not in (self._planned_steps, steps) and self._planned_steps != steps:
            raise ConfigError(
                f"schedule={self._schedule} was made for {self._planned_steps} steps, but trainer and data now give "
                f"{steps} steps. Resume with the same max_epochs, data and batch size, or start a new run"
            )
        self._planned_steps = steps
        if self._resumed is not None:
            change_options(self._resumed, self._options)
            self._resumed = None
        return scheduler_config(self._schedule, optimizer, steps or 0)

    def _count_steps(self) -> int | None:
        """Return how many steps a named schedule spans; None if no schedule counts them."""
        if self._schedule == "constant" or not isinstance(self._schedule, str):
            return None
        if any(isinstance(each, GradientAccumulationScheduler) for each in self.trainer.callbacks):  # type: ignore[attr-defined]
            raise ConfigError(
                f"model.schedule={self._schedule} needs the number of steps, which GradientAccumulationScheduler "
                "changes. Set model.schedule=constant, or trainer.accumulate_grad_batches instead of the callback"
            )
        steps = self.trainer.estimated_stepping_batches
        if not math.isfinite(steps):
            raise ConfigError(
                f"model.schedule={self._schedule} needs the number of steps, which is unlimited. Set "
                "trainer.max_epochs, or model.schedule=constant"
            )
        return int(steps)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the number of steps of the schedule, and the initial options of the optimiser.

        Raises:
            TrainingError: if a weight is not finite, so that the last good checkpoint is not overwritten.
        """
        self.check_weights()
        checkpoint["planned_steps"] = self._planned_steps
        checkpoint["optimizer_options"] = self._options
        for key in _PLAIN.intersection(checkpoint):
            checkpoint[key] = to_plain(checkpoint[key], keep=Tensor)

    def check_weights(self) -> None:
        """Reject weights that are not finite.

        Raises:
            TrainingError: with the first that is not finite.
        """
        spoilt = [name for name, weight in self.named_parameters() if not weight.isfinite().all()]
        if spoilt:
            raise TrainingError(
                f"{spoilt[0]} is not finite after step {self.global_step}. It is not saved; earlier checkpoints are "
                f"kept. {LOWER_RATE}"
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the number of steps of the schedule; check that training can resume from here."""
        self._planned_steps = checkpoint.get("planned_steps")
        if self._trainer is not None and self._trainer.state.fn == TrainerFn.FITTING:
            self.check_resume(checkpoint)
            keep_callback_options(checkpoint, self._trainer.callbacks)  # type: ignore[attr-defined]
            self._resumed = checkpoint

    def check_resume(self, checkpoint: Mapping[str, Any]) -> None:
        """Reject settings that a resumed run cannot change.

        Args:
            checkpoint: checkpoint that training resumes from.

        Raises:
            ConfigError: for another class of optimiser or another schedule.
        """
        check_settings(checkpoint["hyper_parameters"], self.hparams)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load weights as torch does.

        Raises:
            CheckpointError: if the weights do not fit the configured model.
        """
        try:
            return super().load_state_dict(state_dict, strict=strict, assign=assign)
        except RuntimeError as err:
            raise CheckpointError(
                f"the weights of the checkpoint do not fit {type(self).__name__} as configured: "
                f"{describe_misfits(state_dict, self.state_dict())}. Keep the options that determine the architecture"
                f"{_WARM_START if hasattr(self, 'init_from') else ''}"
            ) from err

    def data_files(self) -> Sequence[Path]:
        """Return the files, besides those of the data module, whose content the model is trained on."""
        return ()

    def circuits(self) -> dict[str, Circuit]:
        """Return the circuits that it runs once it is built, equal ones once, by the names of its modules."""
        return circuits(self)

    def parameter_counts(self) -> dict[str, int]:
        """Count the trainable parameters of quantum circuits, and all others."""
        quantum = sum(weight.numel() for weight in circuit_weights(self))
        total = sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
        return {"quantum": quantum, "classical": total - quantum}


def _check_range(optimizer: Optimizer) -> None:
    """Reject options out of range for the weights' type, which torch reports in the first step, without names."""
    for group in optimizer.param_groups:
        largest = min((torch.finfo(parameter.dtype).max for parameter in group["params"]), default=math.inf)
        for name, value in group.items():
            if isinstance(value, float) and largest < abs(value) < math.inf:
                raise ConfigError(
                    f"model.optimizer.{name}={value:g} is too large. Weights can be at most {largest:.2g}"
                )
