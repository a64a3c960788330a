"""Who may import whom: downwards only, read from the imports of every file."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

import hqlm

ROOT = Path(hqlm.__file__).parent
# from the top down; a package imports what stands below it, its own row included
ROWS = [
    {"__main__"},
    {"commands"},
    {"", "testing"},  # "" is the package itself, that is its public names
    {
        "studies",
        "algorithms",
        "estimator",
        "experiment",
        "run",
        "config",
        "io",
        "callbacks",
        "cost",
        "processes",
        "quiet",
    },
    {"models"},
    {"heads", "tasks"},
    {"data"},
    {"encoders"},
    {"kernels"},
    {"layer"},
    {"backends"},
    {"circuits"},
    {"execution"},
    {"estimator_parts"},
    {"registry", "errors", "cache", "contracts", "ablation", "files", "memory", "notices", "plain", "resources"},
]
RANK = {name: len(ROWS) - row for row, names in enumerate(ROWS) for name in names}
FILES = sorted(ROOT.rglob("*.py"))


def module_name(path):
    parts = ("hqlm", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def top(module):
    """The part of `hqlm.part.anything`; empty for the package itself."""
    return [*module.split("."), ""][1]


def _for_types_only(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@cache
def imports(module):
    """(imported module of ours, whether at module level) of every import statement."""
    return [(name, level) for name, level in all_imports(module) if name.split(".")[0] == "hqlm"]


@cache
def all_imports(module):
    """(imported module, whether at module level) of every import statement."""
    tree = ast.parse(MODULES[module].read_text())
    lazy = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _for_types_only(function)
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import; write it out"
            names = [_submodule(node.module, alias.name) for alias in node.names]
        else:
            continue
        found += [(name, node not in lazy) for name in names]
    return found


def _submodule(module, name):
    """`from hqlm.backends import base` imports a module, `from hqlm.backends import QuantumBackend` a name."""
    return f"{module}.{name}" if f"{module}.{name}" in MODULES else module


def test_every_part_of_the_package_has_a_place():
    assert {top(module) for module in MODULES} <= set(RANK)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_downwards_only(module):
    mine = top(module)
    for imported, at_module_level in imports(module):
        theirs = top(imported)
        if theirs == "testing" and mine != "testing":
            assert mine == "commands", f"{module} imports {imported}: suites are for tests"
            assert not at_module_level, f"{module} imports {imported} at module level: pytest is optional"
        else:
            assert RANK[theirs] <= RANK[mine], f"{module} imports {imported}, which stands above it"


@pytest.mark.parametrize("part", ["registry", "contracts", "errors", "cache", "memory", "plain", "resources"])
def test_the_lowest_row_imports_nothing_but_itself(part):
    assert {top(imported) for imported, _ in imports(f"hqlm.{part}")} <= {"errors", "contracts", "plain", "resources"}


def test_the_estimator_is_imported_by_those_alone_who_ask_for_it():
    for module in MODULES:
        assert "hqlm.estimator" not in {name for name, at_module_level in imports(module) if at_module_level}


def test_circuits_and_all_below_them_are_plain_python():
    for module in MODULES:
        if top(module) in {"circuits", "execution", "registry", "errors", "cache"}:
            roots = {name.split(".")[0] for name, _ in all_imports(module)}
            assert roots <= {"hqlm", *sys.stdlib_module_names}, f"{module} imports {roots}"


def test_a_package_imports_its_own_modules_and_not_its_own_front_door():
    # `from hqlm.circuits import X` inside hqlm.circuits would work or fail with the order of imports
    for module in MODULES:
        package = f"hqlm.{top(module)}"
        if module != package and package in MODULES and MODULES[package].name == "__init__.py":
            own = [imported for imported, at_module_level in imports(module) if imported == package and at_module_level]
            assert not own, f"{module} imports {package} itself"


def below(module):
    """Modules of the backends package that `module` imports at module level, and theirs."""
    direct = [name for name, level in imports(module) if level and top(name) == "backends" and name != "hqlm.backends"]
    return set(direct).union(*(below(name) for name in direct)) if direct else set()


ADAPTERS = sorted(
    module for module in MODULES if top(module) == "backends" and "hqlm.backends.base" in dict(imports(module))
    if module != "hqlm.backends"
)  # fmt: skip


def test_the_base_of_backends_imports_gradients_and_measurement_and_no_adapter():
    assert {"hqlm.backends.gradients", "hqlm.backends.measurement"} <= below("hqlm.backends.base")
    assert not below("hqlm.backends.base") & {*ADAPTERS, "hqlm.backends.base"}
    lazy = {name for name, at_module_level in imports("hqlm.backends.base") if not at_module_level}
    assert lazy <= {"hqlm.backends.statevector"}  # the gradient rule `surrogate` asks the native engine


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_imports_no_other_adapter(adapter):
    assert not {name for name, _ in imports(adapter)} & set(ADAPTERS)


def test_no_module_imports_itself_in_a_circle():
    for module in MODULES:
        seen, waiting = set(), [name for name, level in imports(module) if level and name != "hqlm"]
        while waiting:
            name = waiting.pop()
            if name in seen or MODULES.get(name, Path("__init__.py")).name == "__init__.py":
                continue
            seen.add(name)
            waiting += [other for other, level in imports(name) if level]
        assert module not in seen, f"{module} imports itself"
