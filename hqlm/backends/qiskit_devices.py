"""Qiskit devices: looked up by name, with circuits transpiled to them and measured through V2 primitives."""

from __future__ import annotations

from functools import lru_cache, partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hqlm.backends import remote
from hqlm.backends.factories import create_from
from hqlm.backends.qiskit_circuits import Program, translated, unpacked
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError
from hqlm.execution import Noise
from hqlm.notices import say_once


@lru_cache(maxsize=16)
def device(path: str) -> Any:
    """Return the `BackendV2` that a class or function returns, created once.

    Args:
        path: dotted path of the class or function, called without arguments.

    Raises:
        ConfigError: if there is no such class or function, or it returns something else.
    """
    from qiskit.providers import BackendV2

    made = create_from(
        "backend.device",
        path,
        "give 'aer', or the dotted path of a class or function that returns a BackendV2, "
        "for example qiskit_ibm_runtime.fake_provider.FakeManilaV2",
    )
    if not isinstance(made, BackendV2):
        raise ConfigError(f"backend.device={path} returned a {type(made).__name__}; it must return a Qiskit BackendV2")
    return made


def takes_seed(path: str) -> bool:
    """Return whether the device is simulated here with a seed; a remote device only accepts None."""
    options = device(path).options
    return "seed_simulator" in dict(options.items()) and options.validator.get("seed_simulator") is not type(None)


@lru_cache(maxsize=64)
def transpile(path: str, optimization_level: int, circuit: Circuit) -> Program:
    """Transpile the circuit to the device's gates and couplings, with every qubit measured; bits keep our order."""
    from qiskit.transpiler import generate_preset_pass_manager

    program = translated(circuit, Noise())
    passes = generate_preset_pass_manager(optimization_level, backend=device(path), seed_transpiler=0)
    whole = passes.run(program.circuit.measure_all(inplace=False))
    left = [parameter.index for parameter in whole.parameters]  # an optimisation may drop some
    return Program(whole, program.columns[left], program.factors[left])


def bits(
    path: str,
    optimization_level: int,
    rows_per_job: int,
    circuit: Circuit,
    angles: NDArray[np.float64],
    shots: int,
    seed: int,
) -> NDArray[np.uint8]:
    """Return samples `(rows, shots, n_qubits)`, qubit 0 first.

    Raises:
        RemoteError: if a job fails permanently.
    """
    program, name, seeded = transpile(path, optimization_level, circuit), device(path).name, takes_seed(path)

    def run(job: remote.Job) -> NDArray[np.uint8]:
        pubs = program.pubs(angles[job.first : job.last])
        results = _results(path, pubs, shots, job.seed if seeded else None)
        return np.concatenate([unpacked(result.data.meas) for result in results])

    if not seeded:
        say_once(f"QiskitBackend: measurements of {name} are stored in {remote.measurements_folder()}")
    identity = f"qiskit {path} {name} {optimization_level}"
    return remote.measured(name, remote.jobs(identity, circuit, angles, shots, seed, rows_per_job), run, not seeded)


def _results(path: str, pubs: list[Any], shots: int, seed: int | None) -> Any:
    from qiskit.primitives import PrimitiveJob

    job = _sampler(device(path), seed).run(pubs, shots=shots)
    if isinstance(job, PrimitiveJob):  # a local job that waits for the jobs of the device
        return job.result()
    return remote.fetch(job.result, job.job_id())


def _sampler(backend: Any, seed: int | None) -> Any:
    if seed is None and type(backend).__module__.partition(".")[0] == "qiskit_ibm_runtime":
        return import_module("qiskit_ibm_runtime").SamplerV2(mode=backend)
    from qiskit.primitives import BackendSamplerV2

    return BackendSamplerV2(backend=_refetch_results(backend), options={"seed_simulator": seed})


def _refetch_results(device: Any) -> Any:
    """Return the device with jobs whose results are fetched again, not run again, when the connection is lost."""
    from qiskit.providers import BackendV2

    class AskedAgain(BackendV2):  # type: ignore[misc]
        target = device.target
        max_circuits = device.max_circuits

        @classmethod
        def _default_options(cls) -> Any:
            return device.options

        def run(self, run_input: Any, **options: Any) -> Any:
            job = device.run(run_input, **options)
            return SimpleNamespace(result=partial(remote.fetch, job.result, job.job_id()))

    return AskedAgain()
