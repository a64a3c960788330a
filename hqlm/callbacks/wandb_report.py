"""The content of a W&B run besides its metrics: circuits, confusion matrix, tags."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from jsonargparse import get_loader
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from hqlm.callbacks.files import MetricsFile
from hqlm.callbacks.stages import BeforeBatches
from hqlm.callbacks.wandb_logger import WandbRun, finish_open_run
from hqlm.files import parse_yaml
from hqlm.models import HqlmModule, TextModel
from hqlm.studies.store import read_record

_TAG: Final = 64  # longest tag that W&B allows


class WandbReport(BeforeBatches):
    """Starts the run of a `WandbRun` and describes it.

    Args:
        logger: logger of the same trainer.
        metrics: metrics file of the run that is trained or tested.
        config: configuration file of the run.
    """

    def __init__(self, logger: WandbRun, metrics: MetricsFile, config: Path) -> None:
        self.logger = logger
        self.metrics = metrics
        self.config = config

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the run, before any logger gets its configuration."""
        if trainer.fast_dev_run or not trainer.is_global_zero:  # type: ignore[attr-defined]
            return
        trains = trainer.state.fn == TrainerFn.FITTING
        folder, before = self.metrics.folder, self.metrics.rows
        record = read_record(folder)  # record of a trial; empty for other runs
        is_new = self.logger.begin(
            folder,
            group=self.logger.group or (folder.resolve().parent.parent.name if record else None),
            job_type="trial" if record else "run",
            name=folder.resolve().name,
            tags=[*dict.fromkeys([*self.logger.tags, *_tags(pl_module.hparams, record.get("overrides", {}))])],
        )
        if is_new:
            self._describe(pl_module)
            for step, metrics in before:
                self.logger.log_metrics(metrics, step)
            if not trains and self.config.is_file():
                text = self.config.read_text(encoding="utf-8")
                self.logger.log_hyperparams(parse_yaml(text, str(self.config), get_loader("yaml")))
        if not trains:
            self.logger.takes_config = False
            self.logger.step = before[-1][0] if before else None

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Send the confusion matrix."""
        if not isinstance(pl_module, TextModel) or pl_module.evaluation is None:
            return
        found, names = pl_module.evaluation, list(pl_module.class_names or ())
        actual, predicted = found.targets.tolist(), found.outputs.argmax(1).tolist()
        self.logger.attempt(lambda run: run.log({"test/confusion_matrix": _matrix(actual, predicted, names)}))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the run as a failed one."""
        finish_open_run(failed=True)

    def _describe(self, module: LightningModule) -> None:
        if not isinstance(module, HqlmModule):
            return
        drawings = {f"circuit/{name}": circuit.to_svg() for name, circuit in module.circuits().items()}
        if drawings:
            self.logger.attempt(lambda run: run.log({name: page(svg) for name, svg in drawings.items()}))
        counts = {f"parameters/{kind}": count for kind, count in module.parameter_counts().items()}
        self.logger.attempt(lambda run: run.summary.update(counts))


def page(content: str) -> Any:
    """Return HTML elements, such as a vector drawing, as a picture for W&B."""
    import wandb

    return wandb.Html(f"<!doctype html><meta charset='utf-8'>{content}", inject=False)


def _matrix(actual: list[int], predicted: list[int], names: list[str]) -> Any:
    import wandb

    return wandb.plot.confusion_matrix(y_true=actual, preds=predicted, class_names=names, title="test")


def _tags(hparams: Mapping[str, Any], overrides: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ablations, then the other factors of a trial."""
    for word in _find_ablations(hparams):
        yield f"without {word}"[:_TAG]
    for key, value in overrides.items():
        name = key.rpartition(".")[2]
        if name != "ablate":
            shown = value.rpartition(".")[2] if isinstance(value, str) else json.dumps(value)
            yield f"{name}={shown}"[:_TAG]


def _find_ablations(hparams: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ablations in `ablate`, at any depth."""
    for key, value in hparams.items():
        if key == "ablate":
            yield from value or ()
        elif isinstance(value, Mapping):
            yield from _find_ablations(value)
