"""Checks which settings may change when a run resumes from a checkpoint; others are rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor

from hqlm.errors import ConfigError

_RATES: Final = ("lr", "initial_lr", "max_lr", "min_lr")  # of a group; schedules scale all but the first with it
_OPTIONS: Final[dict[type[Callback], tuple[str, ...]]] = {  # that Lightning stores as state
    EarlyStopping: ("patience",),
}
_SHOWN: Final = 3  # names in a message
_INSTEAD: Final = "Keep the old value, or start a new run with --model.init_from=RUN, which takes over the weights"


def check_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Reject another class of optimiser, whose state the checkpoint does not have, and another schedule.

    Args:
        before: hyperparameters in the checkpoint.
        now: hyperparameters of the model.

    Raises:
        ConfigError: with the difference.
    """
    old, new = _class_path(before.get("optimizer")), _class_path(now.get("optimizer"))
    if old != new:
        raise ConfigError(f"model.optimizer: a resumed run cannot change it from {old} to {new}. {_INSTEAD}")
    if before.get("schedule") != now.get("schedule"):
        old, new = (_show(each.get("schedule")) for each in (before, now))
        raise ConfigError(f"model.schedule: a resumed run cannot change it from {old} to {new}. {_INSTEAD}")


def change_options(checkpoint: Mapping[str, Any], options: Sequence[Mapping[str, Any]]) -> None:
    """Update options in the stored optimiser state that were changed in the configuration.

    A schedule continues from its position, multiplied by the ratio of the new learning rate to the old one.

    Args:
        checkpoint: checkpoint, changed in place.
        options: configured options of each group of parameters.

    Raises:
        ConfigError: if a schedule's learning rate was zero and is changed, so that there is no ratio.
    """
    configured = checkpoint.get("optimizer_options")
    states = checkpoint.get("optimizer_states")
    if not configured or not states:
        return
    ratios = []
    for group, old, new in zip(states[0]["param_groups"], configured, options, strict=False):
        group.update({name: new[name] for name in new if name != "lr" and name in old and new[name] != old[name]})
        ratio = _ratio(old.get("lr"), new.get("lr"))
        if ratio is None and checkpoint.get("lr_schedulers"):
            raise ConfigError(
                f"a learning rate of 0 in the run so far cannot become {new['lr']:g}: its schedule multiplies the rate "
                f"that it began with. {_INSTEAD}"
            )
        ratios.append(ratio)
        if ratio is None:
            group["lr"] = new["lr"]
        elif ratio != 1.0:
            group.update({name: group[name] * ratio for name in _RATES if name in group})
    for schedule in checkpoint.get("lr_schedulers") or ():
        for name in ("base_lrs", "_last_lr"):
            rates = schedule.get(name)
            if isinstance(rates, list) and len(rates) == len(ratios):
                schedule[name] = [rate * ratio for rate, ratio in zip(rates, ratios, strict=True)]


def keep_callback_options(checkpoint: Mapping[str, Any], callbacks: Sequence[Callback]) -> None:
    """Set options that callbacks of Lightning store in their state, such as a patience, to the configured values.

    Args:
        checkpoint: checkpoint, changed in place.
        callbacks: callbacks of the trainer.
    """
    for callback in callbacks:
        state = checkpoint.get("callbacks", {}).get(callback.state_key)
        names = [name for kind, own in _OPTIONS.items() if isinstance(callback, kind) for name in own]
        if isinstance(state, dict):
            state.update({name: vars(callback)[name] for name in names if name in state})


def describe_misfits(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Describe which weights and shapes differ from those of a model; empty if they fit."""
    missing = [name for name in own if name not in given]
    foreign = [name for name in given if name not in own]
    shapes = [
        f"{name} {_shape(given[name])} instead of {_shape(own[name])}"
        for name in own
        if name in given and _shape(given[name]) != _shape(own[name])
    ]
    kinds = {"missing": missing, "unknown": foreign, "of another shape": shapes}
    return "; ".join(f"{len(names)} {kind} ({_few(names)})" for kind, names in kinds.items() if names)


def _shape(value: Any) -> tuple[int, ...] | str:
    return tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__


def _few(names: Sequence[str]) -> str:
    return ", ".join([*names[:_SHOWN], *(["..."] if len(names) > _SHOWN else [])])


def _ratio(old: Any, new: Any) -> float | None:
    """Return the ratio of the new learning rate to the old one; None if the old one was zero and is changed."""
    if old == new or not isinstance(old, int | float) or not isinstance(new, int | float):
        return 1.0
    return new / old if old else None


def _class_path(value: Any) -> Any:
    return value.get("class_path") if isinstance(value, Mapping) else value


def _show(schedule: Any) -> str:
    if not isinstance(schedule, Mapping):
        return str(schedule)
    options = ", ".join(f"{name}={value}" for name, value in (schedule.get("init_args") or {}).items())
    return f"{schedule.get('class_path')}({options})"
