"""Translates error messages of jsonargparse to the words of the configuration.

Its own messages nest every type that was tried; the innermost one names what the user can fix.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from hqlm.registry import suggestion

_KEY: Final = re.compile(r'Parser key "([^"]+)"')
_TRIED: Final = ("- Expected", "- Does not validate", "- Not a valid")  # lines without information about the value
_NAMES: Final = {
    "NoneType": "null",
    "str": "text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "list": "a list",
    "tuple": "a list",
    "Sequence": "a list",
    "Iterable": "a list",
    "dict": "a mapping of keys to values",
}


def explain(message: str, options: Iterable[str]) -> str:
    """Return one or two sentences for a message of jsonargparse.

    Args:
        message: message passed to `parser.error`.
        options: dotted keys of the parser.
    """
    keys = list(dict.fromkeys(key for key in _KEY.findall(message) if key != "config"))  # tried types repeat their keys
    for explanation in (_unknown_flag, _missing, _no_number, _wrong_value):
        found = explanation(message, ".".join(keys), list(options))
        if found:
            return found
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[0] if len(lines) == 1 else f"{'.'.join(keys) or lines[0]}: {lines[-1]}"


def innermost(message: str) -> str:
    """Return the error of the class among the types that jsonargparse tried for a value; empty if there is none."""
    lines = [line.strip() for line in message.splitlines()]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("- ") and not line.startswith(_TRIED):
            return following if line.startswith("- Problem with given class_path") else line[2:]
    return ""


def _unknown_flag(message: str, key: str, options: list[str]) -> str:
    found = re.match(r"unrecognized arguments: --([^=\s]+)", message)
    return (found and f"there is no flag --{found[1]}. {_nearest(found[1], options)}") or ""


def _missing(message: str, key: str, options: list[str]) -> str:
    found = re.search(r"arguments are required: (.+)", message) or re.search(r'[Kk]ey "([\w.]+)" is required', message)
    if not found:
        return ""
    name = found[1].split(",")[0].strip()
    return f"--{f'{key}.{name}' if key else name} is missing. Set it in a configuration file or as a flag"


def _no_number(message: str, key: str, options: list[str]) -> str:
    found = re.search(r"Expected a dot import path string: (\S+)", message)
    is_rate = found and key.endswith(".lr")  # no class was meant
    return f"{key}={found[1]} is invalid: it must be a number" if found and is_rate else ""


def _wrong_value(message: str, key: str, options: list[str]) -> str:
    message = re.sub(r"\. Got value: Namespace\(.*", "", message)  # all options of an optimiser
    inner = message[message.rfind("Parser key") :]
    tried = list(re.finditer(r"(Expected an? [^\n]*)[.:] Got value: (.*)", inner))
    inside = [one for one in tried if not one[2].startswith("[")]  # an element of a list is more specific than the list
    found = next(iter(inside or tried), None)
    shown = _first(inner)
    expected = [found[1]] if found else re.findall(r"Expected an? .+", shown)
    value = found[2] if found else _last(re.compile(r"Given value: (.*)"), shown)
    words = [word for phrase in expected for word in _readable(phrase)]
    if not words or not key:
        return ""
    choices = [word for word in words if word not in _NAMES.values()]
    near = suggestion(value, choices).partition(" Known:") if choices else ("", "", "")
    hint = f". {near[0]}" if near[1] else ""
    return f"{key}={value} is invalid: it must be {' or '.join(words)}{hint}"


def _first(text: str) -> str:
    """Return `text` up to the first value that jsonargparse shows."""
    found = re.search(r"Given value: .*", text)
    return text[: found.end()] if found else text


def _readable(phrase: str) -> list[str]:
    literal = re.search(r"Literal\[(.*)\]", phrase)
    if literal:
        return [word.strip().strip("'") for word in literal[1].split(",")]
    names = re.findall(r"<class '([\w.]+)'>", phrase)
    if names:
        return [_NAMES.get(name, name.rpartition(".")[2]) for name in names]
    return [] if "path" in phrase else [re.sub(r"^Expected an? ", "", phrase).strip()]


def _nearest(name: str, options: list[str]) -> str:
    """Suggest the nearest of many options; a list of all would be too long."""
    near = suggestion(name, options).partition("? Known:")
    return f"{near[0]}?" if near[1] else "See --help"


def _last(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.findall(text)
    return str(found[-1]) if found else ""
