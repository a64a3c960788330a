"""Checks that a component is a frozen recipe that pickles, copies and compares by its fields."""

from __future__ import annotations

import copy
import pickle

from hqlm.registry import Component, field_names


def assert_is_recipe(component: Component) -> None:
    """Check that a component is a frozen dataclass that is hashable, and equal to its pickle and its deep copy.

    Raises:
        AssertionError: with the missing property.
    """
    kind = type(component)
    settings = vars(kind).get("__dataclass_params__")  # a base class's do not count: they lack new fields
    assert settings is not None, f"{kind.__name__} must be a dataclass: write @dataclass(frozen=True) above it"
    assert settings.frozen, f"{kind.__name__} must be frozen: write @dataclass(frozen=True) above it"
    fields = {name: getattr(component, name) for name in field_names(component)}
    for twin in (pickle.loads(pickle.dumps(component)), copy.deepcopy(component), kind(**fields)):  # noqa: S301
        assert twin == component
        assert hash(twin) == hash(component)
        assert set(vars(twin)) == set(fields), "only fields are part of the state; the rest is worked out lazily"
