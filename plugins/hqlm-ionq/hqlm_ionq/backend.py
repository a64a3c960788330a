"""IonQ's devices as a backend, those of the paper that hqlm follows (Kim et al. 2025, arXiv:2504.08732)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqlm.backends.paid import PaidBackend, Plan, check_amount
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError
from hqlm.execution import Execution, Noise
from hqlm_ionq import service


@dataclass(frozen=True)
class IonQBackend(PaidBackend):
    """Shots on IonQ's trapped ions, or on its simulator, which costs nothing; not a circuit leaves before you say so.

    The devices have noise of their own, so `Noise` is refused; debiasing is off, because it returns no shots. A row is
    a job of the service, and what it measured is kept (see `hqlm.backends.remote`). A circuit with n1 one-qubit and n2
    two-qubit gates costs at most `price_minimum + shots (n1 price_one_qubit + n2 price_two_qubit)`.

    The prices are those that Microsoft publishes for IonQ's devices (learn.microsoft.com/azure/quantum/pricing, of
    February 2025, without error mitigation). An account at IonQ may have others: set them.

    Args:
        device: `qpu.` and the name of a device, or `simulator`.
        price_one_qubit: of a one-qubit gate in one shot, in USD.
        price_two_qubit: of a two-qubit gate in one shot, in USD.
        price_minimum: of a circuit, in USD; added to that of its gates, which bounds either reading of a minimum.
        rows_per_job: circuits that are submitted before the first is waited for; as many may be lost when one fails.
        dry_run: submit nothing; a call ends with what it would send and cost.
        max_cost_usd: upper bound of all charges together, earlier runs included, in USD; what may exceed it is refused.
    """

    device: str = "qpu.forte-1"
    price_one_qubit: float = 0.000220
    price_two_qubit: float = 0.000975
    price_minimum: float = 12.4166
    rows_per_job: int = 10

    requires: ClassVar[tuple[str, ...]] = ("qiskit", "qiskit_ionq")
    install: ClassVar[str] = "hqlm-ionq"
    readout_errors: ClassVar[bool] = False
    seeded: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device != "simulator" and not self.device.startswith("qpu."):
            raise ConfigError(
                f"backend.device={self.device}: give simulator, or qpu. and the name of a device, such as qpu.forte-1"
            )
        for name in ("price_one_qubit", "price_two_qubit", "price_minimum"):
            check_amount(f"backend.{name}", getattr(self, name))
        if self.rows_per_job < 1:
            raise ConfigError(f"backend.rows_per_job must be 1 or more, given {self.rows_per_job}")

    def check(self, circuit: Circuit, execution: Execution, states: Tensor | None = None) -> None:
        """As every backend; and there is an API key, unless nothing is submitted.

        Raises:
            ConfigError: naming the environment variable that must hold it.
            UnsupportedExecution: naming the setting and what would work.
        """
        super().check(circuit, execution, states)
        if not self.dry_run:
            service.check_key()

    def plan(self, circuits: Sequence[Circuit], forward: int, backward: int, shots: int) -> Plan:
        """What the circuits cost at most, compiled as they would be submitted."""
        one, two = (max(sizes) for sizes in zip(*map(service.n_gates, circuits), strict=True))
        price = max(self._price(each, shots) for each in circuits)
        return Plan(self.device, forward, backward, shots, one, two, price)

    def bits(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise, shots: int, seed: int
    ) -> Tensor:
        """Samples `(rows, shots, n_qubits)`, uint8; arguments as for every backend."""
        price = self._price(circuit, shots)
        rows: NDArray[np.float64] = angles.detach().cpu().double().numpy()
        found = service.bits(self.device, circuit, rows, shots, seed, self.rows_per_job, self.budget, price)
        return torch.from_numpy(found)

    def _price(self, circuit: Circuit, shots: int) -> float:
        if self.device == "simulator":
            return 0.0
        one, two = service.n_gates(circuit)
        return self.price_minimum + shots * (one * self.price_one_qubit + two * self.price_two_qubit)
