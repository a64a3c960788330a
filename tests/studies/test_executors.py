"""Every executor calls every task once, reports what fails, replaces workers that die, and computes with one thread."""

import os
import time

import pytest

from hqlm.errors import ConfigError
from hqlm.studies.executors import EXECUTORS, LocalExecutor, RayExecutor
from tests.studies import tasks

WORK = ["square 3", "die", "threads", "fail", "square 4", "folder", "square 5"]
CLUSTER = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore:.*:ResourceWarning", "ignore:.*:FutureWarning"
)


def check(executor):
    outcomes = {outcome.place: outcome for outcome in executor.run(tasks.work, WORK)}
    assert sorted(outcomes) == list(range(len(WORK)))
    said = [outcomes[place].value or outcomes[place].error for place in range(len(WORK))]
    assert said[0] == 9
    assert said[1].startswith("the worker process died: ")
    assert said[2:] == [1, "ValueError: no such work", 16, os.getcwd(), 25]


def test_the_registry_has_both():
    assert {"LocalExecutor", "RayExecutor"} <= set(EXECUTORS)


def test_local_workers():
    check(LocalExecutor(n_workers=2))


def test_a_local_worker_is_used_again_and_killed_when_nobody_listens():
    outcomes = LocalExecutor(n_workers=1).run(tasks.work, ["pid", "pid", "sleep", "pid"])
    first, second = (next(outcomes).value for _ in range(2))
    assert first == second != os.getpid()
    start = time.monotonic()
    outcomes.close()
    assert time.monotonic() - start < 5
    assert not tasks.is_alive(first)


@pytest.mark.slow
@CLUSTER
def test_ray_on_this_machine():
    check(RayExecutor(n_workers=2))


@pytest.mark.slow
@CLUSTER
def test_ray_on_a_cluster_that_is_there():
    ray = pytest.importorskip("ray")
    cluster = pytest.importorskip("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    try:
        executor = RayExecutor(address=cluster.address)
        assert executor.workers == 2
        assert {outcome.value for outcome in executor.run(tasks.work, ["square 3", "square 4"])} == {9, 16}
        assert not ray.is_initialized()
    finally:
        cluster.shutdown()


@pytest.mark.parametrize("executor", [LocalExecutor, RayExecutor])
def test_no_workers_are_refused(executor):
    with pytest.raises(ConfigError, match="n_workers=0"):
        executor(n_workers=0)
