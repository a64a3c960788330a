"""Labelled texts from the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from hqlm.data.base import Split
from hqlm.data.table import Table, label_column, text_column
from hqlm.data.text import TextDataModule
from hqlm.errors import DataError, abbreviate
from hqlm.registry import check_installed, suggestion


class HubData(TextDataModule):
    """A data set of the Hugging Face hub, loaded with the library `datasets` (extra `hub`).

    Args:
        dataset: id of the data set, for example `SetFit/sst2`, or a local folder that `datasets` can read.
        config: name of the configuration, if the data set has several.
        train: name of the split to train on.
        val: name of the split to validate on; None holds out `val_fraction` of the training rows.
        test: name of the split to test and predict on.
        text: column of the text.
        label: column of the label; numbers in a ClassLabel column are replaced by their names.
        val_fraction: fraction of the training rows held out for validation if there is no split for it.
        batch_size: rows per step.
        seed: seed of subsamples and of the validation split; the training order follows `seed_everything`.
        samples_per_class: train on this many rows per class; smaller samples are nested in larger ones.
        limit_train: train on at most this many rows, balanced over the classes.
        limit_val: validate on at most this many rows.
        limit_test: test and predict on at most this many rows.
        folds: cross-validate: split the training rows into this many folds, stratified and seeded, and test on one of
            them instead of the test rows.
        fold: index of the fold to test on, from 0.
    """

    requires: ClassVar[tuple[str, ...]] = ("datasets",)
    install: ClassVar[str] = "hqlm[hub]"

    def __init__(
        self,
        dataset: str,
        config: str | None = None,
        train: str = "train",
        val: str | None = "validation",
        test: str = "test",
        text: str = "text",
        label: str = "label",
        val_fraction: float = 0.1,
        batch_size: int = 32,
        seed: int = 0,
        samples_per_class: int | None = None,
        limit_train: int | None = None,
        limit_val: int | None = None,
        limit_test: int | None = None,
        folds: int | None = None,
        fold: int = 0,
    ) -> None:
        super().__init__(
            batch_size, seed, samples_per_class, limit_train, limit_val, limit_test, val_fraction, folds, fold
        )
        self.dataset = dataset
        self.config = config
        self.splits: dict[Split, str | None] = {"train": train, "val": val, "test": test, "predict": test}
        self.text = text
        self.label = label

    def read(self, split: Split) -> Table | None:
        """Return the rows of a split; None for `val: null`.

        Raises:
            DataError: when the hub does not answer, or does not have the data set, split or column.
            MissingDependency: if the library `datasets` is not installed.
        """
        name = self.splits[split]
        if name is None:
            return None
        rows = self._load(name)
        source = f"{self.dataset} ({name})"
        for column in (self.text, self.label) if split != "predict" else (self.text,):
            if column not in rows.column_names:
                raise DataError(f"{source} has no column '{column}'. {suggestion(column, rows.column_names)}")
        texts = text_column(rows[self.text], source, 1, self.text)
        return Table(texts, self._labels(rows, source), source)

    def data_files(self) -> tuple[Path, ...]:
        """Return the files of a local folder; data sets on the hub are assumed not to change."""
        folder = Path(self.dataset)
        return tuple(sorted(path for path in folder.rglob("*") if path.is_file())) if folder.is_dir() else ()

    def _load(self, split: str) -> Any:
        if self.dataset == "pandas":  # the loader of `datasets` for pickles in the working directory
            raise DataError("data.dataset=pandas would read pickles, which can run code. Save the data in another form")
        check_installed(type(self))
        from datasets import load_dataset

        try:
            return load_dataset(self.dataset, self.config, split=split)
        except Exception as err:
            raise DataError(
                f"cannot load split '{split}' of data.dataset='{self.dataset}' from the hub "
                f"({type(err).__name__}: {abbreviate(str(err), 300)}). Check names and "
                "connection, or use --data=FileData with local files"
            ) from err

    def _labels(self, rows: Any, source: str) -> tuple[str, ...] | None:
        if self.label not in rows.column_names:
            return None
        feature = rows.features[self.label]
        # only a ClassLabel column has names for its numbers; -1 marks a row without a label there
        names = getattr(feature, "names", None)
        if names is None:
            return label_column(rows[self.label], source, 1, self.label)
        return tuple("" if value is None or value < 0 else names[value] for value in rows[self.label])
