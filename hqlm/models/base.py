"""What every model of hqlm is: a LightningModule whose hyperparameters are primitives, with optimiser and schedule."""

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

_INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"  # what Lightning trusts to read class paths
_WARM_START: Final = ", or start a new run from its head: --model.init_from=RUN without --ckpt_path"
_PLAIN: Final = frozenset(  # parts of a checkpoint that options are in, such as a rate from numpy.logspace
    {"optimizer_states", "lr_schedulers", "hyper_parameters", "optimizer_options"}
)
LOWER_RATE: Final = "Lower model.optimizer.lr, or set trainer.gradient_clip_val"


def show_score(value: float) -> str:
    """Return a score with four decimals, or with four significant digits where these would show too few or too many."""
    return f"{value:.4f}" if value == 0.0 or 0.1 <= abs(value) < 1e6 else f"{value:.4g}"


class HqlmModule(LightningModule, Contracted, ABC):
    """Base of all models that the command line can name.

    A subclass calls `self.save_hyperparameters()` in `__init__` and builds its modules in `configure_model()`, which
    is idempotent and reads nothing but the hyperparameters.

    Args:
        optimizer: class of the optimiser, or a `functools.partial` of one.
        schedule: learning-rate schedule, per step, or a callable that makes a scheduler from the optimiser.

    Attributes:
        score: metric that the best checkpoint is chosen by, logged once an epoch.
        score_title: what it is called in the summary of a run.
        score_mode: whether a good score is high or low.
        requires: optional packages, by import name, that it needs to run.
        install: what `pip install` takes to bring them.

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
        self.checkpoint: Path | None = None  # that it was loaded from
        self.run_folder: Path | None = None  # of the run that the checkpoint belongs to
        self._planned_steps: int | None = None  # of the run that a checkpoint comes from
        self._options: list[dict[str, Any]] = []  # of the groups of the optimiser, as configured
        self._resumed: dict[str, Any] | None = None  # checkpoint that training goes on from

    def save_hyperparameters(
        self, *args: Any, frame: types.FrameType | None = None, logger: bool = False, **kwargs: Any
    ) -> None:
        """Store the arguments of `__init__` as the command line does: class paths and primitives.

        Raises:
            ConfigError: for an argument that no configuration can name, such as a lambda.
        """
        caller = inspect.currentframe()
        assert caller is not None
        super().save_hyperparameters(*args, frame=frame or caller.f_back, logger=logger, **kwargs)
        for name, value in self.hparams.items():
            self.hparams[name] = to_primitives(value, name)
        self.hparams.setdefault("_class_path", f"{type(self).__module__}.{type(self).__qualname__}")
        self.hparams.setdefault("_instantiator", _INSTANTIATOR)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]  # paths alone, and weights alone
        cls, checkpoint_path: str | os.PathLike[str], map_location: Any = None, **options: Any
    ) -> Self:
        """As in Lightning, of a checkpoint that names nothing but what `hqlm.load` makes without plugins.

        Args:
            checkpoint_path: file of the checkpoint.
            map_location: device that its weights come to.
            options: as in Lightning; hyperparameters among them take the place of those in the file.

        Raises:
            CheckpointError: when it cannot be read, or names classes that are not known.
        """
        from hqlm.models.reading import read_checkpoint  # which makes models, and so stands above them
        from hqlm.models.restoring import check_model

        hparams = read_checkpoint(checkpoint_path)["hyper_parameters"]
        path = Path(checkpoint_path)
        check_model({name: value for name, value in hparams.items() if name not in options}, path)
        try:
            model: Self = super().load_from_checkpoint(path, map_location, **{**options, "weights_only": True})
        except (SystemExit, ArgumentError, TypeError, ValueError, AttributeError, LookupError, RuntimeError) as err:
            raise user_mistake(err) or CheckpointError(
                f"{cls.__name__} cannot be made of {path}: {describe(err)}"
            ) from err
        return model

    def find_body(self, body: Path) -> None:
        """Take the folder of a tuned text encoder, before the first text; most models have none."""

    def initialize(self) -> None:
        """Set what a fresh fit estimates from the training data, before any callback sees the model."""

    def configure_callbacks(self) -> list[Callback]:
        """Refuse callbacks that would lie about a run; have the model built before all others are set up.

        Raises:
            ConfigError: naming the callback, and what to do instead.
        """
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        check_callbacks(map(type, callbacks))
        if not any(isinstance(each, Preparation) for each in callbacks):
            callbacks.insert(0, Preparation())
        return []

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimiser is made of: groups of trainable parameters, with options of their own if they have any."""
        return [{"params": [parameter for parameter in self.parameters() if parameter.requires_grad]}]

    def configure_optimizers(self) -> Any:
        """The optimiser over all trainable parameters, and its schedule.

        Raises:
            ConfigError: for an optimiser that cannot be made, with options that the type of the weights cannot hold, or
                without a learning rate for its schedule; and when a run that goes on has another number of steps than
                its schedule was made for.
        """
        try:
            optimizer: Optimizer = self._optimizer(self.parameter_groups())
        except Exception as err:  # whatever the constructor of a class raises that the user has named
            mistake = refusal(err, "model.optimizer")
            if mistake is None:
                raise
            raise mistake from err
        if not isinstance(optimizer, Optimizer):
            raise ConfigError(
                f"model.optimizer made a {type(optimizer).__name__}. It must be a class of torch.optim.Optimizer"
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
                f"schedule={self._schedule} was made for the {self._planned_steps} steps of the run, but trainer and "
                f"data now mean {steps}: go on with the same max_epochs, data and batch size, or start a new run"
            )
        self._planned_steps = steps
        if self._resumed is not None:
            change_options(self._resumed, self._options)
            self._resumed = None
        return scheduler_config(self._schedule, optimizer, steps or 0)

    def _count_steps(self) -> int | None:
        """Return how many steps a named schedule spans; None where no schedule counts them."""
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
                f"model.schedule={self._schedule} spans all steps, and there is no limit to them. Set "
                "trainer.max_epochs, or model.schedule=constant"
            )
        return int(steps)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the number of steps that the schedule is made for, and the options that the optimiser began with.

        Raises:
            TrainingError: when a weight is not finite, so that the last good checkpoint is not overwritten.
        """
        self.check_weights()
        checkpoint["planned_steps"] = self._planned_steps
        checkpoint["optimizer_options"] = self._options
        for key in _PLAIN.intersection(checkpoint):
            checkpoint[key] = to_plain(checkpoint[key], keep=Tensor)

    def check_weights(self) -> None:
        """Refuse weights that training has spoilt.

        Raises:
            TrainingError: naming the first that is not finite.
        """
        spoilt = [name for name, weight in self.named_parameters() if not weight.isfinite().all()]
        if spoilt:
            raise TrainingError(
                f"{spoilt[0]} is not finite after step {self.global_step}: it is not saved, earlier checkpoints are "
                f"kept. {LOWER_RATE}"
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember the number of steps that the schedule was made for; check that training can go on from here."""
        self._planned_steps = checkpoint.get("planned_steps")
        if self._trainer is not None and self._trainer.state.fn == TrainerFn.FITTING:
            self.check_resume(checkpoint)
            keep_callback_options(checkpoint, self._trainer.callbacks)  # type: ignore[attr-defined]
            self._resumed = checkpoint

    def check_resume(self, checkpoint: Mapping[str, Any]) -> None:
        """Refuse settings that a run cannot change when it goes on.

        Args:
            checkpoint: that training goes on from.

        Raises:
            ConfigError: for another class of optimiser or another schedule.
        """
        check_settings(checkpoint["hyper_parameters"], self.hparams)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in torch.

        Raises:
            CheckpointError: when the weights do not fit the model as it is configured.
        """
        try:
            return super().load_state_dict(state_dict, strict=strict, assign=assign)
        except RuntimeError as err:
            raise CheckpointError(
                f"the weights of the checkpoint do not fit {type(self).__name__} as it is configured: "
                f"{describe_misfits(state_dict, self.state_dict())}. Leave what shapes it as it was trained"
                f"{_WARM_START if hasattr(self, 'init_from') else ''}"
            ) from err

    def data_files(self) -> Sequence[Path]:
        """Return the files, beside those of the data module, whose content the model is trained on."""
        return ()

    def circuits(self) -> dict[str, Circuit]:
        """The circuits that it runs once it is built, equal ones once, by the names of its modules."""
        return circuits(self)

    def parameter_counts(self) -> dict[str, int]:
        """Trainable parameters: of quantum circuits, and of everything else."""
        quantum = sum(weight.numel() for weight in circuit_weights(self))
        total = sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
        return {"quantum": quantum, "classical": total - quantum}


def _check_range(optimizer: Optimizer) -> None:
    """Refuse options beyond the type of the weights, which torch finds in the first step, without their names."""
    for group in optimizer.param_groups:
        largest = min((torch.finfo(parameter.dtype).max for parameter in group["params"]), default=math.inf)
        for name, value in group.items():
            if isinstance(value, float) and largest < abs(value) < math.inf:
                raise ConfigError(f"model.optimizer.{name}={value:g} is too large: weights hold {largest:.2g} at most")
