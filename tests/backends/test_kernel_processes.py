"""Threads, processes, the compilation cache and memory of the compiled kernels."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hqlm.backends import StatevectorBackend
from hqlm.backends.kernels import chunks
from hqlm.backends.kernels.threads import share_out
from tests.backends.random_circuits import REAL_GATES, random_circuit, random_parameters, random_states

CIRCUIT = random_circuit(1, 6, 30, REAL_GATES)
ONE_STEP = """
import torch
from hqlm.backends import StatevectorBackend
from hqlm.circuits import Circuit, Gate, PauliString, Weight
weights = torch.tensor([0.5], requires_grad=True)
value = StatevectorBackend().expectations(Circuit(1, (Gate("RY", (0,), Weight(0)),), (PauliString("Z"),)), weights)
value.sum().backward()
print(value.item(), weights.grad.item())
"""


def step(batch: int = 40) -> Tensor:
    weights, inputs = random_parameters(1, CIRCUIT, batch, torch.float32)
    weights.requires_grad_()
    values = StatevectorBackend().expectations(CIRCUIT, weights, inputs)
    values.sum().backward()
    assert weights.grad is not None
    return torch.cat((values.detach().flatten(), weights.grad))


def child(connection: object) -> None:
    connection.send(step().tolist())


@pytest.fixture
def two_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("batch", [1, 7, 16, 40])
def test_number_of_threads_changes_nothing(two_threads: None, batch: int) -> None:
    both = step(batch)
    torch.set_num_threads(1)
    assert torch.equal(step(batch), both)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_processes(two_threads: None, method: str) -> None:
    expected = step().tolist()  # the parent's pool is running when the child starts
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(sender,))
    process.start()
    assert receiver.poll(120)
    assert receiver.recv() == expected
    process.join()


def test_two_python_threads_at_once(two_threads: None) -> None:
    expected, wrong = step(), []

    def many() -> None:
        wrong.extend(i for i in range(30) if not torch.equal(step(), expected))

    workers = [threading.Thread(target=many) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


class Steps(Dataset[Tensor]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Tensor:
        return step()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_data_loader_worker(two_threads: None) -> None:
    expected = step()
    assert all(torch.equal(rows[0], expected) for rows in DataLoader(Steps(), num_workers=1))


def test_an_exception_in_a_share_is_raised(two_threads: None) -> None:
    def task(first: int, last: int) -> None:
        if first:
            raise ValueError("share")

    with pytest.raises(ValueError, match="share"):
        share_out(task, 2)


def test_more_threads_than_cores_change_nothing(two_threads: None) -> None:
    expected = step(batch=200)
    torch.set_num_threads(5)
    assert all(torch.equal(step(batch=200), expected) for _ in range(20))


def test_threads_keep_nothing_of_what_they_did(two_threads: None) -> None:
    both = threading.Barrier(2, timeout=60)

    class Task:
        def __call__(self, first: int, last: int) -> None:
            both.wait()  # so that each thread has some

    task = Task()
    gone = weakref.ref(task)
    share_out(task, 8)
    del task
    for _ in range(100):  # the other thread drops it a moment after the last piece is done
        if gone() is not None:
            time.sleep(0.01)
    assert gone() is None


def test_threads_that_fell_asleep_are_woken(two_threads: None) -> None:
    both = threading.Barrier(2, timeout=60)

    def task(first: int, last: int) -> None:
        both.wait()

    share_out(task, 8)
    time.sleep(0.05)
    share_out(task, 8)  # raises what the barrier does where one thread is alone


def test_a_process_ends_while_its_threads_watch_out_for_more() -> None:
    code = (
        "import torch; torch.set_num_threads(4)\n"
        "from hqlm.backends.kernels.threads import share_out\n"
        "share_out(lambda first, last: None, 8)"
    )
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
        said = [line for line in done.stderr.splitlines() if "compiling" not in line]  # once, where nothing is cached
        assert (done.returncode, said) == (0, [])


def test_a_process_ends_while_another_thread_calls_for_more_threads() -> None:
    code = """
import threading, time, torch
from hqlm.backends.kernels.threads import share_out
def share(threads, begin, seconds):
    time.sleep(begin)
    torch.set_num_threads(threads)
    share_out(lambda first, last: time.sleep(seconds), threads)
share(2, 0.0, 0.0)
for work in ((2, 0.0, 0.6), (4, 0.3, 0.0)):  # the end waits for the first when the second starts
    threading.Thread(target=share, args=work, daemon=True).start()
time.sleep(0.15)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0


def test_no_recompilation_for_another_circuit_batch_or_depth() -> None:
    step()
    before = len(chunks.forward.signatures), len(chunks.backward.signatures)
    for seed, n_qubits, batch in ((2, 1, 1), (3, 4, 16), (4, 5, 1), (5, 9, 33)):
        circuit = random_circuit(seed, n_qubits, 10 * seed, REAL_GATES)
        weights, inputs = random_parameters(seed, circuit, batch, torch.float32)
        states = random_states(seed, batch, n_qubits, torch.float32)
        for initial in (None, states, states.clone().requires_grad_(), states.T.contiguous().T):
            StatevectorBackend().expectations(circuit, weights.requires_grad_(), inputs, initial).sum().backward()
            StatevectorBackend().states(circuit, weights, inputs, initial).abs().sum().backward()
    assert (len(chunks.forward.signatures), len(chunks.backward.signatures)) == before


def run_with_cache(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HQLM_CACHE": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", ONE_STEP], env=environment, capture_output=True, text=True, check=True, timeout=300
    )


@pytest.mark.slow
def test_cache_folder_is_filled_once_then_read(tmp_path: Path) -> None:
    first, second = run_with_cache(tmp_path), run_with_cache(tmp_path)
    assert "compiling the forward kernel" in first.stderr
    assert second.stderr == ""
    assert first.stdout == second.stdout


@pytest.mark.slow
def test_cache_folder_that_cannot_be_written(tmp_path: Path) -> None:
    blocker = tmp_path / "file"  # also refused to root, unlike a folder without permissions
    blocker.write_text("")
    result = run_with_cache(blocker)
    assert "cannot keep compiled kernels" in result.stderr
    assert result.stdout.startswith("0.877")


@pytest.mark.slow
def test_memory_stays_in_a_thousand_steps() -> None:
    import resource

    weights, inputs = random_parameters(1, CIRCUIT, 64, torch.float32)
    weights.requires_grad_()

    def steps(count: int) -> int:
        for _ in range(count):
            StatevectorBackend().expectations(CIRCUIT, weights, inputs).sum().backward()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = steps(100)
    assert steps(1000) - before < 4096  # KiB


def test_importing_the_backends_does_not_import_numba() -> None:
    code = "import sys, hqlm.backends; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
