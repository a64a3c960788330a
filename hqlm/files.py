"""Files that come from elsewhere are parsed as plain data; files of ours are written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from hqlm.errors import DocumentError

_MAX_DEPTH: Final = 200  # levels; configurations of hqlm have fewer than 20
_MAX_VALUES: Final = 2_000_000  # with every YAML alias counted as often as it is used
_PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # in YAML not allowed, or a line break


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

    def parse() -> Any:
        _check_nesting(text, source)  # the loader itself would overflow the stack of the process
        return load(text)

    return _parse(parse, source, "YAML")


def parse_argument(text: str, source: str, load: Callable[[str], Any]) -> Any:
    """Return the value of a command-line argument: YAML, or the text itself where it is none.

    Raises:
        DocumentError: for a value that `check_plain` refuses.
    """
    check_plain(text, source)
    try:
        return parse_yaml(text, source, load)
    except DocumentError as err:
        if isinstance(err.__cause__, yaml.YAMLError):
            return text
        raise


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


def yaml_line(value: Any) -> str:
    """Return plain data as one line of YAML, which any YAML 1.1 parser reads back as the same value.

    JSON is no YAML here: parsers of YAML refuse its surrogate pairs, and take Infinity for a text.
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{yaml_line(str(key))}: {yaml_line(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(yaml_line, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


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
    except (ValueError, TypeError, yaml.YAMLError) as err:  # ValueError: also an integer of more than 4,300 digits
        raise DocumentError(f"{source} is not valid {language}: {' '.join(str(err).split())[:300]}") from err
    check_plain(value, source)
    return value


def _check_nesting(text: str, source: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_PARSER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise _too_deep(source)


def _count_values(value: Any, source: str, depth: int, parents: set[int], known: dict[int, int]) -> int:
    """Return the number of values in `value`; what is referred to twice is visited once and counted twice."""
    if isinstance(value, str):
        if not is_storable(value):
            raise DocumentError(
                f"{source} contains half of a surrogate pair in the text {ascii(value)[:80]}. Write the character "
                "itself in UTF-8"
            )
        return 1
    if value is None or isinstance(value, bool | int | float):
        return 1
    if not isinstance(value, Mapping | list | tuple):
        raise DocumentError(
            f"{source} contains a {type(value).__name__}. Only texts, numbers, true, false, null, lists and mappings "
            "are possible: remove its tag, or quote it"
        )
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
