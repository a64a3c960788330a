"""The slot of executors: they call one function on many tasks, several at a time, and know nothing of studies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hqlm.errors import ConfigError
from hqlm.registry import Component

RunTrial = Callable[[Any], Any]  # at module level, so that it can be pickled, and so are task and value


@dataclass(frozen=True)
class Outcome:
    """Result of one task.

    Args:
        place: of the task in the sequence.
        value: what the function returned.
        error: why it returned nothing: what it raised, or how its process ended; None where all went well.
    """

    place: int
    value: Any = None
    error: str | None = None


@dataclass(frozen=True)
class Executor(Component):
    """Base of all executors.

    Workers compute with one thread of torch each, in the working directory of the caller.
    """

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many tasks run at a time."""

    @abstractmethod
    def run(self, run_trial: RunTrial, tasks: Sequence[Any]) -> Iterator[Outcome]:
        """Call `run_trial` on every task once; outcomes come as they are there.

        A call that raises, or whose process dies, is an outcome with an error. When the iterator is closed, workers
        that are still busy are killed.
        """


def call(run_trial: RunTrial, place: int, task: Any) -> Outcome:
    """Run one task in a worker."""
    try:
        return Outcome(place, run_trial(task))
    except Exception as err:  # a trial may fail in any way; the outcome says how
        return Outcome(place, error=f"{type(err).__name__}: {err}")


def check_workers(n_workers: int | None) -> None:
    """Refuse fewer than one worker.

    Raises:
        ConfigError: then.
    """
    if n_workers is not None and n_workers < 1:
        raise ConfigError(f"executor.n_workers={n_workers}: give 1 or more, or null for as many as there are cores")
