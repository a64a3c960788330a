"""The command line: one file a command, each with a `main(args) -> int`."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Final

import hqlm
from hqlm.errors import HqlmError, user_mistake
from hqlm.registry import suggestion

COMMANDS: Final[dict[str, str]] = {  # name, which is that of its module here, and what it does
    "fit": "train a model: hqlm fit --config configs/quickstart.yaml",
    "validate": "measure a checkpoint on the validation data: hqlm validate --ckpt_path RUN",
    "test": "measure a checkpoint on the test data: hqlm test --ckpt_path RUN",
    "predict": "classes and probabilities of texts: hqlm predict --ckpt_path RUN",
    "compare": "a hybrid model beside classical rivals: hqlm compare --config configs/sst2.yaml",
    "study": "ablations, screening and scaling as designed experiments: hqlm study --help",
    "cost": "gates, circuits, time and energy on hardware: hqlm cost --config configs/sst2.yaml",
    "components": "list all that can be chosen by name: encoders, ansatze, backends, models, data sets",
    "bench": "time the native engine beside every installed simulator: hqlm bench",
}
_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
_NOBODY_READS: Final = 141  # 128 + SIGPIPE, likewise
_USER_MISTAKE: Final = 2


def console() -> None:
    """Entry point of the `hqlm` script: local plugins are importable, as with `python -m`."""
    sys.path.append(os.getcwd())  # the last: nothing there stands in for an installed package
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at the exit
        code = _NOBODY_READS
    sys.exit(code)


def main(args: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 2 for a mistake of the user, 130 after Ctrl-C.

    Args:
        args: the command and its arguments; None takes those of the process.
    """
    command, *rest = (sys.argv[1:] if args is None else args) or ["--help"]
    if command in ("-h", "--help", "help"):
        print(_help())
        return 0
    if command in ("-V", "--version"):
        print(f"hqlm {hqlm.__version__}")
        return 0
    try:
        return _run(command, rest)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return _INTERRUPTED
    except SystemExit as stop:  # argparse leaves in this way after --help
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Exception as error:
        mistake = user_mistake(error)
        if mistake is None:
            raise
        print(f"hqlm {command}: {mistake}", file=sys.stderr)
        return _USER_MISTAKE


def _run(command: str, args: list[str]) -> int:
    if command not in COMMANDS:
        raise HqlmError(f"there is no such command. {suggestion(command, list(COMMANDS))}")
    code: int = importlib.import_module(f"hqlm.commands.{command}").main(args)
    return code


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(
        [
            "usage: hqlm COMMAND [options]",
            "",
            "Hybrid quantum language models: text in, a quantum head trained from YAML, tested, predicting.",
            "",
            "commands:",
            *lines,
            "",
            "hqlm COMMAND --help shows the options of a command; hqlm --version the version.",
        ]
    )
