"""Estimate the time of a study from a few steps of some of its trials; embed the texts that all of them share."""

from __future__ import annotations

import copy
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from filelock import FileLock
from lightning.pytorch import Callback

from hqlm.cache import make_cache_folder
from hqlm.config.sources import Config
from hqlm.experiment import Experiment
from hqlm.models import EmbeddingModel, TextModel
from hqlm.notices import say_if_slow
from hqlm.studies.trial import COUNTS, SPEED, TIMES, reason

_SAMPLES: Final = 4  # settings that are timed
_BATCHES: Final = 10  # of training, of validation and of test
_SPLITS: Final = ("train", "val", "test")


@dataclass(frozen=True)
class Estimate:
    """Result of a few steps of some trials.

    Args:
        lasting: what all of them will take, in words; empty when none of those that were tried could run.
        failures: of each that could not run, why.
        measured: names of the figures of those that ran.
    """

    lasting: str
    failures: tuple[str, ...]
    measured: tuple[str, ...]


def estimate(configs: Sequence[Config], workers: int) -> Estimate:
    """Estimate the time that trials take from some that lie evenly among them, and find what some of them fail at.

    Args:
        configs: resolved configurations of the trials.
        workers: number of trials at a time.
    """
    embed_all(configs)
    step = max(1, len(configs) // _SAMPLES)
    sample = [configs[place] for place in range(0, len(configs), step)][:_SAMPLES]
    seconds, failures, measured = [], [], list[str]()
    with _one_thread():
        for config in sample:
            try:
                taken, names = _try_out(config)
            except Exception as err:  # whatever it is, it would fail the trial
                failures.append(f"of the {len(sample)} trials that were timed, one would fail: {reason(err)}")
                continue
            measured += sorted(names)
            seconds.append(taken)
    lasting = ""
    if seconds:
        mean = statistics.mean(seconds)
        total = words(mean * -(-len(configs) // workers))
        lasting = (
            f"about {total} for {len(configs)} trials, {workers} at a time; a trial takes about {mean:.0f} s, by "
            f"{_BATCHES} steps of {len(seconds)} of them, if the machine stays as busy as it is now and trials side by "
            "side do not slow each other down"
        )
    return Estimate(lasting, tuple(failures), tuple(dict.fromkeys(measured)))


def embed_all(configs: Sequence[Config]) -> None:
    """Embed the texts of all trials, so that workers only read them from the cache.

    Raises:
        HqlmError: for data or weights that cannot be reached.
    """
    seen = set()
    for config in configs:
        texts = json.dumps([config["model"].get("init_args", {}).get("text_encoder"), config.get("data")])
        if texts in seen:
            continue
        seen.add(texts)
        experiment = Experiment.from_config(config)
        model, data = experiment.model, experiment.data
        if isinstance(model, EmbeddingModel) and data is not None:
            data.prepare_data()
            data.setup("fit")
            data.setup("test")
            lock = FileLock(make_cache_folder() / "study.lock")
            with say_if_slow(f"waiting for {lock.lock_file}, which another study holds while it embeds its texts"):
                held = lock.acquire()
            with held:  # of two processes one tunes and embeds, the other reads
                model.tune(data)
                for split in _SPLITS:
                    model.embed(data.texts(split))


def words(seconds: float) -> str:
    """Return a time as one says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _try_out(config: Config) -> tuple[float, set[str]]:
    """Return the seconds of fit and test, estimated from a few batches, and the names of the figures."""
    short = copy.deepcopy(config)
    trainer = short["trainer"]
    epochs, limits = trainer["max_epochs"] or 1, [trainer[f"limit_{split}_batches"] for split in _SPLITS]
    trainer |= {"max_epochs": 1, "max_steps": -1, "logger": False, "enable_checkpointing": False, "callbacks": None}
    trainer |= {f"limit_{split}_batches": _BATCHES for split in _SPLITS} | {"num_sanity_val_steps": 0}
    trainer |= {"check_val_every_n_epoch": 1, "val_check_interval": None}
    start = time.perf_counter()
    parts = Experiment.from_config(short).parts
    clock = _BatchTimes()
    runner = parts.make_trainer([clock], None, None)
    runner.fit(parts.model, datamodule=parts.data)
    runner.test(parts.model, datamodule=parts.data, verbose=False)
    speed = [SPEED] if isinstance(parts.model, TextModel) else []
    measured = {*runner.callback_metrics, parts.model.score, *TIMES, *COUNTS, *speed}
    before = clock.first - start
    data: Any = parts.data or parts.model  # a model that reads no texts says itself how many steps it takes
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    train, val, test = (_limited(len(loader), limit) for loader, limit in zip(loaders, limits, strict=True))
    a_step, a_batch = statistics.median(clock.train), statistics.median(clock.val)
    return 2 * before + epochs * (train * a_step + val * a_batch) + test * a_batch, measured


def _limited(batches: int, limit: int | float | None) -> int:
    if limit is None:
        return batches
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


class _BatchTimes(Callback):
    """Seconds of each batch, from the end of the one before it."""

    def __init__(self) -> None:
        self.train: list[float] = []
        self.val: list[float] = []
        self.first = 0.0
        self._last = 0.0

    def on_train_start(self, *args: Any) -> None:
        self.first = self._last = time.perf_counter()

    def on_train_batch_end(self, *args: Any) -> None:
        self._add(self.train)

    def on_validation_batch_end(self, *args: Any) -> None:
        self._add(self.val)

    def _add(self, seconds: list[float]) -> None:
        now = time.perf_counter()
        seconds.append(now - self._last)
        self._last = now


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread, as workers do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
