"""Time and energy of a head on hardware and in simulation, and the number of qubits above which hardware needs less."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hqlm.circuits import Circuit
from hqlm.cost.devices import DEVICES, Device, Simulator
from hqlm.cost.gates import GateCounts, compiled, counted, gate_seconds
from hqlm.cost.workload import Workload

SIMULATION = "simulation"


@dataclass(frozen=True)
class DeviceCost:
    """Cost of a head on one kind of hardware.

    Args:
        gates: gate counts of the circuit in native gates.
        shot_seconds: duration of one shot.
        row_joules: energy of the values of one row, with all shots.
        training_seconds: device time of a training run, without queues.
        training_joules: energy of all circuits of a training run.
    """

    gates: GateCounts
    shot_seconds: float
    row_joules: float
    training_seconds: float
    training_joules: float


@dataclass(frozen=True)
class Point:
    """Cost of one row for a head of some size.

    Args:
        n_qubits: number of qubits of the circuit.
        two_qubit: native two-qubit gates by kind of hardware.
        joules: energy by kind of hardware, and of the simulation.
    """

    n_qubits: int
    two_qubit: dict[str, int]
    joules: dict[str, float]


@dataclass(frozen=True)
class Cost:
    """Cost of a head.

    Args:
        n_qubits: number of qubits of its circuit.
        gates: gate counts of the circuit as written.
        workload: circuits of a training run.
        devices: cost by kind of hardware.
        simulation_joules: energy of the values of one row, simulated exactly, once.
        simulation_training_joules: energy of a training run, simulated exactly, with adjoint gradients.
        points: cost of the same head with other numbers of qubits.
        break_even: by kind of hardware, number of qubits above which a row needs less energy than in simulation; None
            if this is not so at any size considered.
    """

    n_qubits: int
    gates: GateCounts
    workload: Workload
    devices: dict[str, DeviceCost]
    simulation_joules: float
    simulation_training_joules: float
    points: tuple[Point, ...]
    break_even: dict[str, float | None] = field(default_factory=dict)


def estimate(
    circuits: Sequence[Circuit], workload: Workload, devices: Mapping[str, Device], simulator: Simulator
) -> Cost:
    """Return the cost of the first circuit, and how the cost of a row grows over the others.

    Args:
        circuits: circuit of the head as configured, then of heads with more qubits.
        workload: circuits of a training run with the first.
        devices: times and power by kind of hardware.
        simulator: simulation that the devices are compared with.

    Raises:
        MissingDependency: if there are devices and Qiskit is not installed.
    """
    circuit, points = circuits[0], tuple(_point(each, workload, devices, simulator) for each in circuits)
    row = simulator.joules(circuit.n_qubits, len(circuit.gates))
    rows = workload.rows
    return Cost(
        circuit.n_qubits,
        counted(circuit),
        workload,
        {name: _on_device(circuit, name, device, workload) for name, device in devices.items()},
        row,
        row * (3 * rows.trained + rows.evaluated),  # a gradient undoes the gates on two states
        points,
        {name: break_even(points, name) for name in devices},
    )


def break_even(points: Sequence[Point], name: str) -> float | None:
    """Return the number of qubits above which hardware needs less energy per row than the simulation.

    Between two sizes the logarithm of the ratio is interpolated linearly.

    Args:
        points: costs of sizes in ascending order.
        name: kind of hardware.

    Returns:
        The number of qubits, or None if the ratio does not pass 1 between two of the sizes.
    """
    ratios = [math.log2(point.joules[name] / point.joules[SIMULATION]) for point in points]
    for place in range(1, len(points)):
        above, below = ratios[place - 1], ratios[place]
        if above > 0.0 >= below:
            left, right = points[place - 1].n_qubits, points[place].n_qubits
            return left + (right - left) * above / (above - below)
    return None


def _point(circuit: Circuit, workload: Workload, devices: Mapping[str, Device], simulator: Simulator) -> Point:
    costs = {name: _on_device(circuit, name, device, workload) for name, device in devices.items()}
    joules = {name: cost.row_joules for name, cost in costs.items()}
    joules[SIMULATION] = simulator.joules(circuit.n_qubits, len(circuit.gates))
    return Point(circuit.n_qubits, {name: cost.gates.two_qubit for name, cost in costs.items()}, joules)


def _on_device(circuit: Circuit, name: str, device: Device, workload: Workload) -> DeviceCost:
    hardware = DEVICES[name]
    shot = device.shot_seconds + gate_seconds(circuit, hardware, device)
    seconds = workload.circuits * workload.shots * shot
    row = workload.per_row * workload.shots * shot * device.watts
    return DeviceCost(compiled(circuit, hardware), shot, row, seconds, seconds * device.watts)
