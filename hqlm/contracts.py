"""Checks of the values that methods of components from outside hqlm return.

A base class states the contract of a method with `@returns`. Classes of other packages that override the method are
wrapped with the check; those of hqlm are tested and run without it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import cached_property, wraps
from inspect import signature
from types import FunctionType
from typing import Any, Final, TypeVar

from hqlm.errors import ComponentError, HqlmError, abbreviate, describe

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
_CONTRACT: Final = "__contract__"
_PACKAGE: Final = __name__.partition(".")[0]


def returns(expected: str, check: Callable[..., bool] | None = None) -> Callable[[FunctionT], FunctionT]:
    """State the return value of a method, for all classes outside hqlm that override it.

    Args:
        expected: description of the return value, to follow "must return".
        check: function that tests a value; called with it and the method's arguments. None accepts anything.
    """

    def mark(function: FunctionT) -> FunctionT:
        setattr(function, _CONTRACT, (expected, check))
        return function

    return mark


class Contracted:
    """Base class of classes whose methods state their return values with `@returns`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.partition(".")[0] == _PACKAGE:
            return
        for name, member in list(vars(cls).items()):
            contract = _contract_of(cls, name)
            if contract is None:
                continue
            if isinstance(member, FunctionType):
                setattr(cls, name, _wrap_method(name, member, *contract))
            elif isinstance(member, property) and member.fget is not None:
                setattr(cls, name, property(_wrap_method(name, member.fget, *contract), member.fset, member.fdel))
            elif isinstance(member, cached_property):
                checked = cached_property(_wrap_method(name, member.func, *contract))
                checked.__set_name__(cls, name)
                setattr(cls, name, checked)


def _contract_of(cls: type, name: str) -> tuple[str, Callable[..., bool] | None] | None:
    for parent in cls.__mro__[1:]:
        stated = vars(parent).get(name)
        found = getattr(stated.fget if isinstance(stated, property) else stated, _CONTRACT, None)
        if found is not None:
            contract: tuple[str, Callable[..., bool] | None] = found
            return contract
    return None


def _wrap_method(name: str, method: Any, expected: str, check: Callable[..., bool] | None) -> Any:
    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        title = f"{type(self).__name__}.{name}"
        try:
            value = method(self, *args, **kwargs)
        except (HqlmError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as err:  # sys.exit included
            raise ComponentError(
                f"{title} raised {describe(err)} ({_place(err)}). It must return {expected}, or raise an HqlmError"
            ) from err
        if check is not None and not _fulfils(check, value, self, *_in_order(method, self, args, kwargs)):
            raise ComponentError(f"{title} returned {_show(value)}. It must return {expected}")
        return value

    setattr(call, _CONTRACT, (expected, check))
    return call


def _fulfils(check: Callable[..., bool], value: Any, *args: Any) -> bool:
    try:
        return bool(check(value, *args))
    except (AttributeError, TypeError):  # the value has another type, without what the check needs
        return False


def _in_order(method: Any, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Return the arguments of a call in the order of checks, including keyword arguments."""
    return signature(method).bind(owner, *args, **kwargs).args[1:] if kwargs else args


def _place(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}, line {last.lineno}"


def _show(value: Any) -> str:
    """Describe a value of any type in a few words."""
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if shape is not None and not isinstance(value, type):
        return f"a {kind} of shape {tuple(shape)} and {getattr(value, 'dtype', 'no dtype')}"
    if value is None or isinstance(value, bool | int | float | str):
        return abbreviate(repr(value), 80)
    if isinstance(value, list | tuple):
        inside = sorted({type(item).__name__ for item in value})
        return f"a {kind} of {len(value)} items" + (f" of type {', '.join(inside)[:80]}" if inside else "")
    return f"a {kind}"
