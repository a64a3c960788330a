"""Data sets of labelled texts."""

from hqlm.data.base import HqlmDataModule, Split
from hqlm.data.file import FileData
from hqlm.data.hub import HubData
from hqlm.data.reviews import ReviewsData
from hqlm.data.table import Table
from hqlm.data.text import TextDataModule
from hqlm.registry import Registry

DATA_MODULES: Registry[HqlmDataModule] = Registry(HqlmDataModule, "data set")  # type: ignore[type-abstract]

__all__ = [
    "DATA_MODULES",
    "FileData",
    "HqlmDataModule",
    "HubData",
    "ReviewsData",
    "Split",
    "Table",
    "TextDataModule",
]
