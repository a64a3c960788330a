"""Backends that cost money: the cost of a call is shown, and must be allowed by the user, before it is submitted."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Final

import torch
from filelock import FileLock
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from hqlm.backends import measurement
from hqlm.backends.angles import check_parameters, trainable_columns
from hqlm.backends.base import QuantumBackend
from hqlm.backends.gradients import shift_terms
from hqlm.cache import cache_folder, make_cache_folder
from hqlm.circuits import Circuit
from hqlm.errors import CacheError, ConfigError, NotSubmitted
from hqlm.execution import Execution
from hqlm.files import write_text

_ROUNDING: Final = 1e-6  # USD; sums of prices are not exact in floating point


@dataclass(frozen=True)
class Plan:
    """Circuits and shots that one call would submit, including those of its gradient.

    Args:
        device: name of the device.
        forward: number of circuits for the values, or for the samples.
        backward: number of circuits for the gradient, submitted when it is requested.
        shots: shots of each circuit.
        one_qubit_gates: one-qubit gates of each circuit, at most.
        two_qubit_gates: two-qubit gates of each circuit, at most.
        price: upper bound of the price of one circuit with all its shots, in USD.

    Raises:
        ConfigError: for a negative count, or a cost that is negative or not finite.
    """

    device: str
    forward: int
    backward: int
    shots: int
    one_qubit_gates: int
    two_qubit_gates: int
    price: float

    def __post_init__(self) -> None:
        for name in ("forward", "backward", "shots", "one_qubit_gates", "two_qubit_gates"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"the plan for {self.device} counts {getattr(self, name)} {name}: it must be 0 or more"
                )
        check_amount(f"the price of a circuit on {self.device}", self.price)
        check_amount(f"the cost of {self.forward + self.backward:,} circuits on {self.device}", self.cost)

    @property
    def cost(self) -> float:
        """Upper bound of the price of everything, in USD."""
        return (self.forward + self.backward) * self.price

    def __str__(self) -> str:
        parts = f" ({self.forward:,} for the values, {self.backward:,} for their gradient)" if self.backward else ""
        return (
            f"{self.forward + self.backward:,} circuits{parts} of {self.shots:,} shots to {self.device}, each of at "
            f"most {self.one_qubit_gates:,} one-qubit and {self.two_qubit_gates:,} two-qubit gates: at most "
            f"{_dollars(self.cost)} USD"
        )


def check_amount(name: str, amount: float) -> None:
    """Reject an amount of money that is not a finite number of 0 or more.

    Raises:
        ConfigError: with the amount.
    """
    if not isinstance(amount, Real) or not 0.0 <= amount < math.inf:  # also rejects NaN
        raise ConfigError(f"{name} must be a finite number of USD, 0 or more, given {amount!r}")


def _dollars(amount: float) -> str:
    """Format an amount rounded up, so that the limit in a message is sufficient."""
    return f"{math.ceil((amount - _ROUNDING) * 100.0) / 100.0:.2f}"


@dataclass(frozen=True)
class Budget:
    """The remaining budget, shared by all processes of this user with the same cache folder.

    Committed amounts are kept in a locked file, so that the workers of a study, and later runs that resume it, spend
    from one budget. There is one budget per class of backend: a study may vary options of a backend, and its limit
    still bounds all of its trials together. Only the user can start a new budget, by deleting the file.

    Args:
        dry_run: whether submitting is forbidden altogether.
        limit: upper bound of the sum of all charges, in USD.
        file: file of the committed amounts.

    Raises:
        ConfigError: for a limit that is negative or not finite.
    """

    dry_run: bool
    limit: float
    file: Path

    def __post_init__(self) -> None:
        check_amount("the limit of a budget", self.limit)

    @property
    def spent(self) -> float:
        """Upper bound of the charges for everything submitted so far, in USD.

        Raises:
            CacheError: if the file cannot be read.
        """
        try:
            spent = json.loads(self.file.read_text(encoding="utf-8"))["spent_usd"]
            check_amount("spent_usd", spent)
        except FileNotFoundError:
            return 0.0
        except (OSError, ValueError, LookupError, TypeError, ConfigError) as err:
            raise CacheError(
                f"{self.file}, which records what was spent on paid devices, cannot be read ({err}). Fix it, or "
                "delete it to begin at 0"
            ) from err
        return float(spent)

    def allow(self, plan: Plan) -> None:
        """Show a plan, and reject it in a dry run or if it may exceed the remaining budget.

        Raises:
            NotSubmitted: with the plan, and the options that would allow it.
            CacheError: if the spent amount cannot be read.
        """
        if self.dry_run:
            raise NotSubmitted(
                f"a dry run, nothing was submitted. This would send {plan}; training repeats it at every step. To "
                "submit it, set backend.dry_run=false and backend.max_cost_usd to what all calls together may "
                f"cost, here {_dollars(plan.cost)} or more"
            )
        spent = self.spent
        if self._exceeds(spent + plan.cost):
            raise NotSubmitted(
                f"nothing was submitted: this would send {plan}. backend.max_cost_usd is {self.limit:g}, of "
                f"which {_dollars(spent)} are committed so far. Set it to {_dollars(spent + plan.cost)} or more, or "
                f"use fewer rows, shots or trained parameters. Deleting {self.file} begins a new budget"
            )
        rank_zero_info(f"submitting {plan}. {_dollars(spent)} of {self.limit:g} USD are committed so far")

    def take(self, cost: float) -> None:
        """Record a charge in USD before a submission; every attempt counts, since one that seems to fail may be billed.

        Raises:
            ConfigError: for a cost that is negative or not finite.
            NotSubmitted: in a dry run, or if it exceeds the remaining budget.
            CacheError: if it cannot be recorded.
        """
        check_amount("the cost of a submission", cost)
        if self.dry_run:
            raise NotSubmitted(f"circuits of at most {_dollars(cost)} USD were not submitted: backend.dry_run is true")
        try:
            make_cache_folder(self.file.parent.name, self.file.parent.parent)
            with FileLock(self.file.with_suffix(".lock")):
                spent = self.spent
                if self._exceeds(spent + cost):
                    raise NotSubmitted(
                        f"circuits of at most {_dollars(cost)} USD were not submitted: {_dollars(spent)} of "
                        f"backend.max_cost_usd={self.limit:g} are committed so far. Raise it, or delete "
                        f"{self.file} to begin a new budget"
                    )
                write_text(self.file, json.dumps({"spent_usd": spent + cost}) + "\n")
        except OSError as err:
            raise CacheError(
                f"nothing was submitted, because its cost cannot be written to {self.file} ({err}). Set HQLM_CACHE "
                "to a folder that can be written"
            ) from err

    def _exceeds(self, amount: float) -> bool:
        return not amount <= self.limit + _ROUNDING  # also true of NaN


@dataclass(frozen=True)
class PaidBackend(QuantumBackend):
    """Base class of backends whose measurements are charged.

    A subclass must take the cost of a job from `self.budget` right before it submits the job.

    Args:
        dry_run: submit nothing; a call raises an error with what it would send and cost.
        max_cost_usd: upper bound in USD of all charges through backends of this class; calls that may exceed it are
            rejected. It counts the spending of all runs since `budgets/<class>.json` in the cache folder was deleted.
    """

    dry_run: bool = field(default=True, kw_only=True)
    max_cost_usd: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        check_amount("backend.max_cost_usd", self.max_cost_usd)

    @abstractmethod
    def plan(self, circuits: Sequence[Circuit], forward: int, backward: int, shots: int) -> Plan | None:
        """Return the plan with the cost of measuring, or None if nothing is charged.

        Args:
            circuits: the different circuits of a call.
            forward: number of circuits for the values.
            backward: number of circuits for their gradient.
            shots: shots of each circuit.
        """

    @property
    def budget(self) -> Budget:
        """The remaining budget, shared by all processes."""
        return Budget(self.dry_run, self.max_cost_usd, cache_folder() / "budgets" / f"{type(self).__name__}.json")

    def expectations(
        self,
        circuit: Circuit,
        weights: Tensor,
        inputs: Tensor | None = None,
        states: Tensor | None = None,
        execution: Execution = Execution(),
    ) -> Tensor:
        """Return expectation values as the base class does, once their cost and that of their gradient is allowed.

        Raises:
            NotSubmitted: in a dry run, or if it may cost more than allowed.
        """
        batch = check_parameters(circuit, weights, inputs, states)
        self.check(circuit, execution, states)
        if execution.shots is not None:
            circuits = [setting.circuit for setting in measurement.settings(circuit)]
            for each in circuits:
                self.check(each, execution, states)
            repeats = gradient_repeats(circuit, weights, inputs, execution, self.gradient_rule(execution))
            self._allow(circuits, batch * len(circuits), repeats, execution.shots)
        return super().expectations(circuit, weights, inputs, states, execution)

    def sample(
        self,
        circuit: Circuit,
        weights: Tensor,
        inputs: Tensor | None = None,
        states: Tensor | None = None,
        execution: Execution = Execution(shots=1024),
    ) -> Tensor:
        """Return samples as the base class does, once their cost is allowed.

        Raises:
            NotSubmitted: in a dry run, or if it may cost more than allowed.
        """
        batch = check_parameters(circuit, weights, inputs, states)
        self.check(circuit, execution, states)
        if execution.shots is not None:
            self._allow([circuit], batch, 0, execution.shots)
        return super().sample(circuit, weights, inputs, states, execution)

    def allow_rows(self, circuit: Circuit, rows: int, execution: Execution) -> None:
        """Show the cost of the values of all rows, in however many calls, before the first call.

        Raises:
            NotSubmitted: in a dry run, or if it may cost more than allowed.
        """
        self.check(circuit, execution)
        if execution.shots is not None:
            circuits = [setting.circuit for setting in measurement.settings(circuit)]
            self._allow(circuits, rows * len(circuits), 0, execution.shots)

    def _allow(self, circuits: Sequence[Circuit], forward: int, repeats: int, shots: int) -> None:
        plan = self.plan(circuits, forward, forward * repeats, shots) if circuits else None
        if plan is not None:
            self.budget.allow(plan)


def gradient_repeats(circuit: Circuit, weights: Tensor, inputs: Tensor | None, execution: Execution, rule: str) -> int:
    """Return how often a gradient by `rule` measures the circuits again, at shifted angles."""
    trained = any(tensor is not None and tensor.requires_grad for tensor in (weights, inputs))
    if not trained or not torch.is_grad_enabled():
        return 0
    if rule == "parameter_shift":
        columns = trainable_columns(circuit, weights, inputs)
        return sum(len(shift_terms(circuit.rotations[column])) for column in columns)
    return 2 * execution.spsa_samples if rule == "spsa" else 0
