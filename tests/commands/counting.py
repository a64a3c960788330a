"""A device that counts what it is asked to run; private, so that no registry lists it."""

from dataclasses import dataclass

from hqlm.backends import StatevectorBackend
from hqlm.backends.paid import PaidBackend, Plan

SUBMITTED = []  # circuits and shots of each submission


@dataclass(frozen=True)
class _CountingBackend(PaidBackend):
    """Charges a dollar a circuit."""

    def plan(self, circuits, forward, backward, shots):
        return Plan("counter", forward, backward, shots, 1, 1, 1.0)

    def bits(self, circuit, angles, states, noise, shots, seed):
        self.budget.take(float(len(angles)))
        SUBMITTED.append((len(angles), shots))
        return StatevectorBackend().bits(circuit, angles, states, noise, shots, seed)
