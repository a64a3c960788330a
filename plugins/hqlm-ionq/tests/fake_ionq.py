"""IonQ's service, played by its HTTP answers: it runs the posted circuits, with shots, as a device would."""

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

import requests_mock
import torch
from hqlm_ionq import IonQBackend

from hqlm.backends import StatevectorBackend
from hqlm.circuits import Circuit, Gate
from hqlm.execution import Execution

URL = "https://api.ionq.co/v0.4"
KEY = "the-secret-key"
NAMES = {"si": "SDG", "ti": "TDG", "v": "SX", "vi": "SXDG", "xx": "RXX", "yy": "RYY", "zz": "RZZ"}


class Service:
    """`failures` are HTTP statuses or exceptions of the next submissions; None lets one through."""

    def __init__(self):
        self.jobs, self.failures, self.states = [], [], []

    @contextmanager
    def listening(self):
        with requests_mock.Mocker() as mocker:
            mocker.post(f"{URL}/jobs", json=self.submit)
            mocker.get(re.compile(rf"^{URL}/jobs/\d+$"), json=self.status)
            mocker.get(re.compile(rf"^{URL}/jobs/\d+/results/probabilities$"), json=self.probabilities)
            yield mocker

    def submit(self, request, context):
        assert request.headers["Authorization"] == f"apiKey {KEY}"
        failure = self.failures.pop(0) if self.failures else None
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            context.status_code = failure
            return {"message": "no"}
        self.jobs.append(request.json())
        return {"id": str(len(self.jobs) - 1)}

    def status(self, request, context):
        number = int(request.path.rpartition("/")[2])
        state = self.states.pop(0) if self.states else "completed"
        if isinstance(state, Exception):
            raise state
        return {
            "status": state,
            "failure": {"code": "QuantumCircuitComplexityError", "error": "too deep"},
            "stats": {"qubits": self.jobs[number]["input"]["qubits"], "circuits": 1},
            "metadata": self.jobs[number]["metadata"],
            "results": {"probabilities": {"url": f"/v0.4/jobs/{number}/results/probabilities"}},
        }

    def probabilities(self, request, context):
        number = int(request.path.split("/")[-3])
        job = self.jobs[number]
        n_qubits, shots = job["input"]["qubits"], job["shots"]
        circuit = Circuit(n_qubits, tuple(map(gate, job["input"]["circuit"])), ())
        execution = Execution(shots=shots, seed=number)
        bits = StatevectorBackend().sample(circuit, torch.zeros(0, dtype=torch.float64), None, None, execution)[0]
        outcomes = Counter(sum(bit << qubit for qubit, bit in enumerate(shot)) for shot in bits.tolist())
        return {str(outcome): count / shots for outcome, count in outcomes.items()}


def gate(said):
    """One of ours for one of IonQ's interface."""
    name, wires = said["gate"], [*said.get("controls", []), *said["targets"]]
    if said.get("controls"):
        name = {"x": "CNOT", "z": "CZ"}[name]
    return Gate(NAMES.get(name, name.upper()), tuple(wires), said.get("rotation"))


SERVICE = Service()


@dataclass(frozen=True)
class _OnFakeService(IonQBackend):
    """The backend, while the service listens; in a spawned process too."""

    def bits(self, *args):
        with SERVICE.listening():
            return super().bits(*args)
