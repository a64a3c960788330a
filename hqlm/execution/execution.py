"""Execution settings of a circuit: shots, noise, seed and gradient rule, the same for every backend."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from hqlm.errors import ConfigError
from hqlm.execution.noise import Noise
from hqlm.execution.presets import PRESETS
from hqlm.plain import PlainFields
from hqlm.registry import suggestion

MOST_SHOTS: Final = 10**8  # their standard error matches float32 precision
Gradient = Literal["auto", "adjoint", "parameter_shift", "spsa", "surrogate"]


@dataclass(frozen=True)
class Execution(PlainFields):
    """Settings for running a circuit on a backend.

    Args:
        shots: measurements of each row; None for exact expectation values.
        noise: probabilities of errors, or the name of a preset such as `ionq_forte`.
        seed: seed of the measurements; None takes the seed of `seed_everything` in a model, 0 elsewhere.
        gradient: `auto` takes `adjoint` if values are exact and the backend supports it, else `parameter_shift`;
            `spsa` perturbs all angles at once; `surrogate` takes the gradient of the exact, noise-free value (biased).
        spsa_step: size of the SPSA perturbation in radians.
        spsa_samples: number of SPSA perturbations averaged.

    Raises:
        ConfigError: for values out of range.
    """

    shots: int | None = None
    noise: Noise | str = field(default_factory=Noise)
    seed: int | None = None
    gradient: Gradient = "auto"
    spsa_step: float = 0.1
    spsa_samples: int = 1

    def __post_init__(self) -> None:
        if self.shots is not None and not 1 <= self.shots <= MOST_SHOTS:
            raise ConfigError(
                f"execution.shots must lie between 1 and {MOST_SHOTS:,}, or be null for exact values; given "
                f"{self.shots:,}"
            )
        if isinstance(self.noise, str) and self.noise not in PRESETS:
            raise ConfigError(f"execution.noise: no preset '{self.noise}'. {suggestion(self.noise, list(PRESETS))}")
        if self.seed is not None and self.seed < 0:
            raise ConfigError(f"execution.seed must be 0 or more, given {self.seed}")
        if self.gradient not in get_args(Gradient):
            known = list(get_args(Gradient))
            raise ConfigError(f"execution.gradient: no rule '{self.gradient}'. {suggestion(self.gradient, known)}")
        if not 0.0 < self.spsa_step < math.inf or self.spsa_samples < 1:
            raise ConfigError(
                f"execution.spsa_step must be a number above 0 and spsa_samples 1 or more, "
                f"given {self.spsa_step} and {self.spsa_samples}"
            )

    @property
    def is_random(self) -> bool:
        """Whether anything is random: shots, errors of trajectories or directions of SPSA."""
        return self.shots is not None or self.gradient == "spsa" or bool(self.noise_model.gate_channels)

    @property
    def noise_model(self) -> Noise:
        """The noise model, with a preset resolved."""
        return PRESETS[self.noise] if isinstance(self.noise, str) else self.noise
