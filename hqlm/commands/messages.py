"""What jsonargparse found wrong with a configuration, said in the words of the configuration.

Its own messages nest every type that was tried; the innermost one names what the user can mend.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, get_type_hints

from torch.optim import Optimizer

from hqlm.commands.layers import import_class
from hqlm.commands.slots import SLOTS
from hqlm.heads import HEADS
from hqlm.models import TextModel
from hqlm.registry import Registry, suggestion

_KEY: Final = re.compile(r'Parser key "([^"]+)"')
_OWNER: Final = re.compile(r"given class_path '([\w.]+)'")
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
    """One sentence or two for a message of jsonargparse.

    Args:
        message: as it was passed to `parser.error`.
        options: dotted keys that the parser has.
    """
    keys = list(dict.fromkeys(key for key in _KEY.findall(message) if key != "config"))  # tried types repeat theirs
    for explanation in _EXPLANATIONS:
        found = explanation(message, ".".join(keys), list(options))
        if found:
            return found
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[0] if len(lines) == 1 else f"{'.'.join(keys) or lines[0]}: {lines[-1]}"


def _unknown_flag(message: str, key: str, options: list[str]) -> str:
    found = re.match(r"unrecognized arguments: --([^=\s]+)", message)
    return (found and f"there is no flag --{found[1]}. {_nearest(found[1], options)}") or ""


def _missing(message: str, key: str, options: list[str]) -> str:
    found = re.search(r"arguments are required: (.+)", message) or re.search(r'Key "([\w.]+)" is required', message)
    if not found:
        return ""
    name = found[1].split(",")[0].strip()
    full = f"{key}.{name}" if key else name
    known = f", for example --{full}={list(SLOTS[full])[-1]}" if full in SLOTS else ""
    return f"--{full} is missing: give it in a configuration file or as a flag{known}"


def _unknown_option(message: str, key: str, options: list[str]) -> str:
    found = re.search(
        r"(?:Group '([\w.]+)' does not accept option|Option) '([\w.]+)'|unrecognized arguments: --(\w+)\.", message
    )
    if not found:
        return ""
    group, name = found[1] or "", found[2] or found[3]
    callable_class = re.match(r" is not accepted. Got value: Namespace\(class_path='([\w.]+)'", message[found.end() :])
    owner = callable_class[1] if callable_class else _last(_OWNER, message[: found.start()])
    if name == "class_path":
        return f"{key}: options of a class stand under init_args, beside class_path"
    where = ".".join(part for part in (key, group, name) if part)
    if not owner:
        prefix = f"{group}." if group else ""
        known = sorted({option.removeprefix(prefix).split(".")[0] for option in options if option.startswith(prefix)})
        return f"there is no option {where}. {suggestion(name, known)}"
    component = import_class(owner)
    if component is Optimizer:
        optimizer = where.rpartition(".")[0]
        return f"{where}: there is no optimiser to have it. Name its class, for example --{optimizer}=torch.optim.AdamW"
    if component is TextModel and any(name in _options(head) for head in HEADS.values()):
        return f"there is no option {where} of TextModel: it is {key}.head.{name}"
    if group:
        component = get_type_hints(component.__init__)[group]
    return f"there is no option {where} of {component.__name__}. {suggestion(name, _options(component))}"


def _missing_class(message: str, key: str, options: list[str]) -> str:
    found = re.search(r"(?:is abstract|path string: auto)[\s\S]*Given value: (?:NestedArg\(key=|{)'([^']*)'", message)
    if not found:
        return ""
    known = f", for example --{key}={list(SLOTS[key])[-1]}" if key in SLOTS else ""
    return f"{key}.{found[1]}: there is no class to have it. Name its class{known}"


def _no_mapping(message: str, key: str, options: list[str]) -> str:
    found = re.search(r"Unable to load config '(.*)'", message)
    return (found and f"{key}={found[1]} is not possible: it must be a mapping of keys to values") or ""


def _wrong_class(message: str, key: str, options: list[str]) -> str:
    slot = key.rpartition(".")[2]
    found = re.search(r"class_path '([\w.]+)':\s+((?:No module named|module) .+)", message)
    if found:
        return f"{key}={found[1]}: {found[2]}"
    found = re.search(r"Import path (\S+) does not correspond to a subclass of (\w+)", message)
    if found:
        fitting = [
            name for name, one in SLOTS.get(slot, {}).items() if found[2] in (parent.__name__ for parent in one.__mro__)
        ]
        return f"{key}={found[1]} is no {found[2]}" + (f". Known: {', '.join(fitting)}" if fitting else "")
    found = re.search(r"Expected a dot import path string: (\S+)", message)
    if found and key.endswith(".lr"):  # no class was meant
        return f"{key}={found[1]} is not possible: it must be a number"
    if found and "Literal" not in message:
        known = list(SLOTS.get(slot) or _classes(message[message.rfind("Parser key") :]))
        return f"{key}={found[1]}: there is no such class. {suggestion(found[1], known)}"
    return ""


def _classes(message: str) -> Registry[Any]:
    """The classes that are possible for an option of other libraries."""
    subtypes = re.search(r"Subtypes: (.*)", message)
    base = re.search(r"(lightning\.[\w.]+)", subtypes[1]) if subtypes else None
    return Registry(import_class(base[1]) if base else Optimizer, "class")


def _wrong_value(message: str, key: str, options: list[str]) -> str:
    message = re.sub(r"\. Got value: Namespace\(.*", "", message)  # all options of an optimiser
    inner = message[message.rfind("Parser key") :]
    tried = list(re.finditer(r"(Expected an? [^\n]*)[.:] Got value: (.*)", inner))
    inside = [one for one in tried if not one[2].startswith("[")]  # an element of a list says more than the list
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
    return f"{key}={value} is not possible: it must be {' or '.join(words)}{hint}"


_EXPLANATIONS: Final[tuple[Callable[[str, str, list[str]], str], ...]] = (
    _unknown_flag,
    _missing,
    _unknown_option,
    _missing_class,
    _no_mapping,
    _wrong_class,
    _wrong_value,
)


def _first(text: str) -> str:
    """`text` up to the first value that jsonargparse shows."""
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
    """The nearest of many options; to list all would bury it."""
    near = suggestion(name, options).partition("? Known:")
    return f"{near[0]}?" if near[1] else "See --help"


def _options(component: Any) -> list[str]:
    try:
        parameters = inspect.signature(component).parameters
    except ValueError:  # a class that is written in C
        return []
    return [name for name in parameters if name != "params"]  # of an optimiser


def _last(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.findall(text)
    return str(found[-1]) if found else ""
