"""Checks that a backend is a value: it pickles, copies and runs in another process."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache

import pytest
import torch

from hqlm.backends import QuantumBackend
from hqlm.circuits import Circuit, Gate, Input, PauliString, Weight
from hqlm.execution import Execution
from hqlm.testing.recipes import assert_is_recipe
from hqlm.testing.suite import BackendSuite

_CIRCUIT = Circuit(2, (Gate("RY", (0,), Weight(0)), Gate("RY", (1,), Input(0))), (PauliString("ZZ"),))


def _run(backend: QuantumBackend, execution: Execution) -> list[list[float]]:
    weights, inputs = torch.tensor([0.3], dtype=torch.float64), torch.tensor([[0.5], [2.0]], dtype=torch.float64)
    values: list[list[float]] = backend.expectations(_CIRCUIT, weights, inputs, None, execution).tolist()
    return values


@lru_cache(maxsize=1)
def _other_process() -> ProcessPoolExecutor:
    """Return one process pool for all backends: starting it and importing torch takes seconds."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _run_elsewhere(backend: QuantumBackend, execution: Execution) -> list[list[float]]:
    try:
        return _other_process().submit(_run, backend, execution).result(timeout=120)
    except BrokenProcessPool:  # a backend that ends the process fails alone; the next one gets a new process
        _other_process.cache_clear()
        raise


class ProcessChecks(BackendSuite):
    """Copies of a backend give the same results as the backend."""

    def test_a_backend_is_a_recipe(self, backend: QuantumBackend) -> None:
        """A frozen dataclass, hashable; a copy made after a run holds no device and works as well."""
        assert_is_recipe(backend)
        for execution in self.executions(backend):
            expected = _run(backend, execution)
            assert_is_recipe(backend)
            if execution.shots is None:
                assert _run(backend, execution) == pytest.approx(expected[0]) or _run(backend, execution) == expected

    def test_a_spawned_process_gives_the_same_values(self, backend: QuantumBackend) -> None:
        """Exact values, and samples of equal seeds, do not depend on the process (nor on its string hashes)."""
        for execution in self.executions(backend):
            here, there = _run(backend, execution), _run_elsewhere(backend, execution)
            tolerance = self.atol if execution.shots is None else 1e-12
            if execution.shots is None or backend.seeded:
                for a, b in zip(here, there, strict=True):
                    assert a == pytest.approx(b, abs=tolerance)
