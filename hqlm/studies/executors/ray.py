"""Trials on a Ray cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import connection, get_context
from typing import Any, ClassVar, Final

import torch

from hqlm.errors import RunError
from hqlm.registry import check_installed
from hqlm.resources import usable_cores
from hqlm.studies.executors.base import Executor, Outcome, RunTrial, call, check_workers
from hqlm.studies.executors.local import cause_of_death, deaf_to_ctrl_c, die_with_parent

Job = Callable[..., Iterator[Any]]
_LOCAL: Final = "local"
_OBJECTS: Final = 100 * 1024**2  # bytes for Ray's object store; tasks and values are small
_ENVIRONMENT: Final = ("HQLM_", "HF_")  # what workers elsewhere shall see as the caller does
_LONGEST_ANSWER: Final = 10  # seconds that a cluster may take to answer
_LONGEST_START: Final = 120  # seconds that a cluster on this machine may take to start
_LONGEST_END: Final = 10  # and to end


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
            return usable_cores()
        with closing(self._drive(_cores)) as cores:
            return int(next(cores))

    def run(self, run_trial: RunTrial, tasks: Sequence[Any]) -> Iterator[Outcome]:
        """Run every task once on the cluster; outcomes come as they are there."""
        with closing(self._drive(_outcomes, self.n_workers, run_trial, tasks)) as outcomes:
            yield from outcomes

    def _drive(self, job: Job, *args: Any) -> Generator[Any, None, None]:
        """Yield what a job yields in a process that is connected to the cluster.

        Ray ends or blocks the process that lost its cluster, so that process is one of its own.

        Raises:
            RunError: when no cluster answers in time, or it is lost.
        """
        check_installed(type(self))
        pipe, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=_serve, args=(theirs, self.address, self._options(), job, args))
        with deaf_to_ctrl_c():
            process.start()
        theirs.close()
        try:
            pipe.recv()  # it has imported everything
            longest = _LONGEST_START if self.address == _LOCAL else _LONGEST_ANSWER
            if not pipe.poll(longest):
                process.kill()
                raise self._unreachable(f"nothing answered within {longest} s")
            if isinstance(message := pipe.recv(), _Failure):
                raise self._unreachable(message.reason)
            while (message := pipe.recv()) is not None:
                if isinstance(message, _Failure):
                    raise self._lost(message.reason)
                yield message
            process.join(_LONGEST_END)
        except (EOFError, ConnectionResetError) as err:
            process.join()
            raise self._lost(f"its driver ended with {cause_of_death(process.exitcode)}") from err
        finally:
            process.terminate()  # which Ray takes to shut down what it has started
            process.join(_LONGEST_END)
            process.kill()
            process.join()
            pipe.close()

    def _options(self) -> dict[str, Any]:
        """Return what `ray.init` takes beside the address."""
        mine = {key: value for key, value in os.environ.items() if key.startswith(_ENVIRONMENT)}
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        options |= {"runtime_env": {"env_vars": mine}}
        if self.address == _LOCAL:  # one that is there already has sizes of its own
            options |= {"num_cpus": self.workers, "object_store_memory": _OBJECTS, "include_dashboard": False}
        return options

    def _unreachable(self, reason: str) -> RunError:
        return RunError(
            f"executor.address={self.address}: there is no Ray cluster ({reason}). Start one with `ray start --head`, "
            "correct the address, or leave it out for a cluster on this machine"
        )

    def _lost(self, reason: str) -> RunError:
        return RunError(
            f"executor.address={self.address}: the Ray cluster was lost ({reason}). Give the same command again: what "
            "is finished is kept"
        )


@dataclass(frozen=True)
class _Failure:
    reason: str


def _serve(pipe: connection.Connection[Any, Any], address: str, options: dict[str, Any], job: Job, args: Any) -> None:
    """Connect to the cluster, say so, and send what the job yields, then None; or why not."""
    die_with_parent()
    nobody = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # Ray's own words; ours go through the pipe
        os.dup2(nobody, stream)
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(_LONGEST_ANSWER))
    import ray

    pipe.send("imported")
    try:
        ray.init(address=address, **options)
        pipe.send("connected")
        for value in job(ray, *args):
            pipe.send(value)
        pipe.send(None)
    except Exception as err:  # whatever Ray fails with
        pipe.send(_Failure(_first_sentence(err)))
    finally:
        ray.shutdown()


def _cores(ray: Any) -> Iterator[int]:
    yield int(ray.cluster_resources().get("CPU", 0))


def _outcomes(ray: Any, n_workers: int | None, run_trial: RunTrial, tasks: Sequence[Any]) -> Iterator[Outcome]:
    workers = n_workers or next(_cores(ray))
    remote = ray.remote(num_cpus=1, max_retries=0)(_in_worker)
    waiting, running = iter(enumerate(tasks)), dict[Any, int]()
    while True:
        while len(running) < max(workers, 1) and (next_task := next(waiting, None)) is not None:
            place, task = next_task
            running[remote.remote(run_trial, place, task, os.getcwd())] = place
        if not running:
            return
        done, _ = ray.wait(list(running))
        yield _outcome(ray, done[0], running.pop(done[0]))


def _outcome(ray: Any, done: Any, place: int) -> Outcome:
    try:
        outcome: Outcome = ray.get(done)
    except ray.exceptions.LocalRayletDiedError:  # no other task could run either
        raise
    except ray.exceptions.RayError as err:
        return Outcome(place, error=f"the worker process died: {_first_sentence(err)}")
    return outcome


def _first_sentence(err: Exception) -> str:
    """Return what went wrong without the ids and places of logs that Ray adds."""
    lines = str(err).strip().splitlines() or [""]
    return f"{type(err).__name__}: {lines[0].partition('. ')[0]}"


def _in_worker(run_trial: RunTrial, place: int, task: Any, folder: str) -> Outcome:
    os.chdir(folder)
    torch.set_num_threads(1)
    return call(run_trial, place, task)
