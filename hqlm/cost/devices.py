"""Model of time and energy of a circuit on two kinds of hardware and in simulation; every assumption is stated.

The one experiment known to us that measured both sides is Knitter et al. (2026), Measuring Accuracy and
Energy-to-Solution of Quantum Fine-Tuning of Foundational AI Models, arXiv:2605.02798, on a trapped-ion device: for
shallow circuits its energy grows about linearly with qubits, that of simulation exponentially, and they meet near 34
qubits. The defaults below are not fitted to that figure gate by gate, but they are not independent of it either: the
power of a trapped-ion device is our assumption, and 1 kW or 10 kW instead of 3 kW move the break-even to 32.4 or 35.7.
As a rule, a factor of two in any assumption moves it by one qubit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hqlm.errors import ConfigError


@dataclass(frozen=True)
class Device:
    """A kind of quantum hardware, as far as it determines the time and energy of a shot.

    A shot takes `shot_seconds + sum of gate times` if gates run one after the other, and `shot_seconds + gate times
    along the longest path` if they run in parallel. Its energy is that time times `watts`. Rotations about Z are
    changes of phase in software and take no time. Queues, calibration, compiling and transfer are not included.

    Args:
        one_qubit_seconds: duration of a one-qubit gate.
        two_qubit_seconds: duration of a two-qubit gate.
        shot_seconds: time of everything else in a shot: preparation, readout, waiting.
        watts: power of the whole device, measured at the socket.
    """

    one_qubit_seconds: float
    two_qubit_seconds: float
    shot_seconds: float
    watts: float

    def __post_init__(self) -> None:
        for name in ("one_qubit_seconds", "two_qubit_seconds", "shot_seconds", "watts"):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"{name} of a device must be 0 or more, given {getattr(self, name)}")


@dataclass(frozen=True)
class Hardware:
    """Fixed capabilities of a kind of hardware.

    Args:
        title: name in tables.
        gates: native gates in Qiskit's names; `rz` is free.
        on_grid: whether only neighbours on a square grid are connected; otherwise every pair is connected.
        parallel: whether gates on different qubits run at the same time.
        device: default times and power.
    """

    title: str
    gates: tuple[str, ...]
    on_grid: bool
    parallel: bool
    device: Device


# Times as Amazon Braket publishes them for IonQ's Forte (130, 970, and 150 + 50 microseconds of readout and reset);
# gates run one after the other. 3 kW is our assumption: lasers and electronics in a few racks, no cryostat. IonQ's
# interface reports the average of its own devices in the field `kw` (docs.ionq.com/user-manual/backends): set it.
TRAPPED_ION: Final = Hardware(
    "trapped ions", ("rz", "sx", "x", "rzz"), on_grid=False, parallel=False, device=Device(130e-6, 970e-6, 200e-6, 3e3)
)
# Arute et al. (2019), Quantum supremacy using a programmable superconducting processor, arXiv:1910.11333: gates of 25
# and 12 ns, and a million samples in 200 s. 15 kW: Villalonga et al. (2020), arXiv:1905.00444, for such a device.
SUPERCONDUCTING: Final = Hardware(
    "superconducting", ("rz", "sx", "x", "cz"), on_grid=True, parallel=True, device=Device(25e-9, 12e-9, 200e-6, 15e3)
)
DEVICES: Final = {"trapped_ion": TRAPPED_ION, "superconducting": SUPERCONDUCTING}


@dataclass(frozen=True)
class Simulator:
    """A state-vector simulation on GPUs that moves all amplitudes through memory once for every gate.

    A row takes `gates * 2 * bytes_per_amplitude * 2**n_qubits / bytes_per_second` seconds, since a gate reads and
    writes all of the state; its energy in joules is that time times `watts`. Several GPUs share the time and add their
    power, so the energy stays the same; communication between them, and gates that could be fused, are not included.
    Gradients by the adjoint method undo every gate on two states, which adds twice the energy of the values: Jones and
    Gacon (2020), arXiv:2009.02823.

    Args:
        bytes_per_amplitude: 16 in double precision.
        bytes_per_second: bandwidth of the memory of a GPU; NVIDIA states 3.35 TB/s for an H100 SXM.
        watts: power per GPU; NVIDIA states at most 10.2 kW for a DGX H100, which has eight.
    """

    bytes_per_amplitude: float = 16.0
    bytes_per_second: float = 3.35e12
    watts: float = 1275.0

    def __post_init__(self) -> None:
        for name in ("bytes_per_amplitude", "bytes_per_second", "watts"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"simulation.{name} must be above 0, given {getattr(self, name)}")

    def joules(self, n_qubits: int, n_gates: int) -> float:
        """Return the energy of the values of one row, in joules."""
        seconds = n_gates * 2.0 * self.bytes_per_amplitude * 2.0**n_qubits / self.bytes_per_second
        return seconds * self.watts
