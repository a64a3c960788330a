"""Lightning warnings and log lines that hqlm silences, each with its reason."""

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
    r"The number of training batches",  # metrics.csv has at least the validation of every epoch
    r"Checkpoint directory .* exists and is not empty",  # expected when a run is resumed
    r"Be aware that when using `ckpt_path`",  # test and predict need no callbacks of fit
    r".*isinstance\(treespec, LeafSpec\)",  # between lightning 2.6 and torch 2.13; nothing that a user can change
)
_MESSAGES: Final = re.compile(
    "|".join(
        (
            r"💡 Tip",  # advertisements
            r"(GPU|TPU|HPU|IPU) available: False",  # missing hardware
            r"TPU available",
            r"Seed set to",  # recorded in config.yaml and summary.json
            r"Loading `train_dataloader` to estimate",  # needed to count the steps of the schedule
            r"(Restoring|Restored|Loaded) .* from the checkpoint",  # the command names the checkpoint
            r"`Trainer.fit` stopped",  # the summary of the run reports its progress
            r"Running in `fast_dev_run` mode",  # the command says that nothing was written
            r"\s*Detected KeyboardInterrupt",  # the command says where the checkpoint is
        )
    )
)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence those warnings and messages within the context."""
    handlers = _handlers()
    for handler in handlers:
        handler.addFilter(_teaches)
    try:
        with warnings.catch_warnings():
            for message in _WARNINGS:
                warnings.filterwarnings("ignore", message)
            # jsonargparse 4.49 deprecates functions that lightning 2.6 calls, and drops them in 5
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="lightning.pytorch.cli")
            with open(os.devnull, "w") as nowhere, _printed_by_rank_0(nowhere):
                yield
    finally:
        for handler in handlers:
            handler.removeFilter(_teaches)


def _printed_by_rank_0(nowhere: TextIO) -> AbstractContextManager[Any]:
    """Silence other processes than rank 0, whose output they repeat; all processes report errors."""
    return nullcontext() if rank_zero_only.rank == 0 else redirect_stdout(nowhere)  # type: ignore[attr-defined]


@contextmanager
def printed_to(file: TextIO) -> Iterator[None]:
    """Redirect printed text and Lightning's messages to a file within the context."""
    handlers = [handler for handler in _handlers() if isinstance(handler, logging.StreamHandler)]
    before = [(handler, handler.stream) for handler in handlers]
    try:
        for handler in handlers:
            handler.setStream(file)  # it keeps the stderr of the time when Lightning was imported
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
