"""Labelled texts from files: TSV, CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from hqlm.data.base import Split
from hqlm.data.table import Table, label_column, text_column
from hqlm.data.text import TextDataModule
from hqlm.errors import DataError, abbreviate, list_names
from hqlm.files import parse_json
from hqlm.registry import suggestion

_AUTO = "auto"
_VAL_STEMS = ("dev", "val", "validation", "valid")
_Row = dict[str, Any]
csv.field_size_limit(2**31 - 1)  # texts may be longer than the 128 KiB that the module allows by default


class FileData(TextDataModule):
    """One file per split, `.tsv` (tab-separated, never quoted), `.csv` (quoted as usual) or `.jsonl`, in UTF-8.

    Texts to predict may also come from a `.txt` file, one text per line.

    Args:
        folder: folder of the files; a relative path is looked up in the working directory, then below the folder in
            the environment variable HQLM_DATA.
        train: file of the training rows; `auto` takes train.tsv, train.csv or train.jsonl, whichever exists.
        val: file of the validation rows; `auto` takes dev, val or validation if one exists, otherwise holds out
            `val_fraction` of the training rows, stratified and seeded.
        test: file of the test rows; `auto` takes test.tsv, test.csv or test.jsonl, whichever exists.
        predict: file of the rows to predict, labelled or not, in the working directory or the folder; defaults to the
            test rows.
        text: column (or JSON key) of the text.
        label: column (or JSON key) of the label; labels may be words or numbers.
        val_fraction: fraction of the training rows held out for validation if there is no file for it.
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

    paths: ClassVar[tuple[str, ...]] = ("folder", "predict")

    def __init__(
        self,
        folder: str,
        train: str = _AUTO,
        val: str = _AUTO,
        test: str = _AUTO,
        predict: str | None = None,
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
        self.folder = folder
        self.files: dict[Split, str] = {"train": train, "val": val, "test": test, "predict": predict or test}
        self.text = text
        self.label = label

    def read(self, split: Split) -> Table | None:
        """Return the rows of a split's file; None for `val: auto` when there is no such file.

        Raises:
            DataError: for a missing folder, file or column, or rows that cannot be read.
            DocumentError: for a row of a `.jsonl` file that is not JSON or is nested too deeply.
        """
        path = self._path(split)
        return None if path is None else self._read_file(path, split)

    def data_files(self) -> tuple[Path, ...]:
        """Return the files of training, validation and test rows."""
        paths = (self._path(split) for split in ("train", "val", "test"))
        return tuple(path for path in paths if path is not None)

    def _path(self, split: Split) -> Path | None:
        name = self.files[split]
        if split == "predict" and os.path.isfile(Path(name)):  # texts to predict may be anywhere
            return Path(name)
        folder = _find_folder(self.folder)
        if name != _AUTO:
            return folder / name
        if split == "val":
            train = self.files["train"]
            kinds = list(_READERS) if train == _AUTO else [Path(train).suffix]
            return next((path for stem in _VAL_STEMS if (path := _find_file(folder, stem, kinds))), None)
        stem = "train" if split == "train" else "test"
        return _find_file(folder, stem, list(_READERS)) or folder / f"{stem}.tsv"

    def _read_file(self, path: Path, split: Split) -> Table:
        if split == "predict" and path.suffix.lower() == ".txt":
            given = (line for line in _read_text(path).splitlines() if line.strip())
            return Table(text_column(given, str(path), 1, "line"), None, str(path), 1)
        reader = _READERS.get(path.suffix.lower())
        # os.path, as elsewhere: Path.is_file raises for names that are too long
        if os.path.isfile(path) and reader is None:
            raise DataError(f"{path}: files end in {', '.join(_READERS)}, not '{abbreviate(path.suffix)}'")
        lines = io.StringIO(_read_text(path), newline="")
        assert reader is not None
        rows = list(reader(lines, path))
        columns = {name for row in rows for name in row}
        needed = {"text": self.text} if split == "predict" else {"text": self.text, "label": self.label}
        for option, name in needed.items():
            if rows and name not in columns:
                raise DataError(
                    f"{path} has no column '{abbreviate(name)}'. {suggestion(name, sorted(columns))}. Set data.{option}"
                )
        first_row = 1 if reader is _read_jsonl else 2
        texts = text_column((row.get(self.text) for row in rows), str(path), first_row, self.text)
        labels = None
        if self.label in columns:
            labels = label_column((row.get(self.label) for row in rows), str(path), first_row, self.label)
        return Table(texts, labels, str(path), first_row)


def _read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, without a byte order mark.

    Raises:
        DataError: for a file that is missing, cannot be read, or is not UTF-8 text.
    """
    if not os.path.isfile(path):
        raise DataError(_missing(path))
    try:
        content = path.read_bytes()
    except OSError as err:
        raise DataError(f"{path} cannot be read: {err.strerror or err}") from err
    try:
        text = content.decode("utf-8-sig")
        bad = text.find("\0")
        line, what = text.count("\n", 0, bad) + 1, "a zero byte"
    except UnicodeDecodeError as err:
        bad = err.start
        after_mark = err.object
        line, what = after_mark.count(b"\n", 0, bad) + 1, f"the byte 0x{after_mark[bad]:02x}"
    if bad >= 0:
        raise DataError(f"{path} is not UTF-8 text: line {line} has {what}. Save the file in UTF-8")
    return text


def _missing(path: Path) -> str:
    """Return why there is no file, and which files there are."""
    fix = "Set data.train, data.val, data.test"
    if os.path.isdir(path):
        return f"{path} is a folder, not a file. {fix}"
    try:
        there = list_names(sorted(each.name for each in path.parent.iterdir())) or "nothing"
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        there = "no such folder"
    return f"no file {_cut(path)} (in its folder: {there}). {fix}"


def _find_folder(name: str) -> Path:
    base = os.environ.get("HQLM_DATA")
    here = Path(os.path.expanduser(name))
    if os.path.isdir(here):
        return here
    if base and os.path.isdir(Path(base) / name):
        return Path(base) / name
    where = f"nor {_cut(Path(base) / name)} (HQLM_DATA={base})" if base else "and the variable HQLM_DATA is not set"
    raise DataError(f"data.folder='{abbreviate(name, 300)}': there is no folder {_cut(here.absolute())}, {where}")


def _cut(path: Path) -> str:
    return abbreviate(str(path), 300)


def _find_file(folder: Path, stem: str, kinds: list[str]) -> Path | None:
    """Return the file of that name with a supported extension; None if there is none.

    Raises:
        DataError: when there are several.
    """
    found = [path for kind in kinds if os.path.isfile(path := folder / f"{stem}{kind}")]
    if len(found) > 1:
        raise DataError(
            f"{folder} has {' and '.join(path.name for path in found)}: which one? Set data.train, data.val, data.test"
        )
    return found[0] if found else None


def _read_tsv(lines: Iterable[str], path: Path) -> Iterator[_Row]:
    """Yield the rows of tab-separated text; a quotation mark is an ordinary character."""
    return _read_table(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), path)


def _read_csv(lines: Iterable[str], path: Path) -> Iterator[_Row]:
    return _read_table(csv.reader(lines, strict=True), path)


def _read_table(reader: Iterable[list[str]], path: Path) -> Iterator[_Row]:
    number = 1
    try:
        rows = iter(reader)
        header = next(rows, None)
        if header is None:
            raise DataError(f"{path} is empty; its first line must name the columns")
        if len(set(header)) < len(header):
            twice = [name for name, count in Counter(header).items() if count > 1]
            raise DataError(f"{path} names a column twice: {list_names(twice)}")
        for number, row in enumerate(rows, start=2):
            if len(row) > len(header):
                raise DataError(f"{path}, row {number}: {len(row)} fields, but the header names {len(header)}")
            yield dict(zip(header, row + [""] * (len(header) - len(row)), strict=True))
    except csv.Error as err:
        raise DataError(
            f"{path} cannot be read as a table after row {number}: {err}. Close every quotation mark, and double those "
            "within a text"
        ) from err


def _read_jsonl(lines: Iterable[str], path: Path) -> Iterator[_Row]:
    for number, line in enumerate(lines, start=1):
        row = parse_json(line, f"{path}, row {number}")
        if not isinstance(row, dict):
            raise DataError(f"{path}, row {number} is not a JSON object")
        yield row


_READERS = {".tsv": _read_tsv, ".csv": _read_csv, ".jsonl": _read_jsonl}
