"""A training run on W&B: configuration, metrics, circuits and confusion matrix, with its test where one follows."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_only

from hqlm.callbacks.metrics_file import MetricsFile
from hqlm.callbacks.wandb_session import Mode, Session, ask_server, check, is_online, page
from hqlm.io import run_folder
from hqlm.models import HqlmModule, TextModel
from hqlm.studies.store import RUNNING, read_record

_STEP: Final = "trainer/global_step"
_TAG: Final = 64  # characters that W&B allows
_open: list[Session] = []  # the one of this process; a test that follows its training in one process adds to it


class WandbRun(Logger, Callback):
    """Reports a run to W&B, on rank 0, and never fails it.

    Sent are the resolved configuration, once; every metric that is logged; the circuits of the model; the numbers of
    trained parameters; after a test the confusion matrix. Checkpoints, texts, printed lines and code are not sent. A
    trial of a study has the study as its group and its factors as tags; what is ablated is a tag of every run.

    Args:
        project: on W&B.
        entity: user or team; None for the default of the account.
        group: of the run; None for that of the study, if it is a trial of one.
        tags: beside those for what is ablated or varied.
        mode: `online`, `offline` (records lie in the run's folder until `wandb sync`), or `auto`: what WANDB_MODE
            says, else online with an account and offline without.
        timeout: seconds that the start, and again the end, may wait for the server; then records are kept offline.

    Raises:
        ConfigError: for `online` without an account.
        MissingDependency: without wandb.
    """

    def __init__(
        self,
        project: str = "hqlm",
        entity: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        mode: Mode = "auto",
        timeout: float = 10.0,
    ) -> None:
        super().__init__()
        check(mode)
        self.project = project
        self.entity = entity
        self.group = group
        self.tags = tuple(tags)
        self.mode = mode
        self.timeout = timeout
        self._folder: Path | None = None
        self._module: LightningModule | None = None
        self._session: Session | None = None

    @property
    def name(self) -> str:
        """The project."""
        return self.project

    @property
    def version(self) -> str | None:
        """Identity of the run on W&B; None before it has begun."""
        return None if self._session is None else self._session.id

    def ask_server(self) -> None:
        """Ask the server before workers start, which are told of one that does not answer and do not wait for it."""
        if is_online(self.mode):
            ask_server(self.timeout, "the study goes on, and what would be sent is written to its folder")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep the model, whose circuits are sent, where there is something to send."""
        if not trainer.fast_dev_run and trainer.is_global_zero:  # type: ignore[attr-defined]
            self._module = pl_module

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Begin the run with its resolved configuration, unless the training before this test has begun it."""
        if self._module is None:
            return
        self._folder = _folder(self._module.trainer)
        if _open and _open[0].folder == self._folder:
            self._session = _open[0]
            return
        finish_open_run()
        record = read_record(self._folder)
        trains = self._module.trainer.state.fn == TrainerFn.FITTING
        is_part = not trains and record.get("status") != RUNNING  # a trial is its training and its test
        session = Session(self._folder, self.mode, self.timeout, is_part, **self._about(params, record))
        self._session = session
        _open.append(session)
        session.try_to(lambda: self._describe(session))
        if not (is_part or session.is_known):  # what went before an interruption is recorded again
            session.try_to(lambda: self._replay(session))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row to the history; a test stands at the last step of the training before it."""
        if self._session is None or self._module is None:
            return
        if self._module.trainer.state.fn == TrainerFn.FITTING:
            self._session.log({**metrics, _STEP: step})
        else:
            self._session.log({name: value for name, value in metrics.items() if name != "epoch"})

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the run as a failed one."""
        finish_open_run(failed=True)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Send the confusion matrix."""
        session = self._session
        if session is None or not isinstance(pl_module, TextModel) or pl_module.evaluation is None:
            return
        found, names = pl_module.evaluation, list(pl_module.class_names or ())
        actual, predicted = found.targets.tolist(), found.outputs.argmax(1).tolist()
        session.try_to(lambda: session.log({"test/confusion_matrix": _confusion_matrix(actual, predicted, names)}))

    def _about(self, config: Any, record: Mapping[str, Any]) -> dict[str, Any]:
        """What W&B files the run under."""
        assert self._folder is not None
        study = self._folder.parent.parent.name if record else None
        overrides = record.get("overrides", {})
        return {
            "project": self.project,
            "entity": self.entity,
            "group": self.group or study,
            "job_type": "run" if study is None else "trial",
            "name": self._folder.name,
            "tags": [tag[:_TAG] for tag in dict.fromkeys([*self.tags, *_tags(config, overrides)])],
            "config": config,
        }

    def _replay(self, session: Session) -> None:
        assert self._module is not None
        assert self._folder is not None
        for step, metrics in _metrics_file(self._module.trainer, self._folder).rows:
            session.log({**metrics, _STEP: step})

    def _describe(self, session: Session) -> None:
        assert self._module is not None
        session.plot_against(_STEP)
        if isinstance(self._module, HqlmModule) and (found := self._module.circuits()):
            session.log({f"circuit/{name}": page(circuit.to_svg()) for name, circuit in found.items()})
        if isinstance(self._module, TextModel):
            counts = self._module.parameter_counts()
            session.summarize({f"parameters/{kind}": count for kind, count in counts.items()})


def finish_open_run(failed: bool = False) -> None:
    """End the W&B run of this process, if there is one: after a training and the test that belongs to it."""
    while _open:
        _open.pop().finish(failed)


def _folder(trainer: Trainer) -> Path:
    """Of the run: that of the checkpoint which is measured, or the one which a training fills."""
    if trainer.state.fn != TrainerFn.FITTING:
        return run_folder(Path(str(trainer.ckpt_path))).resolve()
    return next(logger.folder for logger in trainer.loggers if isinstance(logger, MetricsFile)).resolve()


def _metrics_file(trainer: Trainer, folder: Path) -> MetricsFile:
    """That of the training at hand, which goes on from a checkpoint; in a test that of the training before it."""
    found = (logger for logger in trainer.loggers if isinstance(logger, MetricsFile))
    return next(found, None) or MetricsFile(folder, sys.maxsize)


def _tags(config: Any, overrides: Mapping[str, Any]) -> list[str]:
    """What is ablated, then what else a trial varies."""
    options = config.get("model", {}).get("init_args", {})
    words = ((options.get("head") or {}).get("init_args") or options).get("ablate") or ()
    varied = [
        f"{key.rpartition('.')[2]}={_short(value)}" for key, value in overrides.items() if not key.endswith(".ablate")
    ]
    return [*(f"without {word}" for word in words), *varied]


def _short(value: Any) -> str:
    return value.rpartition(".")[2] if isinstance(value, str) else json.dumps(value)


def _confusion_matrix(actual: list[int], predicted: list[int], names: list[str]) -> Any:
    import wandb

    return wandb.plot.confusion_matrix(y_true=actual, preds=predicted, class_names=names, title="test")
