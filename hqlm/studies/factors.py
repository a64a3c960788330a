"""Factors of a study: dotted keys of an experiment and the values each takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hqlm.errors import ConfigError, abbreviate

_MOST_LEVELS: Final = 1_000
_LARGEST: Final = 1e100  # numbers whose squares and products still are numbers
_NUMBER: Final = "a number from -1e100 to 1e100"


@dataclass(frozen=True)
class Factor:
    """A dotted key of the experiment with the levels it takes, or the range it takes values from.

    Args:
        key: for example `model.head.feature_encoder.n_qubits`.
        levels: two or more YAML values, also class names and lists; effects are told against the first.
        low: lower end of a range, instead of levels. Values between two whole numbers are rounded to whole numbers.
        high: upper end.
        log: whether the logarithm of the value is what moves evenly.

    Raises:
        ConfigError: for anything else.
    """

    key: str
    levels: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        if self.levels and (self.low is not None or self.high is not None or self.log):
            raise ConfigError(f"factor {self.key}: give levels, or low and high (and log), not both")
        if self.levels:
            self._check_levels()
        else:
            self._check_range()

    def _check_levels(self) -> None:
        if len(self.levels) < 2:
            raise ConfigError(f"factor {self.key} has the one level {_short(self.levels[0])}: give two or more")
        if len(self.levels) > _MOST_LEVELS:
            raise ConfigError(f"factor {self.key} has {len(self.levels):,} levels: {_MOST_LEVELS:,} is the limit")
        twice = next((a for place, a in enumerate(self.levels) if a in self.levels[:place]), self)
        if twice is not self:
            raise ConfigError(f"factor {self.key}: the level {_short(twice)} is listed twice. Remove one of them")
        for level in self.levels:
            if isinstance(level, int | float) and not isinstance(level, bool) and not _is_number(level):
                raise ConfigError(f"factor {self.key}: the level {_short(level)} is not possible, it must be {_NUMBER}")

    def _check_range(self) -> None:
        if not (_is_number(self.low) and _is_number(self.high)) or self.low >= self.high:  # type: ignore[operator]
            raise ConfigError(
                f"factor {self.key}: give two or more levels, or numbers low < high, each {_NUMBER}; given "
                f"low={_short(self.low)}, high={_short(self.high)}"
            )
        if not isinstance(self.log, bool):
            raise ConfigError(f"factor {self.key}: log is true or false, given {_short(self.log)}")
        if self.log and self.low <= 0:  # type: ignore[operator]
            raise ConfigError(f"factor {self.key}: a logarithmic range starts above 0, given low={self.low}")

    @property
    def is_range(self) -> bool:
        """Whether it takes values from a range, so that its effect is that of going from low to high."""
        return not self.levels

    @property
    def values(self) -> tuple[Any, ...]:
        """The levels, or the two ends of the range."""
        return self.levels or (self.low, self.high)

    def can_be(self, value: Any) -> bool:
        """Return whether it can take a value."""
        if self.is_range:
            return _is_number(value) and bool(self.low <= value <= self.high)
        return value in self.levels or (value != value and None in self.levels)  # pandas has NaN in place of None

    @property
    def is_numeric(self) -> bool:
        """Whether all its values are numbers."""
        return all(map(_is_number, self.values))

    def at(self, code: float) -> Any:
        """Return the value of a range at a code from -1 (low) over 0 (the middle) to 1 (high)."""
        low, high = self.values
        share = (code + 1.0) / 2.0
        value = low * (high / low) ** share if self.log else low + (high - low) * share
        if isinstance(low, int) and isinstance(high, int):
            return round(value)
        return low if code == -1.0 else high if code == 1.0 else float(value)

    def code(self, value: float) -> float:
        """Return where a value of a range stands from -1 (low) to 1 (high)."""
        low, high = self.values
        if self.log:
            return 2.0 * math.log(value / low) / math.log(high / low) - 1.0
        return float(2.0 * (value - low) / (high - low) - 1.0)

    def middle(self) -> Any:
        """Return the midpoint of its two values.

        Raises:
            ConfigError: when nothing does: for words, for more than two levels, and for whole numbers without one.
        """
        if len(self.values) != 2 or not self.is_numeric:
            raise ConfigError(
                f"factor {self.key}: between {_short(list(self.values))} is no midpoint; remove center_point"
            )
        ends = Factor(self.key, low=min(self.values), high=max(self.values), log=self.log)
        if all(isinstance(value, int) for value in self.values) and not self.log and sum(self.values) % 2:
            raise ConfigError(
                f"factor {self.key}: no whole number lies in the middle of {self.values[0]} and {self.values[1]}; "
                "move one of them by 1, or remove center_point"
            )
        return ends.at(0.0)


def read_factors(given: Mapping[str, Any]) -> tuple[Factor, ...]:
    """Factors of a study file: dotted keys, each with a list of levels or a mapping of low, high and log.

    Raises:
        ConfigError: for what is neither.
    """
    return tuple(_read_factor(str(key), value) for key, value in given.items())


def _read_factor(key: str, value: Any) -> Factor:
    if isinstance(value, list | tuple) and value:
        return Factor(key, tuple(value))
    if isinstance(value, Mapping) and value and set(value) <= {"low", "high", "log"}:
        return Factor(key, **value)
    if isinstance(value, Mapping) and any(isinstance(inner, Mapping | list) for inner in value.values()):
        raise ConfigError(
            f"factor {key}: keys of factors are dotted, such as {key}.{next(iter(value))}; given {_short(value)}"
        )
    raise ConfigError(
        f"factor {key}: give a list of two or more levels, or {{low: ..., high: ..., log: false}}; given "
        f"{_short(value)}"
    )


def _short(value: Any) -> str:
    """Return the beginning of a value, for messages."""
    return "null" if value is None else abbreviate(str(value), 80)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST
