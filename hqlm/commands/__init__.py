"""The command line: one file a command, each with a `main(args) -> int`."""

from __future__ import annotations

import _thread
import importlib
import os
import signal
import sys
import traceback
from io import TextIOWrapper
from types import TracebackType
from typing import Final

import hqlm
from hqlm.errors import HqlmError, PluginError, describe, shorten, user_mistake, was_interrupted
from hqlm.files import parse_argument
from hqlm.registry import suggestion

COMMANDS: Final[dict[str, str]] = {  # name, which is that of its module here, and what it does
    "fit": "train a model: hqlm fit --config quickstart",
    "validate": "measure a checkpoint on the validation data: hqlm validate --ckpt_path RUN",
    "test": "measure a checkpoint on the test data: hqlm test --ckpt_path RUN",
    "predict": 'classes and probabilities of texts: hqlm predict --ckpt_path RUN "a gorgeous film"',
    "compare": "a model beside other heads on the same rows: hqlm compare --config sst2",
    "study": "ablations, screening and scaling as designed experiments: hqlm study --help",
    "cost": "gates, circuits, time and energy on hardware: hqlm cost --config sst2",
    "configs": "list the configurations that come with hqlm: hqlm configs; hqlm configs copy quickstart",
    "components": "list all that can be chosen by name: encoders, ansatze, backends, models, data sets",
}
_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
_NOBODY_READS: Final = 141  # 128 + SIGPIPE, likewise
_USER_MISTAKE: Final = 2
_LEAVE: Final = {"argparse", "jsonargparse", "hqlm", "lightning"}  # who leaves in this way, as after --help


def console() -> None:
    """Entry point of the `hqlm` script: local plugins are importable, as with `python -m`."""
    sys.excepthook = _end_quietly
    sys.unraisablehook = _raise_again
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is open is closed, as after Ctrl-C
    sys.path.append(os.getcwd())  # the last: nothing there stands in for an installed package
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the terminal cannot show fails no command
    try:
        code = main()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the little that is left is not worth an interruption
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.stdout.flush()
    except OSError as err:
        if isinstance(err, BrokenPipeError):  # whoever read the output, such as head, has read enough
            code = _NOBODY_READS
        else:
            print(f"hqlm: cannot write the output: {err.strerror}", file=sys.stderr)
            code = _USER_MISTAKE
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at the exit
    sys.exit(code)


def _end_quietly(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print no traceback of a second Ctrl-C, which came while the first one was dealt with."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


def _raise_again(lost: sys.UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came where Python cannot raise it, such as in a destructor."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        _thread.interrupt_main()
    else:
        sys.__unraisablehook__(lost)


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
    mistake: HqlmError
    try:
        return _run(command, rest)
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as stop:
        where = _raised_in(stop)
        if where.split(".")[0] in _LEAVE:
            return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        mistake = PluginError(f"the module {where} called sys.exit. Remove the call, or leave the module out")
    except Exception as error:
        if was_interrupted(error):
            return _interrupted()
        found = user_mistake(error) or _out_of_memory(error)
        if found is None:
            raise
        mistake = found
    print(shorten(f"hqlm {command}: {mistake}"), file=sys.stderr)
    return _USER_MISTAKE


def _raised_in(error: BaseException) -> str:
    """Return the name of the module whose code raised an exception."""
    modules = [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((module for module in reversed(modules) if not module.startswith("wandb.")), "")  # it wraps sys.exit


def _out_of_memory(error: BaseException) -> HqlmError | None:
    """Return the mistake behind an allocation that failed, in Python, NumPy or torch."""
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error):
        return HqlmError(f"the memory does not suffice: {describe(error)}. Use fewer qubits, layers, shots or rows")
    return None


def _interrupted() -> int:
    print("\ninterrupted", file=sys.stderr)
    return _INTERRUPTED


def _run(command: str, args: list[str]) -> int:
    if command not in COMMANDS:
        raise HqlmError(f"there is no such command. {suggestion(command, list(COMMANDS))}")
    from jsonargparse import get_loader

    for word in args:  # parsers of YAML would overflow the stack of the process, not refuse it
        key, _, value = word.partition("=")
        parse_argument(value or key, f"the argument {key}", get_loader("yaml"))
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
