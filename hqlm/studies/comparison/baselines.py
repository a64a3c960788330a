"""Heads that a model is compared with, and how they are tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hqlm.config.sources import Config
from hqlm.errors import ConfigError
from hqlm.heads import Head, HeadModule
from hqlm.models.recipes import to_primitives
from hqlm.registry import field_names

BASELINES: Final = ("LogisticRegressionHead", "RBFSVMHead", "KernelHead", "LinearHead", "MLPHead", "MatchedHead")
LEARNING_RATES: Final = (0.001, 0.003, 0.01, 0.03)  # of trained heads, chosen on the validation rows
_STRENGTHS: Final = [0.1, 1.0, 10.0, 100.0]  # C of kernel machines, likewise

HeadLike = str | type[Head] | Head | Mapping[str, Any]  # a name, a recipe, or `{"class_path": ..., "init_args": {...}}`


def head_node(head: HeadLike, n_parameters: int) -> Config:
    """Return a head as a class with options.

    Args:
        head: name, class, recipe, or class with options. A `KernelHead` without a C of its own chooses one on the
            validation rows.
        n_parameters: those of the reference, which a `MatchedHead` without its own number matches.

    Raises:
        ConfigError: for anything else.
    """
    node = {"class_path": head} if isinstance(head, str) else to_primitives(head, "heads")
    is_node = isinstance(node, dict) and isinstance(node.get("class_path"), str)
    options = (node.get("init_args") or {}) if is_node else None
    if not isinstance(options, dict):
        raise ConfigError(f"heads: {head!s:.40} is not a head. Give a name such as LinearHead, or a class with options")
    defaults: dict[str, Config] = {"MatchedHead": {"n_parameters": n_parameters}, "KernelHead": {"C": _STRENGTHS}}
    return {**node, "init_args": {**defaults.get(node["class_path"].rpartition(".")[2], {}), **options}}


def with_head(config: Config, node: Config) -> Config:
    """Return a configuration with another head in place of its own."""
    model = config["model"]
    return {**config, "model": {**model, "init_args": {**model.get("init_args", {}), "head": node}}}


def with_learning_rate(config: Config, lr: float) -> Config:
    """Return a configuration with AdamW at a learning rate in place of its optimiser."""
    model = config["model"]
    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": lr}}
    return {**config, "model": {**model, "init_args": {**model["init_args"], "optimizer": optimizer}}}


def depends_on_seed(head: Head, module: HeadModule) -> bool:
    """Return whether seeds change a head: it is trained, has circuits with random weights, or draws shots."""
    execution = getattr(head, "execution", None)
    has_weights = any(circuit.n_weights for circuit in module.circuits().values())
    return module.is_trained or has_weights or (execution is not None and execution.shots is not None)


def name_heads(heads: Sequence[Head]) -> list[str]:
    """Return names of heads for tables: their classes, with the options in which heads of one class differ.

    Args:
        heads: the reference, which is named by its class alone, then the baselines.

    Raises:
        ConfigError: when two are equal.
    """
    names = [type(heads[0]).__name__]
    for index, head in enumerate(heads[1:], start=1):
        if head in heads[:index]:
            raise ConfigError(f"heads: {type(head).__name__} is listed twice with the same options. Leave one out")
        others = [other for other in heads if type(other) is type(head) and other != head]
        differing = [
            name for name in field_names(head) if any(getattr(head, name) != getattr(each, name) for each in others)
        ]
        options = ", ".join(f"{name}={getattr(head, name)}" for name in differing)
        names.append(f"{type(head).__name__}({options})" if options else type(head).__name__)
    return names
