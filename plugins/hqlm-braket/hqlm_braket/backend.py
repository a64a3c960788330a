"""Amazon Braket as a backend: its simulators on this machine, and devices of AWS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqlm.backends.paid import PaidBackend, Plan, check_amount
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError
from hqlm.execution import Execution, Noise
from hqlm.registry import suggestion
from hqlm_braket import devices, local

_LOCAL: Final = ("auto", "braket_sv", "braket_dm")


@dataclass(frozen=True)
class BraketBackend(PaidBackend):
    """Amazon Braket: its simulators on this machine, exactly and with shots, or a device of AWS with shots.

    A device has noise of its own, so `Noise` is refused there. It measures every row in a task of its own, what it
    measured is kept (see `hqlm.backends.remote`), and nothing is submitted before `dry_run` and `max_cost_usd` allow.

    Args:
        device: `braket_sv` for state vectors, `braket_dm` for density matrices, which alone have noise, `auto` for the
            first without noise and the second under it, or the ARN of a device of AWS.
        rows_per_job: tasks that are submitted before the first is waited for; as many may be lost when one fails.
        price_per_task: what AWS charges for each task on a device besides its shots, in USD.
        dry_run: submit nothing to a device; a call ends with what it would send and cost.
        max_cost_usd: upper bound of all charges together, earlier runs included, in USD; what may exceed it is refused.
    """

    device: str = "auto"
    rows_per_job: int = 10
    price_per_task: float = 0.3  # aws.amazon.com/braket/pricing in 2025: the same for all QPUs

    requires: ClassVar[tuple[str, ...]] = ("braket",)
    install: ClassVar[str] = "hqlm-braket"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device not in _LOCAL and not self._on_aws:
            raise ConfigError(
                f"backend.device: no device '{self.device}'. {suggestion(self.device, list(_LOCAL))}, or the ARN of a "
                "device of AWS, for example arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
            )
        if self.rows_per_job < 1:
            raise ConfigError(f"backend.rows_per_job must be 1 or more, given {self.rows_per_job}")
        check_amount("backend.price_per_task", self.price_per_task)

    @property
    def _on_aws(self) -> bool:
        return self.device.startswith("arn:")

    @property
    def _aws_device(self) -> Any:
        return devices.found(self.device)

    @property
    def exact(self) -> bool:
        """On this machine."""
        return not self._on_aws

    @property
    def seeded(self) -> bool:  # type: ignore[override]
        """On this machine."""
        return not self._on_aws

    @property
    def readout_errors(self) -> bool:  # type: ignore[override]
        """On this machine."""
        return not self._on_aws

    @property
    def channels(self) -> frozenset[str]:  # type: ignore[override]
        """All of them with density matrices."""
        every = ("one_qubit", "two_qubit", "amplitude_damping", "phase_damping")
        return frozenset(every if self.device in ("auto", "braket_dm") else ())

    @property
    def gates(self) -> frozenset[str]:  # type: ignore[override]
        """All of them on this machine; a device says which it has."""
        return devices.gates(self._aws_device) if self._on_aws else super().gates

    def check(self, circuit: Circuit, execution: Execution, states: Tensor | None = None) -> None:
        """As every backend; and a device is as wide as the circuit and takes that many shots.

        Raises:
            ConfigError: when the device cannot be reached.
            UnsupportedExecution: naming the setting and what would work.
        """
        super().check(circuit, execution, states)
        if self._on_aws:
            devices.check(self._aws_device, circuit.n_qubits, execution.shots)

    def plan(self, circuits: Sequence[Circuit], forward: int, backward: int, shots: int) -> Plan | None:
        """What tasks on a device cost; nothing is charged on this machine."""
        if not self._on_aws:
            return None
        one, two = (max(sizes) for sizes in zip(*map(devices.n_gates, circuits), strict=True))
        return Plan(self._aws_device.name, forward, backward, shots, one, two, self._price(shots))

    def values(self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise) -> Tensor:
        """Exact expectation values `(rows, n_observables)`, float64, without a gradient."""
        found = local.values(circuit, _in_double(angles), noise, self._density_matrix(noise))
        return torch.from_numpy(found)

    def bits(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise, shots: int, seed: int
    ) -> Tensor:
        """Samples `(rows, shots, n_qubits)`, uint8; arguments as for every backend."""
        rows = _in_double(angles)
        if self._on_aws:
            bound, price = self.rows_per_job, self._price(shots)
            found = devices.bits(self._aws_device, circuit, rows, shots, seed, bound, self.budget, price)
        else:
            found = local.bits(circuit, rows, noise, self._density_matrix(noise), shots, seed)
        return torch.from_numpy(found)

    def _price(self, shots: int) -> float:
        return devices.task_price(self._aws_device, shots, self.price_per_task)

    def _density_matrix(self, noise: Noise) -> bool:
        return self.device == "braket_dm" or bool(noise.gate_channels)


def _in_double(angles: Tensor) -> NDArray[np.float64]:
    return angles.detach().cpu().double().numpy()
