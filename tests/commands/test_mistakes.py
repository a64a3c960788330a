"""Mistakes in flags and files: one short sentence, what is possible, exit code 2, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import TINY

MODEL = "--model=HybridClassifier"
FLAGS = {
    "--model.bakend=StatevectorBackend": "model.bakend of HybridClassifier. Did you mean 'backend'?",
    "--model.backend=Statvector": "Did you mean 'StatevectorBackend'?",
    "--model.backend=hqlm.circuits.RingAnsatz": "is no QuantumBackend. Known: ",
    "--model.backend=nowhere.Backend": "No module named 'nowhere'",
    "--model.backend=hqlm.backends.Nope": "has no attribute 'Nope'",
    "--model.backend.density_qubits=4": "Did you mean 'density_matrix_qubits'?",
    "--model.feature_encoder.merge=cat": "it must be concat or mean or alternate. Did you mean 'concat'?",
    "--model.feature_encoder.n_qubits=few": "n_qubits=few is not possible: it must be a whole number",
    "--model.feature_encoder.n_qubits=0": "feature_encoder.n_qubits must be 1 or more",
    "--model.feature_encoder.ansatz=RingAnsats": "Did you mean 'RingAnsatz'?",
    "--model.execution.shots=many": "model.execution.shots=many is not possible: it must be a whole number or null",
    "--model.execution.spsa_step=null": "model.execution.spsa_step=null is not possible: it must have a value",
    "--model.feature_encoder.n_qubits=null": "n_qubits=null is not possible: it must have a value",
    "--model.execution.noise=ionq_fort": "Did you mean 'ionq_forte'?",
    "--model.execution.noise.two_qubits=0.1": "Did you mean 'two_qubit'?",
    "--model.execution.noise.two_qubit=2": "lies between 0 and 1",
    "--model.ablate=[long_rang]": "Did you mean 'long_range'?",
    "--model.ablate=[offset]": "'offset' changes nothing here",
    "--model.optimizer=Adamm": "Did you mean 'Adam'?",
    "--model.optimiser.lr=0.1": "no option model.optimiser of HybridClassifier. Did you mean 'optimizer'?",
    "--model.feature_encoder.ansats.n_layers=3": "ansats of QuantumFeatureEncoder. Did you mean 'ansatz'?",
    "--data.folder.name=x": "no option data.folder of ReviewsData",
    "--model.feature_encoder.merge=null": "it must have a value, such as concat, mean, alternate",
    "--model.schedule=null": "it must have a value, such as constant, one_cycle, cosine, linear_warmup",
    "--model.optimizer.lrr=1": "Did you mean 'lr'?",
    "--model.optimizer.lr=nan": "model.optimizer.lr=nan is not possible: it must be a number",
    "--model.optimizer.lr=fast": "model.optimizer.lr=fast is not possible: it must be a number",
    "--model.schedule=onecycle": "Did you mean 'one_cycle'?",
    "--trainer.max_epoch=3": "Did you mean 'trainer.max_epochs'?",
    "--trainer.max_epochs=few": "it must be a whole number or null",
    "--modl=3": "Did you mean 'model'?",
    "--trainer.max_epochs=[3": "max_epochs=[3 is not possible",
    "--data.seed=x": "data.seed=x is not possible: it must be a whole number",
    "--data.folder=x": "no option data.folder of ReviewsData",
    "--data=FileData": "--data.folder is missing",
    "--data=FilData": "Did you mean 'FileData'?",
    "--config=nope.yaml": "no configuration file nope.yaml",
    "--plugins=nowhere": "cannot import the plugin 'nowhere'",
    "fit": "'fit' stands where a flag is expected",
}
FILES = {
    "modl: 3": "no option modl. Did you mean 'model'?",
    "trainer: {max_epoch: 3}": "Did you mean 'max_epochs'?",
    "model: HybridClasifier": "Did you mean 'HybridClassifier'?",
    "model: {class_path: HybridClassifier, init_args: {bakend: 3}}": "Did you mean 'backend'?",
    "model: {class_path: HybridClassifier, init_args: {execution: {noise: {readout: null}}}}": "readout=null is not",
    "model: {class_path: HybridClassifier, init_args: {readout: some}}": "a whole number or all or auto",
    "model: {class_path: HybridClassifier, init_args: {execution: {shot: 3}}}": "Did you mean 'shots'?",
    "model: {class_path: HybridClassifier, init_args: {feature_encoder: {class_path: QuantumFeatureEncoder, "
    "init_args: {n_qubit: 3}}}}": "model.feature_encoder.n_qubit of QuantumFeatureEncoder. Did you mean 'n_qubits'?",
    "model: {class_path: HybridClassifier, init_args: {feature_encoder: {class_path: QuantumFeatureEncoder, "
    "n_qubits: 3}}}": "under init_args",
    "a: [1": "cannot read the configuration file bad.yaml",
    "{a: 1}: 3": "cannot read the configuration file bad.yaml",
    "a: !!int x": "cannot read the configuration file bad.yaml",
    "- 1": "must be a YAML mapping",
    "plugins: 3": "a list of module names is needed",
    "plugins: [nowhere]": "cannot import the plugin 'nowhere'",
}


def assert_refused(result, said):
    assert result.code == 2
    assert said in result.err
    assert result.err.startswith("hqlm fit: ")
    assert "Traceback" not in result.err
    assert "class '" not in result.err
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


@pytest.mark.parametrize("flag", FLAGS)
def test_flags(run, flag):
    data = [] if flag.startswith("--data=") else ["--data=ReviewsData"]
    assert_refused(run("fit", MODEL, *data, flag), FLAGS[flag])


@pytest.mark.parametrize("text", FILES)
def test_files(run, text):
    Path("bad.yaml").write_text(text)
    model = [] if "model" in text else [MODEL]
    assert_refused(run("fit", *model, "--config=bad.yaml", "--data=ReviewsData"), FILES[text])


def test_no_model(run):
    assert_refused(run("fit", "--data=ReviewsData"), "--model is missing")


def test_no_data(run):
    assert_refused(run("fit", MODEL), "needs a data set of texts, for example --data=ReviewsData")


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", "b: {x: [{a: 1}, {a: 1, a: 2}]}"])
def test_a_key_that_stands_twice_is_refused(run, text):
    Path("bad.yaml").write_text(text)
    result = run("fit", MODEL, "--config=bad.yaml", "--data=ReviewsData")
    assert_refused(result, "the key 'a' stands there twice")
    assert f"line {1 + text.count(chr(10))}" in result.err


def test_a_file_where_runs_belong_is_refused(run):
    Path("runs").write_text("")
    result = run("fit", *TINY)
    assert result.code == 2
    assert "A file is in the way of a folder" in result.err


def test_a_plugin_that_fails_gets_advice_only_where_it_is_not_found(run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    Path("hqlm_test_syntax.py").write_text("def")
    Path("hqlm_test_missing.py").write_text("import nowhere_at_all")
    for module, said in (
        ("hqlm_test_syntax", "SyntaxError"),
        ("hqlm_test_missing", "No module named 'nowhere_at_all'"),
    ):
        result = run("fit", MODEL, "--data=ReviewsData", f"--plugins={module}")
        assert_refused(result, said)
        assert "must lie in the working directory" not in result.err
    assert "must lie in the working directory" in run("fit", MODEL, "--plugins=nowhere.at_all").err


def test_the_nearest_run_is_named(run, trained):
    assert "Did you mean 'tiny'?" in run("test", "--ckpt_path=tinny").err


def test_a_reader_that_leaves_early_gets_no_traceback(tmp_path):
    command = f"{sys.executable} -c 'from hqlm.commands import console; console()' components | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "model\n"
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
