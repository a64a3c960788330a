"""What validate, test and predict share: a checkpoint, its settings under the flags, and a folder of results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

from lightning.pytorch import Callback

from hqlm.callbacks import ConfigFile, PredictionsFile, SolutionFile, TimeEstimate, finish_open_run
from hqlm.commands.layers import Layer, differences
from hqlm.commands.quiet import quiet
from hqlm.commands.request import Config, Request, load_yaml, read_config
from hqlm.commands.runs import numbered_folder
from hqlm.commands.training_cli import HqlmCLI, interruptible
from hqlm.errors import CheckpointError
from hqlm.files import write_text, yaml_line
from hqlm.io import find_checkpoint, read_checkpoint, restoring, run_folder
from hqlm.models.base import show_score
from hqlm.models.pretrained import WEIGHTS
from hqlm.models.restoring import check_model, model_settings
from hqlm.models.trust import check_run

_DESCRIPTION: Final = """{purpose}

  hqlm {command} --ckpt_path quickstart                          the best checkpoint of the run
  hqlm {command} --ckpt_path runs/quickstart/checkpoints/last.ckpt
  hqlm {command} --ckpt_path saved --data=FileData --data.folder=my_data      a folder that save_pretrained wrote
  hqlm {command} --ckpt_path quickstart --model.head.execution.shots=100 --data.limit_test=50

Model and data are those of the run; configuration files win over them, flags over both. What differs is printed.
"""


@quiet()
def evaluate(command: Literal["validate", "test", "predict"], purpose: str, args: list[str]) -> int:
    """Run a checkpoint over a split; print the metrics and write them, with every prediction."""
    request = Request.read(args)
    request.load_plugins()
    description = _DESCRIPTION.format(command=command, purpose=purpose)
    if request.wants_help:
        HqlmCLI(command, description, request)
    if request["ckpt_path"] is None:
        raise CheckpointError(f"--ckpt_path is missing: which run? hqlm {command} --ckpt_path NAME")
    checkpoint = find_checkpoint(str(request["ckpt_path"]))
    base = _settings(checkpoint, request)
    cli = HqlmCLI(command, description, request.on(base, checkpoint))
    print(f"checkpoint {checkpoint}")
    for line in differences(Layer.of(base), Layer.of(load_yaml(cli.config_text()))):
        print(f"other than in the run: {line}")
    if cli.fast_dev_run:
        measure(cli, command, checkpoint, None)
        print("fast_dev_run: nothing was kept")
        return 0
    with numbered_folder(run_folder(checkpoint), command) as folder:
        metrics = measure(cli, command, checkpoint, folder)
    finish_open_run()
    width = 1 + max((len(name) for name in metrics), default=0)
    for name, value in metrics.items():
        print(f"{name:<{width}} {show_score(value)}")
    print(f"results in {folder}")
    return 0


def _settings(checkpoint: Path, request: Request) -> Config:
    """The model of the checkpoint and, unless the request brings its own, the data of its run."""
    path = run_folder(checkpoint) / "config.yaml"
    found = read_config(path) if path.is_file() and checkpoint.name != WEIGHTS else {}  # a saved model names no plugins
    run = {key: found[key] for key in ("plugins", "seed_everything", "data") if found.get(key) is not None}
    if request.brings_data:
        run.pop("data", None)
    check_run(run, path, request.plugins)
    hparams = read_checkpoint(checkpoint)["hyper_parameters"]
    check_model(hparams, checkpoint, request.plugins)
    trainer = {"devices": 1}  # starting processes takes longer than most evaluations
    return {"plugins": [], "seed_everything": 0, **run, "model": model_settings(hparams), "trainer": trainer}


def measure(cli: HqlmCLI, command: str, checkpoint: Path, folder: Path | None) -> dict[str, float]:
    """Run a checkpoint over the split of a command; the metrics, which are written with all predictions to `folder`.

    Of several processes rank 0 alone has a folder, and so cannot but be the one that writes.
    """
    callbacks: list[Callback] = [TimeEstimate()]
    if folder is not None:
        config = cli.config_text() + f"ckpt_path: {yaml_line(str(checkpoint))}\n"
        callbacks += [PredictionsFile(folder), SolutionFile(folder), ConfigFile(config, folder)]
    trainer = cli.make_trainer(callbacks, None)
    cli.model.find_body(checkpoint)
    options: dict[str, Any] = {"return_predictions": False} if command == "predict" else {"verbose": False}
    with restoring(trainer, checkpoint), interruptible(trainer):
        getattr(trainer, command)(cli.model, datamodule=cli.datamodule, ckpt_path=checkpoint, **options)
    metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
    if folder is not None and metrics and trainer.is_global_zero:
        write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    return metrics
