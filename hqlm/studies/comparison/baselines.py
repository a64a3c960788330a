"""Heads that a model is compared with, and how they are tuned."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from hqlm.config.sources import Config
from hqlm.errors import ConfigError
from hqlm.heads import Head
from hqlm.models.recipes import to_primitives
from hqlm.registry import field_names

BASELINES: Final = ("LogisticRegressionHead", "RBFSVMHead", "KernelHead", "LinearHead", "MLPHead", "MatchedHead")
LEARNING_RATES: Final = (0.001, 0.003, 0.01, 0.03)  # of trained heads, chosen on the validation rows
_MATCHED: Final = "MatchedHead"

HeadLike = str | Head | Mapping[str, Any]  # a name, a recipe, or `{"class_path": ..., "init_args": {...}}`


def head_node(head: HeadLike, n_parameters: int) -> Config:
    """Return a head as a class with options.

    Args:
        head: name, recipe or class with options.
        n_parameters: those of the reference, which a `MatchedHead` without its own number matches.

    Raises:
        ConfigError: for anything else.
    """
    if not isinstance(head, str | Head | Mapping):
        raise ConfigError(
            f"heads: {head!s:.40} is not a head. Give a name, such as LinearHead, or a class with options"
        )
    node: Config = {"class_path": head, "init_args": {}} if isinstance(head, str) else to_primitives(head, "heads")
    options = dict(node.get("init_args") or {})
    if str(node.get("class_path")).rpartition(".")[2] == _MATCHED:
        options.setdefault("n_parameters", n_parameters)
    return {**node, "init_args": options}


def with_head(config: Config, node: Config) -> Config:
    """Return a configuration with another head in place of its own."""
    model = config["model"]
    return {**config, "model": {**model, "init_args": {**model.get("init_args", {}), "head": node}}}


def with_learning_rate(config: Config, lr: float) -> Config:
    """Return a configuration with AdamW at a learning rate in place of its optimiser."""
    model = config["model"]
    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": lr}}
    return {**config, "model": {**model, "init_args": {**model["init_args"], "optimizer": optimizer}}}


def label(head: Head, taken: Collection[str] = ()) -> str:
    """Return the name of a head in tables: its class; with the options that differ from their defaults if it is taken.

    Args:
        head: the head.
        taken: names of others.

    Raises:
        ConfigError: when a head with these options is among the others.
    """
    kind, default = type(head), type(head)()
    if kind.__name__ not in taken:
        return kind.__name__
    changed = {name: getattr(head, name) for name in field_names(head)}
    shown = [f"{name}={value}" for name, value in changed.items() if value != getattr(default, name)]
    name = f"{kind.__name__}({', '.join(shown)})"
    if not shown or name in taken:
        raise ConfigError(f"heads: {kind.__name__} is listed twice with the same options. Leave one of them out")
    return name
