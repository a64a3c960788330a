"""The README does what it says: its commands run in order, its Python blocks execute."""

import re
import shlex
import subprocess
import sys
import types
from pathlib import Path

import pytest

from hqlm.commands import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python|console)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
SHORT = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.limit_val_batches=2"]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with small files of reviews where the README has data."""
    for folder, header in (("sst2", "text\tlabel"), ("my_data", "sentence\ttopic")):
        (tmp_path / folder).mkdir()
        for split in ("train", "dev", "test"):
            rows = [f"the plot is {('dull', 'clever')[n % 2]} in {split} {n}\t{n % 2}" for n in range(40)]
            (tmp_path / folder / f"{split}.tsv").write_text("\n".join([header, *rows]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hqlm"])
    return tmp_path


def run_python(text):
    module = types.ModuleType("readme")
    sys.modules["readme"] = module  # components are looked up in the module they say they come from
    exec(compile(text, "README.md", "exec"), vars(module))
    del sys.modules["readme"]


def commands(text):
    return [shlex.split(line) for line in text.splitlines() if line.startswith("hqlm ")]


def test_the_set_up_commands_are_those_of_continuous_integration():
    consoles = [text.strip() for kind, text in BLOCKS if kind == "console"]
    assert consoles[0].endswith("hqlm fit --config quickstart")
    assert consoles[1] in (ROOT / ".ci" / "run").read_text()


@pytest.mark.slow
def test_commands_and_python_blocks_run_in_order(desk):
    assert main(["fit", "--config", "quickstart", *SHORT]) == 0
    for kind, text in BLOCKS:
        if kind == "python":
            run_python(text)
        for words in commands(text) if kind == "bash" else ():
            extra = SHORT if words[1] == "fit" else []
            assert main([*words[1:], *extra]) == 0, words


@pytest.mark.slow
def test_the_backend_in_20_lines_has_20_lines_and_keeps_the_contract(tmp_path):
    block = next(text for kind, text in BLOCKS if kind == "python" and "class TinyBackend" in text)
    lines = [line for line in block[block.index("@dataclass") :].splitlines() if line]
    assert len(lines) <= 20
    (tmp_path / "tiny.py").write_text(block)
    command = [sys.executable, "-m", "hqlm", "components", "--plugins=tiny", "--check=TinyBackend"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_of_the_readme_is_known():
    known = set(COMMANDS)
    shown = {words[1] for kind, text in BLOCKS for words in commands(text)}
    assert shown <= known
