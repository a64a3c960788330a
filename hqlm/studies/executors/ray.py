"""Trials on a Ray cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import torch

from hqlm.registry import check_installed
from hqlm.studies.executors.base import Executor, Outcome, RunTrial, call, check_workers

_LOCAL: Final = "local"
_OBJECTS: Final = 100 * 1024**2  # bytes for Ray's object store; tasks and values are small
_ENVIRONMENT: Final = ("HQLM_", "HF_")  # what workers elsewhere shall see as the caller does


@dataclass(frozen=True)
class RayExecutor(Executor):
    """Workers of Ray: a cluster that is there, or one on this machine for as long as the study runs.

    Every machine of a cluster must see the working directory and the cache under the same path, and have hqlm
    installed. Source: Moritz et al. (2018), Ray, arXiv:1712.05889.

    Args:
        address: `local` starts a cluster on this machine; `auto` finds the one that runs here; or that of a cluster, as
            Ray writes it (`ray://host:10001`, `host:6379`).
        n_workers: tasks at a time; null takes as many as the cluster has cores.
    """

    address: str = _LOCAL
    n_workers: int | None = None

    requires: ClassVar[tuple[str, ...]] = ("ray",)
    install: ClassVar[str] = "hqlm[ray]"

    def __post_init__(self) -> None:
        check_workers(self.n_workers)

    @property
    def workers(self) -> int:
        """`n_workers`, or as many as the cluster has cores."""
        if self.n_workers is not None:
            return self.n_workers
        if self.address == _LOCAL:
            return os.cpu_count() or 1
        with self._cluster() as ray:
            return int(ray.cluster_resources()["CPU"])

    def run(self, run_trial: RunTrial, tasks: Sequence[Any]) -> Iterator[Outcome]:
        """As in the base class."""
        workers = self.workers
        with self._cluster() as ray:
            remote = ray.remote(num_cpus=1, max_retries=0)(_in_worker)
            waiting, running = iter(enumerate(tasks)), dict[Any, int]()
            while True:
                while len(running) < workers and (next_task := next(waiting, None)) is not None:
                    place, task = next_task
                    running[remote.remote(run_trial, place, task, os.getcwd())] = place
                if not running:
                    return
                done, _ = ray.wait(list(running))
                yield _outcome(ray, done[0], running.pop(done[0]))

    @contextmanager
    def _cluster(self) -> Iterator[Any]:
        check_installed(type(self))
        import ray

        mine = {key: value for key, value in os.environ.items() if key.startswith(_ENVIRONMENT)}
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        options |= {"runtime_env": {"env_vars": mine}}
        if self.address == _LOCAL:  # one that is there already has sizes of its own
            options |= {"num_cpus": self.workers, "object_store_memory": _OBJECTS, "include_dashboard": False}
        try:
            ray.init(address=self.address, **options)
            yield ray
        finally:
            ray.shutdown()


def _outcome(ray: Any, done: Any, place: int) -> Outcome:
    try:
        outcome: Outcome = ray.get(done)
    except ray.exceptions.RayError as err:
        first = str(err).strip().splitlines()[0].partition(". ")[0]  # then come ids and where Ray's own logs lie
        return Outcome(place, error=f"the worker process died: {type(err).__name__}: {first}")
    return outcome


def _in_worker(run_trial: RunTrial, place: int, task: Any, folder: str) -> Outcome:
    os.chdir(folder)
    torch.set_num_threads(1)
    return call(run_trial, place, task)
