"""Descent along a random direction, from two values per step for any number of weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim import Optimizer

from hqlm.errors import ConfigError


class SPSA(Optimizer):
    """`w <- w - a_k (E(w + c_k d) - E(w - c_k d)) / (2 c_k) d`, with random signs d.

    `a_k = lr / (k + stability)^0.602` and `c_k = perturbation / k^0.101` in step k = 1, 2, ...

    Source: Spall (1998), Implementation of the simultaneous perturbation algorithm for stochastic optimization, IEEE
    Transactions on Aerospace and Electronic Systems 34, 817.

    Args:
        params: parameters to optimise.
        lr: size of the first steps.
        perturbation: size of the perturbation in both directions, in radians.
        stability: number of steps until the learning rate starts to fall.
        seed: seed of the directions.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.2,
        perturbation: float = 0.1,
        stability: float = 10.0,
        seed: int = 0,
    ) -> None:
        positive = all(0.0 < value < math.inf for value in (lr, perturbation))
        if not (positive and 0.0 <= stability < math.inf and seed >= 0):
            raise ConfigError(
                f"SPSA: lr and perturbation must be above 0, stability and seed 0 or more; given {lr}, "
                f"{perturbation}, {stability} and {seed}"
            )
        defaults = {"lr": lr, "perturbation": perturbation, "stability": stability, "seed": seed, "steps": 0}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor:  # type: ignore[override]
        """Take one step; return the mean of the two energies."""
        assert closure is not None
        group = self.param_groups[0]
        group["steps"] += 1
        count, moved = group["steps"], [parameter for group in self.param_groups for parameter in group["params"]]
        start = parameters_to_vector(moved)
        own = np.random.SeedSequence([group["seed"], count]).generate_state(1)[0]  # torch reads 32 bits of a seed
        generator = torch.Generator().manual_seed(int(own))
        signs = (2.0 * torch.randint(0, 2, start.shape, generator=generator) - 1.0).to(start)
        reach = group["perturbation"] / count**0.101
        energies = []
        for side in (1.0, -1.0):
            vector_to_parameters(start + side * reach * signs, moved)
            energies.append(closure())
        slope = (energies[0] - energies[1]) / (2.0 * reach)
        rate = group["lr"] / (count + group["stability"]) ** 0.602
        vector_to_parameters(start - rate * slope * signs, moved)
        return (energies[0] + energies[1]) / 2.0
