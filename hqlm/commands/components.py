"""`hqlm components`: all that can be chosen by name."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
from typing import Any

from hqlm.commands.plugins import check_names, load_installed, load_named
from hqlm.commands.slots import SLOTS


def main(args: list[str]) -> int:
    """List the names of every slot, with one line each and whether the packages it needs are installed."""
    parser = argparse.ArgumentParser(prog="hqlm components", description="List all that can be chosen by name.")
    parser.add_argument("--slot", choices=list(SLOTS), help="only this slot")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--plugins", action="append", default=[], help="module to import first")
    options = parser.parse_args(args)
    load_installed()
    load_named({"plugins": options.plugins})
    check_names()
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
