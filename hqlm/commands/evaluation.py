"""`hqlm validate`, `test` and `predict`: a checkpoint over a split, or over texts of the command line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from hqlm.callbacks import finish_open_run
from hqlm.config.parser import RUN, print_help
from hqlm.config.sources import Sources
from hqlm.errors import CheckpointError, ConfigError
from hqlm.models.base import show_score
from hqlm.quiet import quiet
from hqlm.run import PREDICTIONS, Command, Run
from hqlm.studies.formatting import aligned

_DESCRIPTION: Final = """{purpose}

  hqlm {command} --ckpt_path quickstart                          the best checkpoint of the run
  hqlm {command} --ckpt_path runs/quickstart/checkpoints/last.ckpt
  hqlm {command} --ckpt_path saved --data=FileData --data.folder=my_data      a folder that save_pretrained wrote
  hqlm {command} --ckpt_path quickstart --model.head.execution.shots=100 --data.limit_test=50
{more}
Model, data and trainer (precision, accelerator, limits) are those of the run, on one device; configuration files win
over them, flags over both. What differs is printed.
"""
_TEXTS: Final = """  hqlm predict --ckpt_path quickstart "a gorgeous, witty film" "two hours of nothing"
  hqlm predict --ckpt_path quickstart --data=FileData --data.folder=. --data.predict=texts.txt     one text a line
"""
_SHOWN: Final = 8  # predictions that are printed
_WIDTH: Final = 60  # of a text that is printed


@quiet()
def evaluate(command: Command, purpose: str, args: list[str]) -> int:
    """Run a checkpoint over a split; print the metrics and write them, with every prediction."""
    texts, args = _texts(args) if command == "predict" else ([], args)
    sources = Sources.from_arguments(args)
    if sources.wants_help:
        more = _TEXTS if command == "predict" else ""
        print_help(command, _DESCRIPTION.format(command=command, purpose=purpose, more=more), RUN, sources)
        return 0
    if sources["ckpt_path"] is None:
        raise CheckpointError(f"--ckpt_path is missing: which run? hqlm {command} --ckpt_path NAME")
    path, sources = str(sources["ckpt_path"]), sources.without("ckpt_path", "name")
    if texts:
        return _predict(path, texts, sources)
    metrics, folder = Run(path).evaluate(command, sources)
    finish_open_run()
    if folder is None:
        print("fast_dev_run: nothing was kept")
        return 0
    width = 1 + max((len(name) for name in metrics), default=0)
    for name, value in metrics.items():
        print(f"{name:<{width}} {show_score(value)}")
    if command == "predict":
        _show(folder / PREDICTIONS)
    print(f"results in {folder}")
    return 0


def _texts(args: list[str]) -> tuple[list[str], list[str]]:
    """Return the texts to predict, which stand behind all flags, and the flags."""
    first = len(args)
    while first and not args[first - 1].startswith("-"):
        first -= 1
    if first and first < len(args) and "=" not in args[first - 1]:  # the value of a flag
        first += 1
    return args[first:], args[:first]


def _predict(path: str, texts: list[str], sources: Sources) -> int:
    sources.load_plugins()
    others = sorted({key for key, _ in sources.flags} - {"plugins"})
    if others or sources.files:
        raise ConfigError(
            f"--{(others or ['config'])[0]} does not go with texts on the command line, which the model predicts as it "
            "was trained. Put the texts into a file: --data=FileData --data.predict=texts.txt"
        )
    found = Run(path, sources.plugins).predict(texts)
    rows = [[each.text, each.label, *(f"{value:.6f}" for value in each.probabilities.values())] for each in found]
    _print_rows(["text", "predicted", *(f"p_{name}" for name in found[0].probabilities)], rows)
    return 0


def _show(path: Path) -> None:
    """Print the first rows of a table of predictions, and how many more there are."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(lines)
        _print_rows(header, list(islice(lines, _SHOWN)))
        more = sum(1 for _ in lines)
    if more:
        print(f"and {more:,} more")


def _print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    cut = [[text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}...", *rest] for text, *rest in rows]
    print(aligned([list(header), *cut]))
