"""Executors, one a file: where the trials of a study run."""

from hqlm.registry import Registry
from hqlm.studies.executors.base import Executor, Outcome
from hqlm.studies.executors.local import LocalExecutor
from hqlm.studies.executors.ray import RayExecutor

EXECUTORS: Registry[Executor] = Registry(Executor, "executor")  # type: ignore[type-abstract]

__all__ = ["EXECUTORS", "Executor", "LocalExecutor", "Outcome", "RayExecutor"]
