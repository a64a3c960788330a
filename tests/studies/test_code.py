"""The key of a trial changes with the code that the trial runs and with its data, and with nothing else."""

import importlib
import sys

import pytest

from hqlm.studies import code
from hqlm.studies.code import code_version, data_version

PLUGIN = '"""A plugin."""\nfrom ansatz_parts.turns import turn\n\n\ndef gates(n):\n    return turn(n)\n'
TURNS = "def turn(n):\n    return n + 1\n"


@pytest.fixture(autouse=True)
def forget():
    """Sources do not change in a process, so they are read once; here they do."""
    for each in (code._hash_reachable, code._read, code._origin, code._is_followed):
        each.cache_clear()


def config(*paths, plugins=()):
    return {"plugins": [*plugins], "model": [{"class_path": path, "init_args": {}} for path in paths]}


def modules(*paths):
    """The modules that classes lead to."""
    packages, found = frozenset({"hqlm"}), set()
    waiting = [code._defining_module(*path.rsplit(".", 1), packages) for path in paths]
    while waiting:
        module = waiting.pop()
        if module is not None and module not in found:
            found.add(module)
            waiting += [code._defining_module(source, name, packages) for source, name, _ in code._read(module).imports]
    return found


def test_what_a_class_runs_is_found():
    found = modules("hqlm.backends.StatevectorBackend")
    assert {"hqlm.backends.statevector", "hqlm.backends.base", "hqlm.circuits.gates"} <= found
    assert "hqlm.backends.kernels.passes" in found  # which is imported by a name that is put together
    assert not {module for module in found if "pennylane" in module or "qiskit" in module or "cirq" in module}
    assert not {module for module in found if module.startswith(("hqlm.commands", "hqlm.studies", "hqlm.models"))}


def test_algorithms_count():
    assert "hqlm.algorithms.hamiltonian" in modules("hqlm.algorithms.VQE")
    assert "hqlm.kernels.support_vectors" in modules("hqlm.heads.KernelHead")


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a plugin of a module and a package, and return what its code is: `plugin(PLUGIN, TURNS)`."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "ansatz_parts").mkdir()
    (tmp_path / "ansatz_parts/__init__.py").write_text("")
    (tmp_path / "ansatz_parts/unused.py").write_text("x = 1\n")

    def write(plugin, turns):
        (tmp_path / "my_ansatz.py").write_text(plugin)
        (tmp_path / "ansatz_parts/turns.py").write_text(turns)
        importlib.invalidate_caches()
        for each in (code._hash_reachable, code._read, code._origin, code._is_followed):
            each.cache_clear()
        return code_version(config("my_ansatz.Mine", plugins=["my_ansatz"]))

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] in ("my_ansatz", "ansatz_parts")]:
        del sys.modules[name]


def test_comments_docstrings_and_layout_change_nothing(plugin):
    before = plugin(PLUGIN, TURNS)
    assert plugin(PLUGIN.replace("A plugin", "Another word"), '"""New."""\n\n\n' + TURNS + "# the end\n") == before


def test_what_a_plugin_imports_counts_and_what_it_does_not_import_does_not(plugin, tmp_path):
    before = plugin(PLUGIN, TURNS)
    assert plugin(PLUGIN, TURNS.replace("+ 1", "+ 2")) != before
    assert plugin(PLUGIN.replace("turn(n)", "turn(n + 1)"), TURNS) != before
    (tmp_path / "ansatz_parts/unused.py").write_text("x = 2\n")
    assert plugin(PLUGIN, TURNS) == before


def test_classes_of_other_packages_are_known_by_their_versions():
    assert code_version(config("torch.optim.Adam")) == code_version(config())


def test_the_content_of_data_counts_and_not_its_name(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("a")
    other.write_text("a")
    before = data_version([one])
    assert data_version([other]) == before
    other.write_text("bc")
    assert data_version([other]) != before
    assert data_version([]) == data_version([tmp_path / "missing"]) == ""
