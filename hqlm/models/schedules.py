"""Learning-rate schedules by name, advanced once per step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

from lightning.pytorch.cli import LRSchedulerCallable, ReduceLROnPlateau
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from hqlm.errors import ConfigError, refusal
from hqlm.registry import suggestion

Schedule = Literal["constant", "one_cycle", "cosine", "linear_warmup"]
_WARM_UP = 0.1  # fraction of the steps


def check_schedule(name: object) -> None:
    """Reject an unknown schedule.

    Raises:
        ConfigError: with the known names.
    """
    known = list(get_args(Schedule))
    if name not in known:
        raise ConfigError(f"there is no schedule {name!r}. {suggestion(str(name), known)}")


def scheduler_config(schedule: Schedule | LRSchedulerCallable, optimizer: Optimizer, steps: int) -> Any:
    """Return the result of `configure_optimizers` for an optimiser and a schedule over `steps` steps.

    `one_cycle` rises to the optimiser's rate and falls to nearly zero (Smith and Topin (2017), arXiv:1708.07120);
    `cosine` falls to zero along half a cosine (Loshchilov and Hutter (2016), arXiv:1608.03983); `linear_warmup` rises
    linearly over the first tenth and falls linearly to zero.
    """
    if not isinstance(schedule, str):
        try:
            scheduler = schedule(optimizer)
        except Exception as err:  # a constructor that the user chose may raise anything
            mistake = refusal(err, "model.schedule")
            if mistake is None:
                raise
            raise mistake from err
        if isinstance(scheduler, ReduceLROnPlateau):  # it watches a metric, which is known once per epoch
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": scheduler.monitor}}
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
    if schedule == "constant":
        return optimizer
    makers: dict[str, Callable[[Optimizer, int], LRScheduler]] = {
        "one_cycle": _one_cycle,
        "cosine": lambda optimizer, steps: CosineAnnealingLR(optimizer, steps),
        "linear_warmup": _linear_warm_up,
    }
    scheduler = makers[schedule](optimizer, max(2, steps))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _one_cycle(optimizer: Optimizer, steps: int) -> LRScheduler:
    return OneCycleLR(optimizer, max_lr=[group["lr"] for group in optimizer.param_groups], total_steps=steps)


def _linear_warm_up(optimizer: Optimizer, steps: int) -> LRScheduler:
    warm = max(1, math.ceil(_WARM_UP * steps))
    return LambdaLR(optimizer, lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm))))
