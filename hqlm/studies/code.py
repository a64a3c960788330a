"""The version of the code that a trial was run with, so that no result of other code is taken for its own."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from hqlm.models.restoring import class_paths

# what the figures of a trained model depend on; commands, studies and reports may change without a trial being repeated
_PARTS: Final = (
    "backends", "callbacks", "circuits", "data", "encoders", "execution", "models", "experiment.py", "io.py",
    "layer.py", "registry.py", "run.py",
)  # fmt: skip
_KNOWN: Final = ("hqlm", "torch", "lightning", "builtins")


def code_version(config: dict[str, Any]) -> str:
    """`<version>+<hash>` of hqlm, the hash that of the sources that training uses and of the plugins in `config`."""
    plugins = config.get("plugins") or []
    modules = {path.rpartition(".")[0] for path in class_paths(config)} | {*plugins}
    digest = hashlib.sha256(_own_sources().encode())
    for module in sorted(name for name in modules if name.partition(".")[0] not in _KNOWN):
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None:
            digest.update(_hash([Path(spec.origin)]).encode())
    return f"{version('hqlm')}+{digest.hexdigest()[:12]}"


@cache
def _own_sources() -> str:
    root = Path(__file__).parents[1]
    return _hash(sorted(file for part in _PARTS for file in [*(root / part).rglob("*.py"), root / part]))


def _hash(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
