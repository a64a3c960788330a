"""Converts values of other libraries to Python's own, so that recipes can be compared, hashed and stored."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import wraps
from numbers import Integral, Real
from typing import Any, Final

from hqlm.errors import ConfigError

_PLAIN: Final = frozenset({type(None), bool, int, float, str, complex})


def to_plain(value: Any, keep: type | tuple[type, ...] = ()) -> Any:
    """Convert the numbers, strings and arrays of other libraries in a value to Python's own.

    NumPy scalars, `Fraction`, `Decimal` and zero-dimensional tensors and arrays become numbers; other arrays, tensors,
    pandas series and ranges become tuples. Anything else is returned unchanged.

    Args:
        value: scalar, or a tuple, list, set or dict of values.
        keep: types that are not converted.

    Raises:
        ConfigError: for a number beyond the range of floats.
    """
    kind = type(value)
    if kind in _PLAIN or (keep and isinstance(value, keep)):
        return value
    if kind in (tuple, list, set, frozenset):
        return kind(to_plain(item, keep) for item in value)
    if kind in (dict, Counter, OrderedDict):
        return kind({to_plain(key, keep): to_plain(item, keep) for key, item in value.items()})
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, range):
        return tuple(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real | Decimal):
        return _float(value)
    is_array = hasattr(value, "tolist") and hasattr(value, "shape") and not isinstance(value, type)
    if not is_array or getattr(value, "requires_grad", False):  # its gradient would be lost
        return value
    items = value.tolist()  # a scalar for a zero-dimensional array
    return value if items is value else to_plain(_tuples(items), keep)


def _tuples(items: Any) -> Any:
    return tuple(map(_tuples, items)) if isinstance(items, list) else items


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError as err:
        raise ConfigError(f"{str(value)[:40]} is too large. Numbers must be below 1e308") from err


@dataclass(frozen=True)
class PlainFields:
    """Base class of frozen dataclasses whose fields hold plain values, whatever values they were created from.

    The conversion precedes the `__post_init__` of every subclass. The class is a dataclass itself, because jsonargparse
    treats a dataclass with any other parent as a class to be named by its path.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__dict__.get("__post_init__")
        if own is not None:

            @wraps(own)
            def convert_first(self: PlainFields) -> None:
                _convert_fields(self)
                own(self)

            cls.__post_init__ = convert_first  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        _convert_fields(self)


def _convert_fields(recipe: Any) -> None:
    for field in fields(recipe):
        if not field.init:
            continue
        given = getattr(recipe, field.name)
        if type(given) not in _PLAIN:
            plain = to_plain(given)
            if plain is not given:
                object.__setattr__(recipe, field.name, plain)
