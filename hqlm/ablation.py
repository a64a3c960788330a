"""Ablation: what is left of a recipe when modules are removed by name.

A component says by `ablated(word)` what is left of itself and of the components that it holds, and by `structure` what
is equal for two recipes that compute the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Final, Literal, get_args

from hqlm.errors import ConfigError
from hqlm.registry import suggestion

Ablation = Literal[
    "feature_encoder",
    "reuploading",
    "long_range",
    "entanglement",
    "main_circuit",
    "offset",
    "second_module",
    "alignment",
    "quantum",
]
ABLATIONS: Final[tuple[str, ...]] = get_args(Ablation)


def remove_modules(
    whole: Any,
    words: Sequence[str],
    remove: Callable[[Any, str], Any] = lambda component, word: component.ablated(word),
    structure: Callable[[Any], object] = lambda component: component.structure,
) -> Any:
    """Return `whole` without the modules that the words name.

    Args:
        whole: a component, or anything that `remove` takes a module from.
        words: names of modules, as `ablate` lists them.
        remove: what is left of it without one module.
        structure: what is equal for two of them that compute the same.

    Raises:
        ConfigError: for a text in place of several, an unknown word, or one that changes nothing beside the others.
    """
    if isinstance(words, str):
        raise ConfigError(f"ablate must be a tuple of names of modules, given {words!r}")
    for index, word in enumerate(words):
        if word not in ABLATIONS:
            raise ConfigError(f"ablate: there is no word '{word}'. {suggestion(word, ABLATIONS)}")
        others = (*words[:index], *words[index + 1 :])
        if structure(reduce(remove, others, whole)) == structure(reduce(remove, words, whole)):
            raise ConfigError(
                f"ablate: '{word}' changes nothing here, so the run would repeat the one without it. Leave the word out"
            )
    return reduce(remove, words, whole)
