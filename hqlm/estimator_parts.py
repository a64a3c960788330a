"""Parts of the scikit-learn estimators: options of recipes as parameters, and checks of labels and weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, ClassVar, Self, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from hqlm.errors import ConfigError
from hqlm.registry import Component, field_names, suggestion


class RecipeParameters:
    """Mixin before scikit-learn's `BaseEstimator`, for estimators with recipes as parameters.

    Such a parameter is a recipe, a dict of options that differ from those of the default recipe, or None for the
    default. scikit-learn sets nested parameters in place; recipes are frozen, so a changed recipe replaces the old one.

    Attributes:
        recipes: default recipes by parameter.
    """

    recipes: ClassVar[Mapping[str, Any]] = {}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return parameters by name; with `deep` also the options of recipes, such as `feature_encoder__n_layers`."""
        params: dict[str, Any] = super().get_params(deep=False)  # type: ignore[misc]
        if deep:
            for name in self.recipes:
                params |= {f"{name}__{option}": value for option, value in _options(params[name])}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, options of recipes as `feature_encoder__n_layers`.

        Raises:
            ConfigError: for an unknown parameter or option, or an invalid value.
        """
        whole, nested = _split(params)
        own = self.get_params(deep=False)
        for name in (*whole, *nested):
            if name not in (own if name in whole else self.recipes):
                what = "parameter" if name in whole else "recipe"
                known = list(own if name in whole else self.recipes)
                raise ConfigError(f"{type(self).__name__} has no {what} '{name}'. {suggestion(name, known)}")
        own |= whole
        for name, options in nested.items():
            whole[name] = _change_parameter(self.recipes[name], own[name], options)
        for name, value in whole.items():
            setattr(self, name, value)
        return self


def encode_labels(y: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the classes of labels, sorted, and the class index of each label.

    Raises:
        ValueError: for numbers that are not class labels, as in scikit-learn.
        ConfigError: for labels of several types, or fewer than two classes.
    """
    from sklearn.utils.multiclass import check_classification_targets

    try:
        check_classification_targets(y)
        classes, numbers = np.unique(y, return_inverse=True)
    except TypeError as err:
        types = ", ".join(sorted({type(label).__name__ for label in y}))
        raise ConfigError(f"y has labels of several types ({types}): give only words, or only numbers") from err
    if len(classes) < 2:
        raise ConfigError(f"y has 1 class, '{classes[0]}'; a classifier needs two or more classes")
    return classes, numbers


def check_class_weights(weights: NDArray[Any], class_weight: Any) -> None:
    """Reject weights of rows that are negative or not finite.

    Args:
        weights: weight of each row, by its class.
        class_weight: origin of the weights, for messages.

    Raises:
        ConfigError: with the value of `class_weight`.
    """
    if not (np.isfinite(weights) & (weights >= 0.0)).all():
        raise ConfigError(f"class_weight must be finite numbers of 0 or more, given {class_weight!r}")


def change(recipe: Any, options: Mapping[str, Any]) -> Any:
    """Return `recipe` with other options, set all at once, so that one may depend on another.

    Args:
        recipe: recipe to start from.
        options: options by name; those of a nested recipe as `ansatz__connectivity`, or as a dict.

    Raises:
        ConfigError: for an unknown option, or an invalid value instead of a recipe.
    """
    whole, nested = _split(options)
    known = field_names(recipe) if dataclasses.is_dataclass(recipe) else []
    for name in (*whole, *nested):
        if name not in known:
            raise ConfigError(f"{type(recipe).__name__} has no option '{name}'. {suggestion(name, known)}")
    for name, value in whole.items():
        held = getattr(recipe, name)
        may_be_none = value is None and NoneType in get_args(get_type_hints(type(recipe))[name])
        if (dataclasses.is_dataclass(held) or isinstance(value, Mapping)) and not may_be_none:
            whole[name] = _to_recipe(name, value, held)
    for name, inner in nested.items():
        whole[name] = change(whole.get(name, getattr(recipe, name)), inner)
    return dataclasses.replace(recipe, **whole)


def make_recipe(name: str, value: Any, default: Any, slot: type) -> Any:
    """Return the recipe for the value of a parameter.

    Args:
        name: name of the parameter, for messages.
        value: a recipe, options of the default one, or None.
        default: recipe for None.
        slot: base class of the parameter's recipes.

    Raises:
        ConfigError: for anything else, or an option that the default recipe does not have.
    """
    return default if value is None else _to_recipe(name, value, default, slot)


def _to_recipe(name: str, value: Any, default: Any, slot: type | None = None) -> Any:
    slots = [kind for kind in type(default).__mro__ if issubclass(kind, Component)]
    slot = slot or (slots[-2] if slots else type(default))
    if isinstance(value, Mapping) and default is not None:
        return change(default, value)
    if not isinstance(value, slot):
        raise ConfigError(
            f"{name} must be an instance of {slot.__name__}, such as {type(default).__name__}(), or a dict of options "
            f"of the default one, given {value!r}"
        )
    return value


def _options(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the options of a recipe, or of a dict of options, including those of nested recipes."""
    if dataclasses.is_dataclass(value):
        value = {name: getattr(value, name) for name in field_names(value)}
    for name, option in value.items() if isinstance(value, Mapping) else ():
        yield name, option
        yield from ((f"{name}__{inner}", deeper) for inner, deeper in _options(option))


def _split(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return options without `__`, and the others grouped by the part before it."""
    whole: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for key, value in options.items():
        name, inner, rest = str(key).partition("__")
        if inner:
            nested.setdefault(name, {})[rest] = value
        else:
            whole[name] = value
    return whole, nested


def _change_parameter(default: Any, value: Any, options: Mapping[str, Any]) -> Any:
    """Return a recipe, or the options that differ from those of the default one, with some options changed."""
    if value is not None and not isinstance(value, Mapping):
        return change(value, options)
    whole, nested = _split(options)
    changed = {**(value or {}), **whole}
    if not dataclasses.is_dataclass(default) or not {*whole, *nested} <= {*field_names(default)}:
        change(default, options)  # to check them
    for name, inner in nested.items():
        changed[name] = _change_parameter(getattr(default, name), changed.get(name), inner)
    change(default, changed)
    return changed
