"""Ablation: recipes with modules removed by name.

A component implements `ablated(word)`, which returns it without that module, in itself and in nested components, and
`structure`, a value that is equal for recipes that compute the same.
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
    """Return `whole` without the named modules.

    Args:
        whole: a component, or anything that `remove` takes a module from.
        words: names of modules, as `ablate` lists them.
        remove: function that returns it without one module.
        structure: function that maps it to a value; equal values mean that the results compute the same.

    Raises:
        ConfigError: for a string instead of a tuple, an unknown name, or one that has no effect given the others.
    """
    if isinstance(words, str):
        raise ConfigError(f"ablate must be a tuple of module names, given {words!r}")
    for index, word in enumerate(words):
        if word not in ABLATIONS:
            raise ConfigError(f"ablate: there is no word '{word}'. {suggestion(word, ABLATIONS)}")
        others = (*words[:index], *words[index + 1 :])
        if structure(reduce(remove, others, whole)) == structure(reduce(remove, words, whole)):
            raise ConfigError(
                f"ablate: '{word}' changes nothing here, so the run would repeat the one without it. Leave it out"
            )
    return reduce(remove, words, whole)
