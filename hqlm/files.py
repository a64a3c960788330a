"""Files that come from elsewhere are parsed as plain data; files of ours are written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from hqlm.errors import DocumentError

_MAX_DEPTH: Final = 200  # levels; configurations of hqlm have fewer than 20
_MAX_VALUES: Final = 2_000_000  # with every YAML alias counted as often as it is used


def parse_json(text: str, source: str, **options: Any) -> Any:
    """Parse JSON and check the value with `check_plain`.

    Args:
        text: the document.
        source: where it comes from, for messages.
        options: passed on to `json.loads`.

    Raises:
        DocumentError: for text that is no JSON, or a value that `check_plain` refuses.
    """
    return _parse(lambda: json.loads(text, **options), source, "JSON")


def parse_yaml(text: str, source: str, load: Callable[[str], Any] = yaml.safe_load) -> Any:
    """Parse YAML and check the value with `check_plain`.

    Args:
        text: the document.
        source: where it comes from, for messages.
        load: the loader; it must be one that makes plain values only.

    Raises:
        DocumentError: for text that is no YAML, or a value that `check_plain` refuses.
    """
    return _parse(lambda: load(text), source, "YAML")


def check_plain(value: Any, source: str) -> None:
    """Refuse a value that cannot be handled as plain data.

    Raises:
        DocumentError: for a value that is nested too deep, contains itself, is too large once its aliases are
            expanded, or holds a text with half of a surrogate pair, which no file can store.
    """
    _count_values(value, source, 0, set(), {})


def is_storable(text: str) -> bool:
    """Return whether UTF-8 can store a text, that is, whether no half of a surrogate pair stands alone in it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name, then rename it: no reader ever sees a part of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _parse(parse: Callable[[], Any], source: str, language: str) -> Any:
    try:
        value = parse()
    except RecursionError as err:
        raise _too_deep(source) from err
    except DocumentError:
        raise
    except (ValueError, yaml.YAMLError) as err:  # ValueError: also a whole number of more than 4,300 digits
        raise DocumentError(f"{source} is not valid {language}: {' '.join(str(err).split())[:300]}") from err
    check_plain(value, source)
    return value


def _count_values(value: Any, source: str, depth: int, parents: set[int], known: dict[int, int]) -> int:
    """Return the number of values in `value`; what is referred to twice is visited once and counted twice."""
    if isinstance(value, str):
        if not is_storable(value):
            raise DocumentError(
                f"{source} contains half of a surrogate pair in the text {ascii(value)[:80]}. Write the character "
                "itself in UTF-8"
            )
        return 1
    if not isinstance(value, Mapping | list | tuple):
        return 1
    if id(value) in known:
        return known[id(value)]
    if id(value) in parents:
        raise DocumentError(f"{source} contains an alias of a value within that value itself. Remove the alias")
    if depth > _MAX_DEPTH:
        raise _too_deep(source)
    parents.add(id(value))
    items = [*value.keys(), *value.values()] if isinstance(value, Mapping) else value
    count = 1 + sum(_count_values(item, source, depth + 1, parents, known) for item in items)
    parents.discard(id(value))
    if count > _MAX_VALUES:
        raise DocumentError(f"{source} holds more than {_MAX_VALUES:,} values: it is too large for a configuration")
    known[id(value)] = count
    return count


def _too_deep(source: str) -> DocumentError:
    return DocumentError(f"{source} is nested too deep: {_MAX_DEPTH} levels are allowed")
