"""`hqlm components`: all that can be chosen by name, and whether it keeps its contract."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
from typing import Any, Final

from hqlm.commands import contract
from hqlm.config.plugins import check_names, load_installed, load_named
from hqlm.config.slots import SLOTS
from hqlm.config.sources import load_yaml
from hqlm.files import parse_yaml

_DESCRIPTION: Final = """List all that can be chosen by name, with the packages it needs, or check one of them.

  hqlm components
  hqlm components --slot backend
  hqlm components --check RingAnsatz --connectivity 3
  hqlm components --check MyBackend --plugins plugins.my_backend
"""


def main(args: list[str]) -> int:
    """List the names of every slot with one line each, or hold one component to its contract."""
    parser = argparse.ArgumentParser(
        prog="hqlm components", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slot", choices=list(SLOTS), help="only this slot")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--plugins", action="append", default=[], help="module to import first, or [one, another]")
    parser.add_argument("--check", metavar="NAME", help="run the contract of this component; its options may follow")
    options, rest = parser.parse_known_args(args)
    if rest and not options.check:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    load_installed()
    if options.check and (options.json or options.slot):
        parser.error("--check goes with options of the component and --plugins, not with --json or --slot")
    for plugins in options.plugins:
        load_named({"plugins": parse_yaml(plugins, "--plugins", load_yaml)})
    check_names()
    if options.check:
        return contract.check(options.check, rest)
    found = {slot: _components(slot) for slot in SLOTS if options.slot in (None, slot)}
    print(json.dumps(found, indent=2) if options.json else _table(found))
    return 0


def _components(slot: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "purpose": (inspect.getdoc(component) or "").partition("\n")[0],
            "class_path": f"{component.__module__}.{name}",
            "installed": {package: importlib.util.find_spec(package) is not None for package in component.requires},
        }
        for name, component in SLOTS[slot].items()
    ]


def _table(found: dict[str, list[dict[str, Any]]]) -> str:
    width = max(len(row["name"]) for rows in found.values() for row in rows)
    lines = []
    for slot, rows in found.items():
        lines += ["", slot]
        for row in rows:
            needs = [f"{package}: {'' if there else 'not '}installed" for package, there in row["installed"].items()]
            note = f" [{', '.join(needs)}]" if needs else ""
            lines.append(f"  {row['name']:<{width}}  {row['purpose']}{note}")
    return "\n".join(lines[1:])
