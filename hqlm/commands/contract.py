"""`hqlm components --check NAME`: the contract of one component as a table of what holds."""

from __future__ import annotations

import importlib.util
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from hqlm.backends import QuantumBackend
from hqlm.circuits import GATES
from hqlm.config.parser import Option, read_options
from hqlm.config.slots import SLOTS
from hqlm.config.sources import Sources
from hqlm.errors import ConfigError, MissingDependency, UnknownComponent
from hqlm.registry import Component, check_installed, suggestion

if TYPE_CHECKING:
    from hqlm.testing.check import Check

CHECKED: Final = ("text_encoder", "feature_encoder", "reuploading", "ansatz", "backend")
_WIDTH: Final = 300  # of the message of a failing case
_REASONS: Final = 3


def check(name: str, options: list[str]) -> int:
    """Hold a component to the contract of its slot and print what holds; 1 when something does not.

    Args:
        name: of the component.
        options: of its constructor, as on every command line.

    Raises:
        UnknownComponent: when no slot with a contract has the name.
        MissingDependency: without pytest and hypothesis, or without the packages of the component.
    """
    missing = [package for package in ("pytest", "hypothesis") if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingDependency(f"--check needs {' and '.join(missing)}: pip install pytest hypothesis")
    slot = _slot(name)
    component = _component(slot, name, options)
    from hqlm.testing.check import run  # pytest and hypothesis are not part of the package

    print(f"{component}\nagainst the contract of every {SLOTS[slot].title}; what it does not declare must be refused")
    if isinstance(component, QuantumBackend):
        print(_declared(component))
    checks = run(component, slot)
    print("\n".join(["", *(line for each in checks for line in _lines(each)), ""]))
    failed = [each for each in checks if not each.holds]
    print(f"{len(checks) - len(failed)} of {len(checks)} promises hold, tried on {sum(c.cases for c in checks)} cases")
    return int(bool(failed))


def _slot(name: str) -> str:
    for slot in CHECKED:
        if name in SLOTS[slot]:
            return slot
    without = [slot for slot in SLOTS if slot not in CHECKED and name in SLOTS[slot]]
    if without:
        raise ConfigError(f"--check: there is no contract for {without[0]} components, only for {', '.join(CHECKED)}")
    known = [each for slot in CHECKED for each in SLOTS[slot]]
    raise UnknownComponent(f"--check: no component is called '{name}'. {suggestion(name, known)}")


def _component(slot: str, name: str, options: list[str]) -> Component:
    """Return the component with the options of the command line, checked as everywhere."""
    kind: type[Component] = SLOTS[slot][name]
    check_installed(kind)
    flags = [(f"{slot}.{key}", value) for key, value in Sources.from_arguments(options).flags]
    component: Component = read_options(
        [Option(slot, SLOTS[slot].slot, None, "")], Sources(flags=((slot, name), *flags))
    )[slot]
    return component


def _declared(backend: QuantumBackend) -> str:
    """Return what a backend claims of itself; it is held to all of it, and must refuse the rest."""
    rows: dict[str, Any] = {
        "exact values": backend.exact,
        "shots": type(backend).bits is not QuantumBackend.bits,
        "initial states": backend.initial_states,
        "equal seeds, equal samples": backend.seeded,
        "gradients": backend.gradients,
        "noise": sorted(backend.channels) + ["readout"] * backend.readout_errors or "none",
        "gates": backend.gates if backend.gates != set(GATES) else "all",
    }
    return "\n".join(["it declares", *(f"  {title}: {_show(value)}" for title, value in rows.items())])


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else ", ".join(sorted(value))


def _lines(check: Check) -> Iterator[str]:
    """Return one line for what holds; what was promised and what went wrong below for what does not."""
    cases = f"{check.cases} case{'s' * (check.cases != 1)}"
    yield f"{'holds' if check.holds else 'FAILS'}  {check.name} ({cases})"
    if check.holds:
        return
    for text in (check.promise, *(check.failures or ["it was never tried"])[:_REASONS]):
        yield f"       {textwrap.shorten(text, _WIDTH, placeholder=' ...')}"
