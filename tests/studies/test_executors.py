"""Every executor calls every task once, reports what fails, replaces workers that die, and computes with one thread."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hqlm.errors import ConfigError, RunError
from hqlm.studies.executors import EXECUTORS, LocalExecutor, RayExecutor
from hqlm.studies.executors.local import deaf_to_ctrl_c
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


@pytest.fixture
def silent():
    """The address of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.slow
@CLUSTER
@pytest.mark.parametrize("address", ["auto", "127.0.0.1:1", "ray://127.0.0.1:1", "silent", "ray://silent", "nonsense"])
def test_a_cluster_that_does_not_answer_is_told_and_leaves_nothing(address, silent, monkeypatch):
    monkeypatch.setattr("hqlm.studies.executors.ray._LONGEST_ANSWER", 3)
    before = set(children(os.getpid()))
    executor = RayExecutor(address=address.replace("silent", silent))
    for ask in (lambda: executor.workers, lambda: list(executor.run(tasks.work, ["square 3"]))):
        with pytest.raises(RunError, match="there is no Ray cluster"):
            ask()
    assert set(children(os.getpid())) <= before | trackers()


@pytest.mark.slow
@CLUSTER
def test_a_cluster_that_is_lost_is_told():
    before = set(children(os.getpid()))
    outcomes = RayExecutor(n_workers=1).run(tasks.work, ["square 3", "sleep", "square 4"])
    assert next(outcomes).value == 9
    (driver,) = (pid for pid in set(children(os.getpid())) - before if "spawn_main" in line(pid))
    os.kill(driver, signal.SIGKILL)
    with pytest.raises(RunError, match=r"the Ray cluster was lost \(its driver ended with SIGKILL"):
        list(outcomes)


def trackers():
    """The process with which multiprocessing keeps track of what spawned processes share."""
    return {pid for pid in children(os.getpid()) if "resource_tracker" in line(pid)}


def children(pid):
    """Processes that a process has started and that are alive."""
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [one for one in found if tasks.is_alive(one)]


def line(pid):
    """The command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text()


def test_processes_started_while_ctrl_c_is_held_back_never_get_it():
    code = "import time; print(1, flush=True); time.sleep(2); print(2)"
    said = []

    def start():
        with deaf_to_ctrl_c(), subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
            said.append(child.stdout.readline())
            child.send_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)  # held back until the end of the block
            said.append(child.stdout.read())
            said.append(child.wait())

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            start()
    finally:
        signal.signal(signal.SIGINT, handler)
    assert said == [b"1\n", b"2\n", 0]


@pytest.mark.parametrize("executor", [LocalExecutor, RayExecutor])
def test_no_workers_are_refused(executor):
    with pytest.raises(ConfigError, match="n_workers=0"):
        executor(n_workers=0)
