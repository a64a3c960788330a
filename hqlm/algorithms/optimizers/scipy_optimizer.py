"""Minimisers of SciPy as a torch optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim import Optimizer

from hqlm.errors import ConfigError


class SciPyOptimizer(Optimizer):
    """One step is a whole minimisation by `scipy.optimize.minimize`, from where the last one ended.

    Set `model.steps_per_epoch` and `trainer.max_epochs` to 1, or to the number of restarts.

    Args:
        params: parameters to optimise.
        method: `COBYLA` uses only values, `L-BFGS-B` also gradients.
        max_iterations: largest number of iterations in a step.
        tolerance: SciPy's `tol`, at which a step ends earlier.
    """

    def __init__(
        self,
        params: Iterable[Any],
        method: Literal["COBYLA", "L-BFGS-B"] = "COBYLA",
        max_iterations: int = 1000,
        tolerance: float = 1e-8,
    ) -> None:
        if not (1 <= max_iterations < 2**31 and 0.0 < tolerance < math.inf):
            raise ConfigError(
                f"SciPyOptimizer: max_iterations must be 1 or more and tolerance above 0, given {max_iterations} "
                f"and {tolerance}"
            )
        super().__init__(params, {"tolerance": tolerance})
        self.method = method
        self.max_iterations = max_iterations

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor:  # type: ignore[override]
        """Run one minimisation; return the lowest energy found."""
        from scipy.optimize import minimize

        assert closure is not None
        moved = [parameter for group in self.param_groups for parameter in group["params"]]
        start, with_gradient = parameters_to_vector(moved), self.method == "L-BFGS-B"

        def evaluate(point: Any) -> Any:
            vector_to_parameters(torch.from_numpy(np.array(point)).to(start), moved)
            with torch.set_grad_enabled(with_gradient):
                energy = float(closure())
            if not with_gradient:
                return energy
            return energy, parameters_to_vector([parameter.grad for parameter in moved]).double().cpu().numpy()

        found = minimize(
            evaluate,
            start.double().cpu().numpy(),
            jac=with_gradient,
            method=self.method,
            tol=self.param_groups[0]["tolerance"],
            options={"maxiter": self.max_iterations},
        )
        vector_to_parameters(torch.from_numpy(found.x).to(start), moved)
        return start.new_tensor(float(found.fun))
