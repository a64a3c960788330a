"""Base class of data sets: the interface between a data set and a model."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from lightning.pytorch import LightningDataModule

from hqlm.contracts import Contracted, returns

Split = Literal["train", "val", "test", "predict"]


class HqlmDataModule(LightningDataModule, Contracted, ABC):
    """Texts with class labels, in splits.

    Batches are `(index, text, label)`: indices in the split `(batch,)`, a list of texts, and class indices `(batch,)`,
    -1 where there is no label.

    Attributes:
        requires: import names of the optional packages that it needs to run.
        install: arguments of `pip install` that install them.
        paths: options that name files or folders; those in a configuration file are looked up beside it first.
        options: its constructor arguments, by name.
    """

    requires: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""
    paths: ClassVar[tuple[str, ...]] = ()
    options: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Store the constructor arguments, from which an `Experiment` recreates it."""
        data = super().__new__(cls)
        given = inspect.signature(cls).bind_partial(*args, **kwargs)
        given.apply_defaults()
        data.options = dict(given.arguments)
        return data

    @property
    @abstractmethod
    @returns("a tuple of texts", lambda names, self: isinstance(names, tuple | list) and _are(str, names))
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their indices."""

    def data_files(self) -> Sequence[Path]:
        """Return the files that are read; studies rerun their trials when the content of one changes."""
        return ()

    @abstractmethod
    @returns("nothing")
    def use_classes(self, class_names: Sequence[str]) -> None:
        """Use the class order of a trained model instead of the order of the training labels."""

    @abstractmethod
    @returns("a list of texts", lambda texts, *_: isinstance(texts, list) and _are(str, texts))
    def texts(self, split: Split) -> list[str]:
        """Return the texts of a split, in the order of the batch indices."""

    @abstractmethod
    @returns("a list of whole numbers", lambda labels, *_: isinstance(labels, list) and _are(int, labels))
    def labels(self, split: Split) -> list[int]:
        """Return the class index of each text of a labelled split."""


def _are(kind: type, values: Sequence[Any]) -> bool:
    return all(isinstance(value, kind) for value in values)
