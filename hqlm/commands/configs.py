"""`hqlm configs`: the configurations that come with hqlm."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from hqlm.config.sources import shipped_configs
from hqlm.errors import ConfigError, StorageError
from hqlm.files import write_text
from hqlm.registry import suggestion

_DESCRIPTION: Final = """List the configurations that come with hqlm, or write one out to change it.

  hqlm configs
  hqlm configs copy quickstart                  writes quickstart.yaml
  hqlm configs copy studies/ablation my.yaml

`--config NAME` takes each of them by its name, from any folder; a file of that name wins.
"""


def main(args: list[str]) -> int:
    """List them, or write one out."""
    parser = argparse.ArgumentParser(
        prog="hqlm configs", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", nargs="?", choices=["copy"], help="write one out")
    parser.add_argument("name", nargs="?", help="of the configuration")
    parser.add_argument("file", nargs="?", type=Path, help="to write; by default NAME.yaml here")
    options = parser.parse_args(args)
    configs = shipped_configs()
    if options.action is None:
        width = max(map(len, configs))
        print("\n".join(f"{name:<{width}}  {_purpose(path)}" for name, path in configs.items()))
        return 0
    if options.name is None:
        raise ConfigError("hqlm configs copy: which one? `hqlm configs` lists them")
    if options.name not in configs:
        raise ConfigError(f"no configuration called '{options.name}' comes with hqlm. "
                          f"{suggestion(options.name, list(configs))}")  # fmt: skip
    file = options.file or Path(f"{Path(options.name).name}.yaml")
    if file.exists():
        raise StorageError(f"{file} exists and is not overwritten. Give another name: hqlm configs copy NAME FILE")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, configs[options.name].read_text(encoding="utf-8"))
    print(f"{file} is a copy of {options.name}. Use it: --config {file}")
    return 0


def _purpose(path: Path) -> str:
    """Return the first sentence of the comment that a configuration starts with."""
    lines = path.read_text(encoding="utf-8").splitlines()
    words: list[str] = []
    for line in lines:
        if not line.startswith("# "):
            break
        words.append(line.removeprefix("# ").strip())
    text = " ".join(words)
    end = min((place for mark in (". ", ": ") if (place := text.find(mark)) > 0), default=len(text))
    return text[:end].removesuffix(".")
