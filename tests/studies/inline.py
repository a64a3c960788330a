"""An executor as a plugin: everything in this process, one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hqlm.studies.executors.base import Executor, Outcome, RunTrial, call


@dataclass(frozen=True)
class InlineExecutor(Executor):
    """No worker at all."""

    @property
    def workers(self) -> int:
        return 1

    def run(self, run_trial: RunTrial, tasks: Sequence[Any]) -> Iterator[Outcome]:
        return (call(run_trial, place, task) for place, task in enumerate(tasks))
