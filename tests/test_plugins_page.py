"""docs/plugins.md does what it says: its blocks together are a plugin, every part keeps its contract, commands run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
PARTS = "\n\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
COMMANDS = [shlex.split(line) for line in PAGE.splitlines() if line.startswith("hqlm ")]
CHECKED = ("LineAnsatz", "TwoAxisUpload", "StandardisedFeatureEncoder", "LetterEncoder")


@pytest.fixture
def run(tmp_path):
    """Run hqlm in a new process, in a folder that holds the blocks of the page as a module."""
    (tmp_path / "my_parts.py").write_text(PARTS)

    def call(*words):
        return subprocess.run(
            [sys.executable, "-m", "hqlm", *words], capture_output=True, text=True, check=False, cwd=tmp_path
        )

    return call


@pytest.mark.slow
def test_the_commands_run_in_order(run):
    assert len(COMMANDS) == 5
    for words in COMMANDS:
        done = run(*words[1:])
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKED)
def test_every_part_keeps_its_contract(run, name):
    done = run("components", "--plugins=my_parts", f"--check={name}")
    assert done.returncode == 0, done.stdout + done.stderr
