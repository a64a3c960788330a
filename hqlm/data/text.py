"""Base class of data sets that are read as tables: splits, seeded subsamples, class indices and loaders."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from hqlm.contracts import returns
from hqlm.data.base import HqlmDataModule, Split
from hqlm.data.table import (
    Table,
    check_class_names,
    classes,
    draw,
    draw_per_class,
    report_similar,
    split_fold,
    split_off,
)
from hqlm.errors import ConfigError, DataError, abbreviate, list_names
from hqlm.notices import say_once
from hqlm.plain import to_plain

_STAGES: dict[str, tuple[Split, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": ("predict",),
}


Batch = tuple[Tensor, list[str], Tensor]


class TextDataModule(HqlmDataModule):
    """Base class of data sets that are read as tables; a subclass only implements `read`.

    Args:
        batch_size: rows per step.
        seed: seed of subsamples and of a validation split that is held out of the training rows; the training order
            follows `seed_everything`.
        samples_per_class: train on this many rows per class; smaller samples are nested in larger ones.
        limit_train: train on at most this many rows, balanced over the classes.
        limit_val: validate on at most this many rows.
        limit_test: test and predict on at most this many rows.
        val_fraction: fraction of the training rows held out for validation if the source has no validation split.
        folds: cross-validate: split the training rows into this many folds, stratified and seeded, and test on one of
            them instead of the test rows.
        fold: index of the fold to test on, from 0.
    """

    def __init__(
        self,
        batch_size: int = 32,
        seed: int = 0,
        samples_per_class: int | None = None,
        limit_train: int | None = None,
        limit_val: int | None = None,
        limit_test: int | None = None,
        val_fraction: float = 0.1,
        folds: int | None = None,
        fold: int = 0,
    ) -> None:
        super().__init__()
        _check_positive(batch_size=batch_size, samples_per_class=samples_per_class)
        _check_positive(limit_train=limit_train, limit_val=limit_val, limit_test=limit_test)
        if seed < 0:
            raise ConfigError(f"data.seed must be 0 or more, given {seed}")
        if not 0.0 < val_fraction < 1.0:
            raise ConfigError(f"data.val_fraction must lie between 0 and 1, given {val_fraction}")
        if samples_per_class is not None and limit_train is not None:
            raise ConfigError("data.samples_per_class and data.limit_train exclude each other. Set only one of them")
        if folds is not None and folds < 2:
            raise ConfigError(f"data.folds must be 2 or more, given {folds}")
        if not 0 <= fold < (folds or 1):
            raise ConfigError(
                f"data.fold={fold} with data.folds={folds}: folds are counted from 0 and below data.folds"
            )
        self.batch_size: int = to_plain(batch_size)  # torch does not accept NumPy integers
        self.seed = seed
        self.samples_per_class = samples_per_class
        self.limits: dict[Split, int | None] = {
            "train": limit_train, "val": limit_val, "test": limit_test, "predict": limit_test,
        }  # fmt: skip
        self.val_fraction = val_fraction
        self.folds = folds
        self.fold = fold
        self._tables: dict[Split, Table] = {}
        self._sources: dict[Split, Table | None] = {}
        self._class_names: tuple[str, ...] | None = None

    @abstractmethod
    @returns(
        "a Table, or None for a split other than train that it does not have",
        lambda found, self, split: isinstance(found, Table) or (found is None and split != "train"),
    )
    def read(self, split: Split) -> Table | None:
        """Return the rows of a split from the source; None if it has no validation split.

        Raises:
            DataError: when the source is missing or broken.
        """

    def setup(self, stage: str) -> None:
        """Read the splits that a stage (`fit`, `validate`, `test` or `predict`) needs, once."""
        for split in _STAGES[stage]:
            if split not in self._tables:
                self._tables[split] = self._table(split)
                if split == "train":
                    self._say_classes()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes: those of the loaded model, else the training labels in order."""
        if self._class_names is None:
            self._class_names = self._classes_of_the_source
        return self._class_names

    def use_classes(self, class_names: Sequence[str]) -> None:
        """Use the class order of a trained model.

        Raises:
            DataError: for names that differ only in white space.
        """
        check_class_names(class_names, "the model")
        self._class_names = tuple(class_names)

    def texts(self, split: Split) -> list[str]:
        """Return the texts of a split, in the order of the batch indices."""
        return list(self._tables[split].texts)

    def labels(self, split: Split) -> list[int]:
        """Return the class index of each text of a split."""
        return list(self._tables[split].numbers(self.class_names))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return batches of shuffled training rows."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return batches of validation rows, in order."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return batches of test rows, in order."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Return batches of rows to predict, in order, with the labels that are known."""
        return self._loader("predict")

    def _loader(self, split: Split, shuffle: bool = False) -> DataLoader[Batch]:
        table = self._tables[split]
        labels = table.known_numbers(self._class_names or ()) if split == "predict" else table.numbers(self.class_names)
        rows = _Rows(table.texts, torch.tensor(labels))
        # a DistributedSampler reshuffles by seed and epoch, so that a resumed run sees the order it would have seen;
        # in evaluation the rows are dealt out to the processes; the model counts rows that pad the last round only once
        several = self.trainer is not None and self.trainer.world_size > 1
        sampler = self._sampler(rows, shuffle) if shuffle or several else None
        # its own generator: a loader draws a number each time it starts, and a resumed run starts one more
        own = torch.Generator()
        size = min(self.batch_size, max(1, len(rows)))  # a larger one may exceed the index type of this machine
        return DataLoader(rows, batch_size=size, sampler=sampler, collate_fn=_whole, generator=own)

    def _sampler(self, rows: _Rows, shuffle: bool) -> DistributedSampler[Batch]:
        """Return the sampler that distributes the rows over processes.

        Raises:
            ConfigError: if there are fewer training rows than processes, so that some rows would be repeated.
        """
        trainer = self.trainer
        size, rank = (trainer.world_size, trainer.global_rank) if trainer is not None else (1, 0)
        if shuffle and len(rows) < size:
            raise ConfigError(
                f"{size} processes cannot share {len(rows)} training rows. Set trainer.devices to {len(rows)} or less"
            )
        seed = torch.initial_seed() % 2**32  # seed_everything governs the order, data.seed the subsamples
        return DistributedSampler(rows, num_replicas=size, rank=rank, shuffle=shuffle, seed=seed)

    def _table(self, split: Split) -> Table:
        if split == "train":
            return self._training_rows()
        table = self._dealt[1] if split == "test" and self.folds is not None else self._read(split)
        if table is None:
            table = self._cut[1]
        table = table.checked(labelled=split != "predict")
        limit = self.limits[split]
        return table if limit is None else draw(table, limit, self.seed)

    def _training_rows(self) -> Table:
        table, limit = self._cut[0], self.limits["train"]
        if self.samples_per_class is not None:
            table = draw_per_class(table, self.samples_per_class, self.seed)
        elif limit is not None:
            table = draw(table, limit, self.seed)
        if len(set(table.labels or ())) < 2:
            raise DataError(
                f"of {len(self._labelled)} rows of {table.source} {len(table)} are left to train on, all of one class. "
                "Raise data.limit_train or lower data.val_fraction"
            )
        if len(set(table.texts)) < 2:
            raise DataError(
                f"all {len(table)} texts of {table.source} to train on are '{abbreviate(table.texts[0])}': they do not "
                "distinguish the classes. Check data.text, or take other rows"
            )
        return table

    def _say_classes(self) -> None:
        counts = Counter(self._tables["train"].labels or ())
        known = [f"{abbreviate(name)} ({counts[name]:,})" for name in self._classes_of_the_source]
        say_once(f"{self._labelled.source}: {len(known)} classes (rows to train on): {list_names(known)}")

    @cached_property
    def _cut(self) -> tuple[Table, Table]:
        """Training and validation rows; the latter are held out of the training rows if the source has none."""
        table = self._dealt[0]
        if self._read("val") is not None:
            return table, replace(table, texts=(), labels=())
        rest, held = split_off(table, self.val_fraction, self.seed)
        say_once(  # a comparison trains many times on the same rows
            f"{table.source}: no validation split; {len(held)} of {len(table)} training rows are held out for it "
            f"(val_fraction={self.val_fraction}, data.seed={self.seed}, stratified)"
        )
        return rest, held

    @cached_property
    def _dealt(self) -> tuple[Table, Table]:
        """Training rows and test rows of the fold; all rows and None without cross-validation."""
        table = self._labelled
        if self.folds is None:
            return table, replace(table, texts=(), labels=())
        return split_fold(table, self.folds, self.fold, self.seed)

    @cached_property
    def _labelled(self) -> Table:
        """Training rows of the source, after checking that they have two or more classes."""
        table = self._read("train")
        assert table is not None
        labels = table.checked(labelled=True).labels or ()
        if len(set(labels)) < 2:
            raise DataError(
                f"all rows of {table.source} have the label '{abbreviate(labels[0])}'; two classes are needed. Check "
                "data.label"
            )
        return table

    @cached_property
    def _classes_of_the_source(self) -> tuple[str, ...]:
        names = classes(self._labelled.labels or ())
        check_class_names(names, self._labelled.source)
        report_similar(names, self._labelled.source)
        return names

    def _read(self, split: Split) -> Table | None:
        if split not in self._sources:
            self._sources[split] = self.read(split)
        return self._sources[split]


class _Rows(Dataset[Any]):
    """Dataset over the rows of a split; a batch is fetched in one call."""

    def __init__(self, texts: Sequence[str], labels: Tensor) -> None:
        self.texts = texts
        self.labels = labels

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, place: int) -> Batch:
        return self.__getitems__([place])

    def __getitems__(self, places: list[int]) -> Batch:
        index = torch.tensor(places)
        return index, [self.texts[place] for place in places], self.labels[index]


def _whole(batch: Any) -> Batch:
    result: Batch = batch  # _Rows fetches whole batches
    return result


def _check_positive(**values: int | None) -> None:
    for name, value in values.items():
        if value is not None and not 1 <= value <= sys.maxsize:
            raise ConfigError(f"data.{name} must lie between 1 and {sys.maxsize}, given {value}")
