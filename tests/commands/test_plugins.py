"""Components from outside: a file here, a package there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hqlm import notices
from hqlm.circuits import ANSATZE
from hqlm.config.plugins import BrokenPlugin
from hqlm.models.restoring import import_plugin
from tests.commands.conftest import ROOT, TINY

ANSATZ = """
from dataclasses import dataclass
from hqlm.circuits import NoEntanglementAnsatz, RingAnsatz

@dataclass(frozen=True)
class {name}(RingAnsatz):
    \"\"\"A ring from a package.\"\"\"
"""


def install(folder, monkeypatch, package, module, text):
    """A distribution on a path, as an installer would leave it."""
    monkeypatch.syspath_prepend(folder)
    info = Path(folder) / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[hqlm.plugins]\n{module} = {module}\n")
    (Path(folder) / f"{module}.py").write_text(text)


@pytest.fixture
def site(tmp_path, monkeypatch):
    yield lambda *args: install(tmp_path / "site", monkeypatch, *args)
    for name in [name for name in sys.modules if name.startswith("hqlm_test_")]:
        del sys.modules[name]


@pytest.fixture
def here(monkeypatch):
    """The root of the project as the working directory of a user is: importable."""
    monkeypatch.syspath_prepend(ROOT)


def test_a_file_by_flag_then_again_from_the_saved_configuration(fit, run, here):
    flags = ["--name=tree", "--model.head.ansatz=TreeAnsatz", "--plugins=plugins.tree_ansatz"]
    assert fit(*flags).code == 0
    saved = Path("runs/tree/config.yaml").read_text()
    assert next(iter(yaml.safe_load(saved))) == "plugins"
    assert run("fit", "--config=runs/tree/config.yaml").code == 0
    assert Path("runs/tree-2/metrics.csv").read_text() == Path("runs/tree/metrics.csv").read_text()


def test_a_file_by_yaml_wherever_the_key_stands(run, here):
    Path("x.yaml").write_text("model: {head: {ansatz: TreeAnsatz}}\nplugins: [plugins.tree_ansatz]\n")
    assert run("fit", "--config=x.yaml", *TINY).code == 0


@pytest.mark.slow
def test_a_configuration_that_is_given_brings_its_plugin_and_a_checkpoint_needs_the_flag(fit, here, tmp_path):
    plugin = "--plugins=plugins.tree_ansatz"
    flags = ["--model.head.ansatz=TreeAnsatz", "--model.schedule=constant", plugin]
    assert fit("--name=tree", *flags).code == 0
    test, resume = ["test", "--ckpt_path=tree"], ["fit", "--ckpt_path=tree", "--trainer.max_epochs=3"]
    for command, code in (
        (["fit", "--config=runs/tree/config.yaml"], 0), (test, 2), ([*test, plugin], 0), (resume, 2),
        ([*resume, plugin], 0),
    ):  # fmt: skip
        expected, told = code, r"If you trust .*--plugins=(plugins\.tree_ansatz,|\[plugins\.tree_ansatz\])"
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); from hqlm.commands import main; sys.exit(main({command}))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == expected, done.stderr
        assert expected == 0 or re.search(told, done.stderr)
    named = "plugins=['plugins.tree_ansatz']"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import hqlm; hqlm.load('tree', {named}).predict(['x'])"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_an_installed_package_is_known_without_a_word(fit, site):
    site("hqlm-test-ring", "hqlm_test_ring", ANSATZ.format(name="PackagedAnsatz"))
    assert fit("--model.head.ansatz=PackagedAnsatz", "--trainer.fast_dev_run=true").code == 0


def test_a_broken_package_is_named_and_left_out(fit, site):
    site("hqlm-test-broken", "hqlm_test_broken", "import nowhere_at_all")
    with pytest.warns(BrokenPlugin, match="'hqlm_test_broken' of the package 'hqlm-test-broken' is left out"):
        assert fit("--trainer.fast_dev_run=true").code == 0


def test_two_classes_of_one_name_are_refused_naming_both(run, site):
    site("hqlm-test-one", "hqlm_test_one", ANSATZ.format(name="TwiceAnsatz"))
    site("hqlm-test-two", "hqlm_test_two", ANSATZ.format(name="TwiceAnsatz"))
    result = run("components")
    assert result.code == 2
    assert "hqlm_test_one" in result.err
    assert "hqlm_test_two" in result.err


def test_no_test_class_is_left(request):
    import gc

    gc.collect()
    assert "TwiceAnsatz" not in ANSATZE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("class Odd(BaseException): pass\nraise Odd('stop')", "Odd: stop"),
        ("class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd", "Odd"),
    ],
)
def test_a_plugin_that_leaves_on_import_is_named_and_nothing_is_hidden(fit, site, monkeypatch, tmp_path, text, said):
    site("hqlm-test-leaves", "hqlm_test_leaves", text)
    with pytest.warns(BrokenPlugin, match=f"'hqlm-test-leaves' is left out: {said}"):
        assert fit("--name=trained", "--trainer.max_epochs=1").code == 0
    assert Path("runs/trained/summary.json").is_file()
    monkeypatch.syspath_prepend(tmp_path)
    Path("hqlm_test_named.py").write_text(text)
    with pytest.warns(BrokenPlugin):
        result = fit("--name=named", "--plugins=hqlm_test_named")
    assert result.code == 2
    assert f"cannot import the plugin 'hqlm_test_named': {said}" in result.err
    assert not Path("runs/named").exists()


def test_a_module_of_a_class_path_that_leaves_is_named(fit, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    Path("hqlm_test_leaver.py").write_text("import sys; sys.exit(0)")
    result = fit("--name=left", "--model.head.ansatz=hqlm_test_leaver.Ansatz")
    assert result.code == 2
    assert "hqlm_test_leaver" in result.err
    assert not Path("runs/left").exists()


def test_ctrl_c_while_a_plugin_is_imported_stays_an_interruption(fit, site):
    site("hqlm-test-interrupted", "hqlm_test_interrupted", "raise KeyboardInterrupt")
    assert fit().code == 130


def test_a_plugin_that_takes_long_to_import_is_named_meanwhile(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(notices, "_PATIENCE", 0.05)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hqlm_test_slow.py").write_text("import time; time.sleep(0.5)")
    with caplog.at_level("INFO"):
        import_plugin("hqlm_test_slow")
        assert "still importing the plugin 'hqlm_test_slow'" in caplog.text
        caplog.clear()
        import_plugin("hqlm_test_slow")  # it is imported already
    assert not caplog.text
    sys.modules.pop("hqlm_test_slow")
