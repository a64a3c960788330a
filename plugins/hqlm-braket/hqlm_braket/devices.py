"""Devices of AWS: what they have, what a task costs at most, and tasks that are never submitted twice."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hqlm.backends import remote
from hqlm.backends.paid import Budget, check_amount
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError, RemoteError, UnsupportedExecution
from hqlm_braket.circuits import gates_of, program

Angles = NDArray[np.float64]


@lru_cache(maxsize=16)
def found(arn: str) -> Any:
    """The `AwsDevice`, with the account, region and credentials that AWS finds in the environment.

    Raises:
        ConfigError: when it cannot be reached.
    """
    from braket.aws import AwsDevice

    try:
        return AwsDevice(arn)
    except Exception as error:  # accounts, regions, networks, whatever AWS raises
        raise ConfigError(f"backend.device={arn} cannot be reached: {type(error).__name__}: {error}") from error


def gates(device: Any) -> frozenset[str]:
    """Our gates that the device has."""
    from braket.device_schema import DeviceActionType

    action = device.properties.action[DeviceActionType.OPENQASM]
    return gates_of({name.lower() for name in action.supportedOperations})


def check(device: Any, n_qubits: int, shots: int | None) -> None:
    """Refuse what the device is too narrow for, and numbers of shots that it does not take.

    Raises:
        UnsupportedExecution: naming the setting and what would work.
    """
    width, (fewest, most) = device.properties.paradigm.qubitCount, device.properties.service.shotsRange
    if n_qubits > width:
        raise UnsupportedExecution(
            f"{device.name} has {width} qubits, the circuit needs {n_qubits}. "
            "Set backend.device to a wider one or use fewer qubits"
        )
    if shots is not None and not fewest <= shots <= most:
        raise UnsupportedExecution(
            f"{device.name} takes {fewest} to {most} shots, execution.shots is {shots}. Set it in that range"
        )


def task_price(device: Any, shots: int, price_per_task: float) -> float:
    """Price of one circuit in USD; that of a shot is what the device publishes among its properties.

    Raises:
        ConfigError: when it is not charged by the shot, so that no upper bound is known before, or the published price
            is no amount.
    """
    cost = device.properties.service.deviceCost
    if cost is None or cost.unit != "shot":
        said = "no price" if cost is None else f"{cost.price:g} USD a {cost.unit}"
        raise ConfigError(
            f"backend.device={device.arn} publishes {said}, which bounds no cost in advance. "
            "Use a device that is charged by the shot, or device=auto on this machine"
        )
    check_amount(f"backend.device={device.arn}: the published price of a shot", float(cost.price))
    return price_per_task + shots * float(cost.price)


def n_gates(circuit: Circuit) -> tuple[int, int]:
    """Numbers of gates on one qubit and on two, as written; the device compiles them further."""
    sizes = [len(each.target) for each in program(circuit).instructions if each.operator.name != "Measure"]
    return sizes.count(1), sizes.count(2)


def bits(
    device: Any,
    circuit: Circuit,
    angles: Angles,
    shots: int,
    seed: int,
    rows_per_job: int,
    budget: Budget,
    price: float,
) -> NDArray[np.uint8]:
    """Samples `(rows, shots, n_qubits)`, qubit 0 first; a task for each row, charged `price` at most.

    Raises:
        RemoteError: when a task fails; what others of its request measured is kept.
    """

    def run(job: remote.Job) -> NDArray[np.uint8]:
        tasks: list[Any] = []
        for row in angles[job.first : job.last]:
            budget.take(price)
            tasks.append(_submitted(device, circuit, row, shots, tasks))
        return np.stack([_bits(task, circuit.n_qubits) for task in tasks])

    jobs = remote.jobs(f"braket {device.arn}", circuit, angles, shots, seed, rows_per_job)
    return remote.measured(device.name, jobs, run)


def _submitted(device: Any, circuit: Circuit, row: NDArray[np.float64], shots: int, earlier: list[Any]) -> Any:
    """A task; AWS itself tries again in a way that creates it once, and what still fails may have been accepted."""
    translated = program(circuit)
    inputs = {f"a{column}": float(angle) for column, angle in enumerate(row)}
    try:
        return device.run(translated, shots=shots, inputs=inputs)
    except Exception as error:
        known = f"; before it were submitted: {', '.join(task.id for task in earlier)}" if earlier else ""
        raise RemoteError(f"a task could not be submitted: {type(error).__name__}: {error}{known}") from error


def _bits(task: Any, n_qubits: int) -> NDArray[np.uint8]:
    result = remote.fetch(task.result, task.id)
    if result is None:
        raise RemoteError(f"task {task.id} ended without a result, in state {task.state()}")
    order = [list(result.measured_qubits).index(wire) for wire in range(n_qubits)]
    return np.asarray(result.measurements, dtype=np.uint8)[:, order]
