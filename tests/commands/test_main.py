"""The table of commands."""

import importlib
import subprocess
import sys

import pytest

import hqlm
from hqlm.commands import COMMANDS
from tests.commands.conftest import ROOT


@pytest.mark.parametrize("args", [["--help"], ["-h"], []])
def test_help_lists_every_command(run, args):
    result = run(*args)
    assert result.code == 0
    assert all(f"  {name}  " in result.out or f"  {name} " in result.out for name in COMMANDS)


def test_version(run):
    assert run("--version").out == f"hqlm {hqlm.__version__}\n"


def test_an_unknown_command_names_the_nearest(run):
    result = run("tset")
    assert result.code == 2
    assert "Did you mean 'test'?" in result.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module_with_a_main(name):
    assert callable(importlib.import_module(f"hqlm.commands.{name}").main)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(run, name):
    result = run(name, "--help")
    assert result.code == 0
    assert f"usage: hqlm {name}" in result.out


def test_help_of_the_list_imports_no_torch():
    code = "import sys; from hqlm.commands import main; main(['--help']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "hqlm", "--version"], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"hqlm {hqlm.__version__}\n"
