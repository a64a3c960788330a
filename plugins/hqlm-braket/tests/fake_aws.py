"""A device of AWS that is none: it runs on this machine what would be sent, as `AwsDevice` would be asked to."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from braket.circuits import Circuit
from braket.device_schema import DeviceActionType
from braket.device_schema.ionq import IonqDeviceCapabilities
from braket.devices import LocalSimulator
from hqlm_braket import BraketBackend

ARN = "arn:aws:braket:us-east-1::device/qpu/nobody/Fake-1"
# as IonQ's devices on Braket
OPERATIONS = ["x", "y", "z", "h", "s", "si", "t", "ti", "v", "vi", "rx", "ry", "rz", "cnot", "swap", "xx", "yy", "zz"]
EVERY_OPERATION = [*OPERATIONS, "i", "cz"]


def capabilities(operations=EVERY_OPERATION, price=0.08, unit="shot", qubits=36, shots=(1, 5000)):
    """What AWS says of a device of IonQ, in its own words."""
    header = "braket.device_schema."
    said = {
        "service": {
            "braketSchemaHeader": {"name": f"{header}device_service_properties", "version": "1"},
            "executionWindows": [],
            "shotsRange": shots,
            "deviceCost": {"price": price, "unit": unit} if price else None,
        },
        "action": {
            DeviceActionType.OPENQASM.value: {
                "actionType": DeviceActionType.OPENQASM.value,
                "version": ["1"],
                "supportedOperations": operations,
            }
        },
        "paradigm": {
            "braketSchemaHeader": {"name": f"{header}gate_model_qpu_paradigm_properties", "version": "1"},
            "qubitCount": qubits,
            "nativeGateSet": [],
            "connectivity": {"fullyConnected": True, "connectivityGraph": {}},
        },
        "deviceParameters": {},
    }
    return IonqDeviceCapabilities.parse_raw(json.dumps(said))


class Task:
    def __init__(self, number, result, lost):
        self.id, self._result, self._lost = f"task-{number}", result, lost

    def result(self):
        self._lost -= 1
        if self._lost >= 0:
            raise TimeoutError
        return self._result

    def state(self):
        return "COMPLETED" if self._result else "FAILED"


class FakeDevice:
    """Keeps what is submitted.

    `failures` are what the next submissions raise, None lets one through; a result is out of reach `lost` times.
    """

    lost = 0

    def __init__(self, **changes):
        self.arn, self.name = ARN, "Fake-1"
        self.tasks, self.failures = [], []
        self.properties = capabilities(**changes)

    def run(self, task_specification, shots, inputs):
        assert isinstance(task_specification, Circuit)
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        result = LocalSimulator("braket_sv").run(task_specification, shots=shots, inputs=inputs).result()
        self.tasks.append(Task(len(self.tasks), result, self.lost))
        return self.tasks[-1]


@lru_cache(maxsize=1)
def device():
    return FakeDevice()


@dataclass(frozen=True)
class _OnFakeDevice(BraketBackend):
    """The backend, whose device is found here instead of on AWS."""

    fake: ClassVar = staticmethod(device)

    @property
    def _aws_device(self):
        return self.fake()
