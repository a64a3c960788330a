"""`hqlm fit`: train a model into a run folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import yaml
from lightning.pytorch.utilities import rank_zero_only

from hqlm.config.merge import import_class
from hqlm.config.parser import RUN, print_help
from hqlm.config.sources import Sources
from hqlm.experiment import Experiment
from hqlm.models import HqlmModule, TextModel
from hqlm.models.base import show_score
from hqlm.quiet import quiet
from hqlm.run import Run, find_checkpoint, last_checkpoint

_DESCRIPTION: Final = """Train a model and keep it in runs/<name>/: its configuration, checkpoints and metrics.

  hqlm fit --config quickstart
  hqlm fit --config quickstart --config noise/depolarizing --name noisy
  hqlm fit --config my_experiment.yaml --model.head.ablate=[offset] --trainer.max_epochs=3
  hqlm fit --config quickstart --ckpt_path last

A configuration is a file, or the name of a shipped one (`hqlm configs` lists them). Later files win over earlier ones,
flags over files. `hqlm components` lists what --model.head, --model.head.backend and the others can name;
`hqlm fit --model.help TextModel` shows the options of one of them.
"""
_READS_TEXTS: Final = """  hqlm predict --ckpt_path {run} "a gorgeous, witty film"
  python -c "import hqlm; print(hqlm.load('{run}').predict(['a gorgeous, witty film']))"
"""
_INTERRUPTED: Final = 130


@quiet()
def main(args: list[str]) -> int:
    """Train, and say where everything lies."""
    sources = Sources.from_arguments(args)
    if sources.wants_help:
        print_help("fit", _DESCRIPTION, RUN, sources)
        return 0
    own, sources = sources.split(("name", "ckpt_path"))
    name, given = own["name"], own["ckpt_path"]
    checkpoint = None
    if given is not None:
        checkpoint = last_checkpoint(name, sources.stem) if given == "last" else find_checkpoint(str(given), "last")
    if sources.has("print_config"):
        return _print_config(sources)
    experiment = Experiment.resumed(checkpoint, sources) if checkpoint else Experiment.from_sources(sources)
    if experiment.resolved.fast_dev_run:
        experiment.try_out()
        print("fast_dev_run: the configuration runs; nothing was kept")
        return 0
    try:
        run = experiment.fit(name, resume=checkpoint or False)
    except KeyboardInterrupt as err:
        return _interrupted(err)
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        print(_text(run, import_class(experiment.config["model"]["class_path"])))
    return 0


def _print_config(sources: Sources) -> int:
    """Print the resolved configuration, without nulls for `--print_config=skip_null`."""
    how = next(value for key, value in sources.flags if key == "print_config")
    config = Experiment.from_sources(sources.without("print_config")).config
    shown = _without_nulls(config) if "skip_null" in how else config
    print(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), end="")
    return 0


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def _interrupted(error: KeyboardInterrupt) -> int:
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        print(f"interrupted{error or ''}", file=sys.stderr)
    return _INTERRUPTED


def _text(run: Run, model: type[HqlmModule]) -> str:
    summary = run.summary
    score = summary[model.score.replace("/", "_")]
    shown = "none measured" if score is None else f"{show_score(score)} (best checkpoint)"
    reads_texts = issubclass(model, TextModel)
    text_encoder = f"text encoder          {summary['stage']}\n" if reads_texts else ""
    return f"""
{model.score_title:<21} {shown}
trainable parameters  {_counted(summary["parameters"])}
{text_encoder}seconds               {summary["seconds"]:.1f}
checkpoint            {_short(summary["checkpoint"]) if summary["checkpoint"] else "none"}
configuration         {_short(summary["config"])}

next:
  hqlm test --ckpt_path {run.name}
{_READS_TEXTS.format(run=run.name) if reads_texts else ""}"""


def _counted(parameters: dict[str, int]) -> str:
    kinds = ", ".join(f"{number} {kind}" for kind, number in parameters.items())
    return f"{sum(parameters.values())}: {kinds}"


def _short(path: str) -> str:
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
