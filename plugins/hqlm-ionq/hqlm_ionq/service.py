"""IonQ's service: circuits compiled for it, what they cost at most, and jobs that are never submitted twice."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hqlm.backends import remote
from hqlm.backends.paid import Budget
from hqlm.backends.qiskit_circuits import Program, translated
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError, RemoteError
from hqlm.execution import Noise

Angles = NDArray[np.float64]

# of those that the SDK takes: each is one gate of its interface, and those on two qubits one entangling gate of the
# ions. Not the phase gate, which the SDK writes as a Z with an angle
_ONE_QUBIT: Final = ("id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "rx", "ry", "rz")
_TWO_QUBITS: Final = ("cx", "cz", "rxx", "ryy", "rzz")


class _Account:
    """What the SDK asks its provider for; the key is read from the environment when it is needed and kept nowhere.

    The provider itself asks the network for the sizes of two devices whenever it is made.
    """

    custom_headers = None

    @property
    def credentials(self) -> dict[str, Any]:
        from qiskit_ionq.helpers import resolve_credentials

        found: dict[str, Any] = resolve_credentials()
        return found


def check_key() -> None:
    """Refuse to go on without an API key.

    Raises:
        ConfigError: naming the environment variable.
    """
    if not _Account().credentials["token"]:
        raise ConfigError("IonQ needs an API key: set the environment variable IONQ_API_KEY, or dry_run=true")


@lru_cache(maxsize=64)
def device(name: str, n_qubits: int) -> Any:
    """The SDK's backend of a device, as wide as a circuit; whether the device is, its service says."""
    from qiskit_ionq.exceptions import IonQTranspileLevelWarning
    from qiskit_ionq.ionq_backend import IonQBackend

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IonQTranspileLevelWarning)  # of Qiskit's default level; ours is given below
        return IonQBackend(
            provider=_Account(),
            name=f"ionq_{name}",
            description=name,
            gateset="qis",
            num_qubits=n_qubits,
            simulator=name == "simulator",
        )


@lru_cache(maxsize=64)
def compiled(circuit: Circuit) -> Program:
    """The circuit in gates that IonQ takes, all qubits measured; from there its own compiler goes on."""
    from qiskit.transpiler import generate_preset_pass_manager

    program = translated(circuit, Noise())
    passes = generate_preset_pass_manager(1, basis_gates=[*_ONE_QUBIT, *_TWO_QUBITS], seed_transpiler=0)
    whole = passes.run(program.circuit.measure_all(inplace=False))
    left = [parameter.index for parameter in whole.parameters]  # an optimisation may drop some
    return Program(whole, program.columns[left], program.factors[left])


def n_gates(circuit: Circuit) -> tuple[int, int]:
    """Numbers of gates on one qubit and on two that are submitted for every row."""
    counts = compiled(circuit).circuit.count_ops()
    one, two = (sum(counts.get(name, 0) for name in names) for names in (_ONE_QUBIT, _TWO_QUBITS))
    assert one + two + counts["measure"] + counts.get("barrier", 0) == sum(counts.values()), "a gate was not counted"
    return one, two


def bits(
    name: str,
    circuit: Circuit,
    angles: Angles,
    shots: int,
    seed: int,
    rows_per_job: int,
    budget: Budget,
    price: float,
) -> NDArray[np.uint8]:
    """Samples `(rows, shots, n_qubits)`, qubit 0 first; a job of the service for each row, charged `price` at most.

    Raises:
        RemoteError: when a job fails; what others of its request measured is kept.
    """
    program = compiled(circuit)
    parameters = program.parameters(angles)

    def run(job: remote.Job) -> NDArray[np.uint8]:
        submitted: list[Any] = []
        for row in parameters[job.first : job.last]:
            budget.take(price)
            submitted.append(_submitted(name, circuit, program.circuit.assign_parameters(row), shots, submitted))
        return np.stack([_bits(each, shots) for each in submitted])

    return remote.measured(name, remote.jobs(f"ionq {name}", circuit, angles, shots, seed, rows_per_job), run)


def _submitted(name: str, circuit: Circuit, whole: Any, shots: int, earlier: list[Any]) -> Any:
    """A job; the SDK itself tries again what the service refused, and what still fails may have been accepted."""
    from qiskit_ionq import ErrorMitigation

    try:
        # debiasing averages over variants of the circuit, has a higher minimum price and returns no shots
        return device(name, circuit.n_qubits).run(whole, shots=shots, error_mitigation=ErrorMitigation.NO_DEBIASING)
    except Exception as error:  # whatever the SDK or its connection raises
        known = f"; before it were submitted: {', '.join(job.job_id() for job in earlier)}" if earlier else ""
        raise RemoteError(f"a job could not be submitted: {type(error).__name__}: {error}{known}") from error


def _bits(job: Any, shots: int) -> NDArray[np.uint8]:
    counts = remote.fetch(job.result, job.job_id()).get_counts()
    outcomes = np.array([[int(bit) for bit in outcome] for outcome in counts], dtype=np.uint8)
    measured = np.repeat(outcomes, list(counts.values()), axis=0)
    if len(measured) != shots:
        raise RemoteError(f"job {job.job_id()} returned {len(measured)} shots, asked for {shots}")
    return measured
