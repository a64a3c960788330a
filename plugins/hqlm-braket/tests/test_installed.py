"""The package as it is installed: known by name to the command line, beside others that are broken or named alike."""

import subprocess
import sys

import pytest

CODE = (
    "import sys; from hqlm.commands import main; code = main(['components', '--slot', 'backend']); "
    "assert 'braket' not in sys.modules; sys.exit(code)"
)
TWIN = """
from dataclasses import dataclass
from hqlm.backends import StatevectorBackend

@dataclass(frozen=True)
class BraketBackend(StatevectorBackend):
    '''Another backend of this name.'''
"""


@pytest.fixture
def components(tmp_path, monkeypatch):
    """`hqlm components` in a new process, beside another distribution that announces a plugin."""

    def run(package="", text=""):
        if package:
            info = tmp_path / f"{package}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[hqlm.plugins]\n{package} = {package}\n")
            (tmp_path / f"{package}.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)

    return run


def test_the_command_line_knows_it_without_importing_the_sdk(components):
    done = components()
    assert done.returncode == 0, done.stderr
    assert "BraketBackend" in done.stdout


def test_a_broken_plugin_is_named_and_this_one_stays(components):
    done = components("hqlm_test_broken", "import nowhere_at_all")
    assert done.returncode == 0, done.stderr
    assert "the plugin 'hqlm_test_broken' of the package 'hqlm_test_broken' is left out" in done.stderr
    assert "BraketBackend" in done.stdout


def test_another_backend_of_its_name_is_refused_naming_both(components):
    done = components("hqlm_test_twin", TWIN)
    assert done.returncode == 2
    assert "two quantum backend components are called 'BraketBackend': in hqlm_braket.backend and hqlm_test_twin" in (
        done.stderr
    )
