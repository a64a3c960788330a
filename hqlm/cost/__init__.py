"""Cost of a circuit: gates on hardware, circuits of a training run, time and energy."""

from hqlm.cost.devices import DEVICES, SUPERCONDUCTING, TRAPPED_ION, Device, Simulator
from hqlm.cost.estimate import Cost, DeviceCost, Point, break_even, estimate
from hqlm.cost.gates import GateCounts, compiled, counted
from hqlm.cost.workload import Rows, Workload, workload

__all__ = [
    "DEVICES",
    "SUPERCONDUCTING",
    "TRAPPED_ION",
    "Cost",
    "Device",
    "DeviceCost",
    "GateCounts",
    "Point",
    "Rows",
    "Simulator",
    "Workload",
    "break_even",
    "compiled",
    "counted",
    "estimate",
    "workload",
]
