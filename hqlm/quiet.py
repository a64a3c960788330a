"""What Lightning says that teaches nothing here, each with the reason why it is left out."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from typing import Any, Final, TextIO

from lightning.pytorch.utilities import rank_zero_only

_WARNINGS: Final = (
    r".*does not have many workers",  # texts are in memory: worker processes would only cost time
    r"The number of training batches",  # metrics.csv has the validation of every epoch at the least
    r"Checkpoint directory .* exists and is not empty",  # so it shall be when a run goes on
    r"Be aware that when using `ckpt_path`",  # test and predict need no callbacks of fit
    r".*isinstance\(treespec, LeafSpec\)",  # between lightning 2.6 and torch 2.13; nothing a user can do
)
_MESSAGES: Final = re.compile(
    "|".join(
        (
            r"💡 Tip",  # advertisements
            r"(GPU|TPU|HPU|IPU) available: False",  # what is not there
            r"TPU available",
            r"Seed set to",  # in config.yaml and in summary.json
            r"Loading `train_dataloader` to estimate",  # how the schedule learns its number of steps
            r"(Restoring|Restored|Loaded) .* from the checkpoint",  # the command says which checkpoint it takes
            r"`Trainer.fit` stopped",  # the summary of the run says how far it came
            r"Running in `fast_dev_run` mode",  # the command says that nothing was kept
            r"\s*Detected KeyboardInterrupt",  # the command says where the checkpoint is
        )
    )
)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave those warnings and messages out for a while."""
    handlers = _handlers()
    for handler in handlers:
        handler.addFilter(_teaches)
    try:
        with warnings.catch_warnings():
            for message in _WARNINGS:
                warnings.filterwarnings("ignore", message)
            # jsonargparse 4.49 deprecates what lightning 2.6 calls
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="lightning.pytorch.cli")
            with open(os.devnull, "w") as nowhere, _printed_by_rank_0(nowhere):
                yield
    finally:
        for handler in handlers:
            handler.removeFilter(_teaches)


def _printed_by_rank_0(nowhere: TextIO) -> AbstractContextManager[Any]:
    """Leave out what the other processes of a run print, which repeats what rank 0 does; errors are said by all."""
    return nullcontext() if rank_zero_only.rank == 0 else redirect_stdout(nowhere)  # type: ignore[attr-defined]


@contextmanager
def printed_to(file: TextIO) -> Iterator[None]:
    """Write what is printed and what Lightning says to a file for a while."""
    handlers = [handler for handler in _handlers() if isinstance(handler, logging.StreamHandler)]
    before = [(handler, handler.stream) for handler in handlers]
    try:
        for handler in handlers:
            handler.setStream(file)  # it keeps the stream that stderr was when Lightning was imported
        with redirect_stdout(file), redirect_stderr(file):
            yield
    finally:
        for handler, stream in before:
            handler.setStream(stream)


def _handlers() -> set[logging.Handler]:
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")]
    return {handler for logger in loggers for handler in logger.handlers}


def _teaches(record: logging.LogRecord) -> bool:
    return not _MESSAGES.match(record.getMessage())
