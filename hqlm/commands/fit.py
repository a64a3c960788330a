"""`hqlm fit`: train a model into a run folder."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.utilities import rank_zero_only

from hqlm.callbacks import (
    BestCheckpoint,
    BodyFolder,
    ConfigFile,
    LastCheckpoint,
    MetricsFile,
    RandomState,
    StepTime,
    TimeEstimate,
    TrainingTime,
    finish_open_run,
)
from hqlm.commands.layers import Layer, differences
from hqlm.commands.quiet import quiet
from hqlm.commands.request import Config, Request, load_yaml, read_config
from hqlm.commands.runs import discard_unfinished, hold_run, last_checkpoint, new_run
from hqlm.commands.training_cli import HqlmCLI, interruptible
from hqlm.errors import CheckpointError, ConfigError, RunError
from hqlm.files import write_text
from hqlm.io import CHECKPOINTS, LAST, find_checkpoint, read_checkpoint, restoring, run_folder
from hqlm.models import EmbeddingModel, HqlmModule, TextModel
from hqlm.models.base import show_score
from hqlm.models.pretrained import WEIGHTS
from hqlm.models.restoring import check_model
from hqlm.models.trust import check_run

_DESCRIPTION: Final = """Train a model and keep it in runs/<name>/: its configuration, checkpoints and metrics.

  hqlm fit --config configs/quickstart.yaml
  hqlm fit --config configs/quickstart.yaml --config configs/noise/depolarizing.yaml --name noisy
  hqlm fit --config configs/quickstart.yaml --model.head.ablate=[offset] --trainer.max_epochs=3
  hqlm fit --config configs/quickstart.yaml --ckpt_path last

Later files win over earlier ones, flags over files. `hqlm components` lists what --model.head, --model.head.backend and
the others can name; `hqlm fit --model.help TextModel` shows the options of one of them.
"""
_READS_TEXTS: Final = """  hqlm predict --ckpt_path {run}
  python -c "import hqlm; print(hqlm.load('{run}').predict(['a gorgeous, witty film']))"
"""
_INTERRUPTED: Final = 130
_STATE: Final = ("epoch", "global_step", "loops", "callbacks", "optimizer_states", "lr_schedulers")  # of training


@quiet()
def main(args: list[str]) -> int:
    """Train, and say where everything lies."""
    request = Request.read(args)
    request.load_plugins()
    if request.wants_help or request["ckpt_path"] is None:
        cli = HqlmCLI("fit", _DESCRIPTION, request)
        if cli.fast_dev_run:
            return _train(cli, None, None)
        with new_run(request) as folder:
            code = _train(cli, folder, None)
            if code == _INTERRUPTED:  # so that the same command starts again
                discard_unfinished(folder)
            return code
    checkpoint = _checkpoint(request)
    folder = run_folder(checkpoint)
    if request["name"] not in (None, folder.name):
        raise RunError(f"--name={request['name']}: {checkpoint} goes on in its own run {folder.name}. Leave --name out")
    own = _own_config(folder, request)
    cli = HqlmCLI("fit", _DESCRIPTION, request if request.files else request.on(own, folder / "config.yaml"))
    _check_seed(own, cli)
    for line in differences(Layer.of(own), Layer.of(load_yaml(cli.config_text()))):
        print(f"other than in the run so far: {line}")
    with hold_run(folder):
        return _train(cli, folder, checkpoint)


def _checkpoint(request: Request) -> Path:
    given = str(request["ckpt_path"])
    path = last_checkpoint(request) if given == LAST else find_checkpoint(given, LAST)
    if path.name == WEIGHTS:
        raise CheckpointError(f"{path} holds weights and no state of training: go on from a checkpoint of the run")
    checkpoint = read_checkpoint(path)
    missing = [name for name in _STATE if name not in checkpoint]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}: go on from a checkpoint of the run")
    check_model(checkpoint["hyper_parameters"], path, request.plugins)
    return path


def _own_config(folder: Path, request: Request) -> Config:
    path = folder / "config.yaml"
    if not path.is_file() and request.files:  # a checkpoint on its own
        return {}
    if not path.is_file():
        raise CheckpointError(f"the run {folder} has no config.yaml to go on with: give --config")
    config = read_config(path)
    check_run(config, path, request.plugins)
    return config


def _check_seed(own: Config, cli: HqlmCLI) -> None:
    """Refuse another seed, of which only the order of the rows would take notice: the generators go on as they were.

    Raises:
        ConfigError: naming both.
    """
    old, new = own.get("seed_everything"), cli.config["seed_everything"]
    if old not in (None, new):
        raise ConfigError(
            f"seed_everything: a run that goes on cannot change it from {old} to {new}. Set --seed_everything={old}, "
            "or start a new run"
        )


def _train(cli: HqlmCLI, folder: Path | None, checkpoint: Path | None) -> int:
    if folder is None:  # fast_dev_run: nothing is written
        _warm_start(cli.model)
        cli.make_trainer([], None).fit(cli.model, datamodule=cli.datamodule)
        print("fast_dev_run: the configuration runs; nothing was kept")
        return 0
    try:
        summary = train(cli, folder, checkpoint)
    except KeyboardInterrupt:
        finish_open_run()
        return _interrupted(folder)
    finish_open_run()
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        print(_text(cli.model, summary))
    return 0


def train(cli: HqlmCLI, folder: Path, checkpoint: Path | None) -> dict[str, Any]:
    """Train a model into the folder of its run, from a checkpoint if there is one.

    Returns:
        What `summary.json` holds.
    """
    step = None
    if checkpoint is not None:
        progress = read_checkpoint(checkpoint)
        step = int(progress["global_step"])
        cli.model.find_body(checkpoint)
        cli.model.check_resume(progress)
        print(f"going on with {_short(str(folder))} after epoch {progress['epoch']}")
    else:
        _warm_start(cli.model)
    best, clock, steps = BestCheckpoint(folder, cli.model), TrainingTime(), StepTime()
    config = ConfigFile(cli.config_text(), folder)
    # the estimate before the clock starts; the last checkpoint after the others, whose state it keeps
    callbacks: list[Callback] = [TimeEstimate(), best, clock, steps, RandomState(), config, BodyFolder(folder, best)]
    trainer = cli.make_trainer([*callbacks, LastCheckpoint(folder)], MetricsFile(folder, step), folder)
    start = time.perf_counter()
    with restoring(trainer, checkpoint), interruptible(trainer):
        trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=checkpoint)
    summary = _summary(cli, trainer, best, folder)
    summary["seconds"] = round(time.perf_counter() - start, 2)
    summary["training_seconds"] = round(clock.seconds, 3)
    summary["step_seconds"] = steps.seconds
    if trainer.is_global_zero:
        write_text(folder / "summary.json", json.dumps(summary, indent=2) + "\n")
    return summary


def _warm_start(model: HqlmModule) -> None:
    if isinstance(model, TextModel) and model.init_from is not None:
        model.warm_start(read_checkpoint(find_checkpoint(model.init_from)))


def train_or_go_on(cli: HqlmCLI, folder: Path) -> dict[str, Any]:
    """Train a model into the folder of its run, from its last finished epoch where it was interrupted."""
    begun = (folder / CHECKPOINTS / f"{LAST}.ckpt").is_file()
    return train(cli, folder, find_checkpoint(folder, LAST) if begun else None)


def _interrupted(folder: Path) -> int:
    if (folder / CHECKPOINTS / f"{LAST}.ckpt").is_file():
        path = find_checkpoint(folder, LAST)
        said = f"interrupted; the last finished epoch is kept. Go on: hqlm fit --ckpt_path {path}"
    else:
        said = "interrupted before the first epoch was finished: the same command starts again"
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        print(said, file=sys.stderr)
    return _INTERRUPTED


def _summary(cli: HqlmCLI, trainer: Trainer, best: BestCheckpoint, folder: Path) -> dict[str, Any]:
    score = best.best_model_score
    stage = {"stage": cli.model.stage} if isinstance(cli.model, EmbeddingModel) else {}
    return {
        "name": folder.name,
        cli.model.score.replace("/", "_"): None if score is None else float(score),
        **stage,
        "parameters": cli.model.parameter_counts(),
        "epochs": trainer.current_epoch,
        "seed": cli.config["seed_everything"],
        "checkpoint": str(Path(best.best_model_path).resolve()) if best.best_model_path else None,
        "config": str((folder / "config.yaml").resolve()),
    }


def _text(model: HqlmModule, summary: dict[str, Any]) -> str:
    run = summary["name"]
    score = summary[model.score.replace("/", "_")]
    shown = "none measured" if score is None else f"{show_score(score)} (best checkpoint)"
    reads_texts = isinstance(model, TextModel)
    text_encoder = f"text encoder          {summary['stage']}\n" if reads_texts else ""
    return f"""
{model.score_title:<21} {shown}
trainable parameters  {_counted(summary["parameters"])}
{text_encoder}seconds               {summary["seconds"]:.1f}
checkpoint            {_short(summary["checkpoint"]) if summary["checkpoint"] else "none"}
configuration         {_short(summary["config"])}

next:
  hqlm test --ckpt_path {run}
{_READS_TEXTS.format(run=run) if reads_texts else ""}"""


def _counted(parameters: dict[str, int]) -> str:
    kinds = ", ".join(f"{number} {kind}" for kind, number in parameters.items())
    return f"{sum(parameters.values())}: {kinds}"


def _short(path: str) -> str:
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
