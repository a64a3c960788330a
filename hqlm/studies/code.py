"""The code and the data that a trial depends on, so that no result of others is taken for its own.

A trial depends on the modules of the classes that its configuration names, on those that keep and choose its
checkpoints, and on all modules that these import. What a module means is its syntax tree without docstrings: comments
and layout change no key. Modules of other packages are known by their versions, which `trial.json` records.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from hqlm.models.restoring import class_paths

_TRAINING: Final = (
    "hqlm.callbacks.checkpoints",
)  # which checkpoint is tested, and what a resumed training goes on from
_INSTALLED: Final = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def code_version(config: dict[str, Any]) -> str:
    """Return `<version>+<hash>`: the version of hqlm, and the hash of all sources that a trial runs.

    Args:
        config: the resolved configuration of the trial.
    """
    classes = (path.rpartition(".") for path in class_paths(config))
    named = [(module, name) for module, _, name in classes if module]
    plugins = config.get("plugins") or []
    roots = [*named, *((module, "") for module in [*([plugins] if isinstance(plugins, str) else plugins), *_TRAINING])]
    return f"{version('hqlm')}+{_hash_reachable(frozenset(roots))}"


def data_version(files: Iterable[Path]) -> str:
    """Return a hash of the content of files in their order; empty for none. What is missing is skipped."""
    digests = [_hash_file(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.is_file()]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:12] if digests else ""


@lru_cache(maxsize=256)
def _hash_file(file: Path, changed: int, size: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@cache
def _hash_reachable(roots: frozenset[tuple[str, str]]) -> str:
    """Return the hash of the modules that these (module, name) lead to."""
    packages = frozenset(module.partition(".")[0] for module, _ in roots)
    found: set[str] = set()
    waiting = [_defining_module(module, name, packages) for module, name in sorted(roots)]
    while waiting:
        module = waiting.pop()
        if module is None or module in found:
            continue
        found.add(module)
        waiting += [_defining_module(source, name, packages) for source, name, _ in _read(module).imports]
    return hashlib.sha256("".join(f"{name}:{_read(name).digest}\n" for name in sorted(found)).encode()).hexdigest()[:12]


def _defining_module(module: str, name: str, packages: frozenset[str]) -> str | None:
    """Return the module that defines a name, which a package may only hand on; None for one that is not followed."""
    if not _is_followed(module.partition(".")[0], packages):
        return None
    if name and _origin(f"{module}.{name}") is not None:
        return f"{module}.{name}"
    origin = _origin(module)
    if origin is None:
        return None
    if name and origin.name == "__init__.py":  # what else a package imports is of no account for this name
        for source, item, bound in _read(module).imports:
            if bound == name:
                return _defining_module(source, item, packages)
    return module


@cache
def _is_followed(package: str, named: frozenset[str]) -> bool:
    """Return whether modules of a package count: those of hqlm and of named plugins, and all that are not installed."""
    if package == "hqlm":
        return True
    if package in sys.builtin_module_names or package in ("torch", "lightning"):
        return False
    origin = _origin(package)
    return origin is not None and (package in named or not str(origin).startswith(_INSTALLED))


@cache
def _origin(module: str) -> Path | None:
    """Return the source file of a module, without importing more than the packages that it lies in."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):  # a name in a module that is no package
        return None
    return Path(spec.origin) if spec is not None and spec.origin and spec.origin.endswith(".py") else None


@dataclass(frozen=True)
class _Source:
    """Hash of the syntax tree of a module, and its imports, as (module, name in it, name here)."""

    digest: str
    imports: tuple[tuple[str, str, str], ...]


@cache
def _read(module: str) -> _Source:
    """Parse a module; imports within functions count, and `import_module(f"hqlm.backends.kernels.{name}")`."""
    origin = _origin(module)
    assert origin is not None
    tree = ast.parse(origin.read_text(encoding="utf-8"))
    package = module if origin.name == "__init__.py" else module.rpartition(".")[0]
    imports: list[tuple[str, str, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(each.name, "", each.asname or each.name) for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(filter(None, [base, node.module]))
            imports += [(source, each.name, each.asname or each.name) for each in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            imports += [(name, "", "") for name in _named(node.args[0])]
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                del node.body[0]  # a docstring
    return _Source(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(imports))


def _named(argument: ast.expr) -> list[str]:
    """Return the modules of ours that a text names; all of a package where only the start of the text is known."""
    start, _, rest = ast.unparse(argument).strip("f'\"").partition("{")
    origin = _origin(start.rstrip("."))
    if origin is None or start.count(".") < 2:  # hqlm.<anything> says nothing
        return []
    return [f"{start}{path.stem}" for path in sorted(origin.parent.glob("[!_]*.py"))] if rest else [start]
