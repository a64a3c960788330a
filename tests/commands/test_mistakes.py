"""Mistakes in flags and files: one short sentence, what is possible, exit code 2, no traceback."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import TINY

MODEL = "--model=TextModel"
FLAGS = {
    "--model.head.bakend=StatevectorBackend": "model.head.bakend of QuantumHead. Did you mean 'backend'?",
    "--model.head.backend=Statvector": "Did you mean 'StatevectorBackend'?",
    "--model.head.backend=hqlm.circuits.RingAnsatz": "is not a subclass of QuantumBackend. Known: ",
    "--model.head.backend=nowhere.Backend": "No module named 'nowhere'",
    "--model.head.backend=hqlm.backends.Nope": "has no attribute 'Nope'",
    "--model.head.backend.density_qubits=4": "Did you mean 'density_matrix_qubits'?",
    "--model.head.feature_encoder.merge=cat": "it must be concat or mean or alternate. Did you mean 'concat'?",
    "--model.head.feature_encoder.n_qubits=few": "n_qubits=few is invalid: it must be a whole number",
    "--model.head.feature_encoder.n_qubits=0": "feature_encoder.n_qubits must be 1 or more",
    "--model.head.feature_encoder.ansatz=RingAnsats": "Did you mean 'RingAnsatz'?",
    "--model.head.execution.shots=many": "execution.shots=many is invalid: it must be a whole number or null",
    "--model.head.execution.spsa_step=null": "execution.spsa_step=null is invalid: it must have a value",
    "--model.head.feature_encoder.n_qubits=null": "n_qubits=null is invalid: it must have a value",
    "--model.head.execution.noise=ionq_fort": "Did you mean 'ionq_forte'?",
    "--model.head.execution.noise.two_qubits=0.1": "Did you mean 'two_qubit'?",
    "--model.head.execution.noise.two_qubit=2": "must lie between 0 and 1",
    "--model.head.ablate=[long_rang]": "Did you mean 'long_range'?",
    "--model.head.ablate=[offset]": "'offset' changes nothing here",
    "--model.optimizer=Adamm": "Did you mean 'Adam'?",
    "--model.optimiser.lr=0.1": "no option model.optimiser of TextModel. Did you mean 'optimizer'?",
    "--model.head.feature_encoder.ansats.n_layers=3": "ansats of QuantumFeatureEncoder. Did you mean 'ansatz'?",
    "--data.folder.name=x": "no option data.folder of ReviewsData",
    "--model.head.feature_encoder.merge=null": "it must have a value, such as concat, mean, alternate",
    "--model.schedule=null": "it must have a value, such as constant, one_cycle, cosine, linear_warmup",
    "--model.optimizer.lrr=1": "Did you mean 'lr'?",
    "--model.optimizer.lr=nan": "model.optimizer.lr=nan is invalid: it must be a number",
    "--model.optimizer.lr=fast": "model.optimizer.lr=fast is invalid: it must be a number",
    "--model.schedule=onecycle": "Did you mean 'one_cycle'?",
    "--trainer.max_epoch=3": "no option trainer.max_epoch of Trainer. Did you mean 'max_epochs'?",
    "--trainer.max_epochs=few": "it must be a whole number or null",
    "--modl=3": "Did you mean 'model'?",
    "--trainer.max_epochs=[3": "max_epochs=[3 is invalid",
    "--data.seed=x": "data.seed=x is invalid: it must be a whole number",
    "--data.folder=x": "no option data.folder of ReviewsData",
    "--data=FileData": "--data.folder is missing",
    "--data=FilData": "Did you mean 'FileData'?",
    "--config=nope.yaml": "no configuration file nope.yaml",
    "--plugins=nowhere": "cannot import the plugin 'nowhere'",
    "fit": "'fit' is not a flag",
    "--seed_everything=-1": "seed_everything=-1 must be a whole number from 0 to 4294967295",
    "--seed_everything=100000000000000000000": "must be a whole number from 0 to 4294967295",
    "--data.seed=-1": "data.seed must be 0 or more",
    "--model.head.execution=[1,2]": "model.head.execution=[1, 2] is invalid: it must be a mapping of options",
    "--model.head.execution=some.Class": "head.execution=some.Class is invalid: it must be a mapping of options",
    "--model.text_encoder=HashingEncoder --model.text_encoder.dim=1000000000": "a dim of at most 1,048,576",
    "--model.optimizer.foreach=a.b.c": "optimizer.foreach=a.b.c is invalid: it must be true or false or null\n",
    "--model.optimizer.betas=x": "model.optimizer.betas=x is invalid: it must be a list\n",
    "--model.optimizer=@x": "Known: A",
    "--trainer=[]": "trainer=[] is invalid: it must be a mapping",
    "--trainer.strategy.x=1": "trainer.strategy.x: there is no class to have it",
    "--trainer.logger=CSVLoger": "there is no such class. Did you mean 'CSVLogger'?",
    "--trainer.callbacks=EarlyStoping": "there is no such class. Did you mean 'EarlyStopping'?",
    "--trainer.callbacks=EarlyStopping": "--trainer.callbacks.monitor is missing",
    "--trainer.callbacks=EarlyStopping --trainer.callbacks.monitor=x --trainer.callbacks.patience=abc": (
        "patience=abc is invalid: it must be a whole number\n"
    ),
    "--trainer.callbacks=EarlyStopping --trainer.callbacks.monitor=x --trainer.callbacks.mode=up": "`mode` can be",
    "--model..x=1": "'--model..x=1' is not a flag",
    "--=1": "'--=1' is not a flag",
    "--model.class_path=x": "model=x: there is no such class. Known: QAOA",
    "--model=HybridClassifier": "HybridClassifier is now TextModel with model.head=QuantumHead: model.ansatz is",
    "--model.ansatz=RingAnsatz": "there is no option model.ansatz of TextModel: it is model.head.ansatz",
    "--model.ansatz.connectivity=2": "there is no option model.ansatz of TextModel: it is model.head.ansatz",
    "--model.head=LinerHead": "Did you mean 'LinearHead'?",
    "--plugins=os,": "cannot import the plugin",
}
VALUES = {  # of any option
    "flow": ("[" * 3000, "is nested too deeply"),
    "closed": ("[" * 30_000 + "]" * 30_000, "is nested too deeply"),
    "blocks": ("- " * 3000 + "x", "is nested too deeply"),
    "cycle": ("&a [*a]", "contains an alias of a value within that value itself"),
    "digits": ("9" * 5000, "an integer of more than 4,300 digits"),
    "keys": ("1:", "is not valid YAML"),
    "surrogate": ("\udcff", "contains half of a surrogate pair"),
}
TRAINING = {
    "--trainer.accelerator=tpu": "trainer: ",
    "--trainer.devices=-2": "trainer: `devices`",
    "--trainer.accumulate_grad_batches=0": "trainer.accumulate_grad_batches=0 must be 1 or more",
    "--trainer.check_val_every_n_epoch=0": "trainer.check_val_every_n_epoch=0 must be 1 or more",
    "--trainer.gradient_clip_val=.nan": "trainer.gradient_clip_val=nan must be 0 or more",
    "--trainer.limit_train_batches=-1": "trainer: You have passed invalid value -1",
    "--trainer.val_check_interval=1000": "trainer: `val_check_interval` (1000) must be less than or equal",
    "--trainer.logger=CSVLogger --trainer.logger.save_dir=/proc/x": "No such file or directory: /proc/x",
    "--model.optimizer.lr=-1": "model.optimizer: Invalid learning rate: -1",
    "--model.optimizer.capturable=true": "model.optimizer: If capturable=True",
    "--model.optimizer=SparseAdam": "model.optimizer: SparseAdam does not support dense gradients",
    "--model.schedule=torch.optim.lr_scheduler.StepLR --model.schedule.step_size=1 --model.schedule.last_epoch=3": (
        "model.schedule: "
    ),
    "--model.text_encoder.dim=100000000": "a dim of at most 1,048,576, given 100,000,000",
}
OPTIONS = ["--model.head.backend", "--trainer.logger", "--name"]
PATHS = ["--config", "--ckpt_path", "--name", "--plugins", "--data=FileData --data.folder"]
FILES = {
    "trainer: {callbacks: EarlyStoping}": "there is no such class. Did you mean 'EarlyStopping'?",
    "trainer: {callbacks: [{class_path: EarlyStoping}]}": "there is no such class. Did you mean 'EarlyStopping'?",
    "trainer: {logger: CSVLoger}": "there is no such class. Did you mean 'CSVLogger'?",
    "model: {class_path: TextModel, init_args: {optimizer: Adamm}}": "Did you mean 'Adam'?",
    "modl: 3": "no option modl. Did you mean 'model'?",
    "trainer: {max_epoch: 3}": "Did you mean 'max_epochs'?",
    "model: TextModl": "Did you mean 'TextModel'?",
    "model: {class_path: ClassicalClassifier}": "ClassicalClassifier is now TextModel with model.head=LinearHead, or",
    "model: {class_path: hqlm.models.hybrid.HybridClassifier}": "with model.head=QuantumHead",
    "model: {head: {bakend: 3}}": "Did you mean 'backend'?",
    "model: {head: {execution: {noise: {readout: null}}}}": "readout=null is invalid",
    "model: {head: {readout: some}}": "a whole number or all or auto",
    "model: {head: {execution: {shot: 3}}}": "Did you mean 'shots'?",
    "model: {head: {feature_encoder: {class_path: QuantumFeatureEncoder, "
    "init_args: {n_qubit: 3}}}}": "feature_encoder.n_qubit of QuantumFeatureEncoder. Did you mean 'n_qubits'?",
    "model: {head: {feature_encoder: {class_path: QuantumFeatureEncoder, n_qubits: 3}}}": "under init_args",
    "a: [1": "the configuration file bad.yaml is not valid YAML",
    "{a: 1}: 3": "the configuration file bad.yaml is not valid YAML",
    "a: !!int x": "the configuration file bad.yaml is not valid YAML",
    "a: !!set {b}": "bad.yaml contains a set. Only texts, numbers",
    "a: !!binary x": "the configuration file bad.yaml is not valid YAML",
    "a: &a [*a]": "contains an alias of a value within that value itself",
    "a: &a {<<: *a, b: 1}": "there is no option a.",
    "a: " + "[" * 100_000: "is nested too deeply",
    "a: " + "{b: " * 20_000 + "1" + "}" * 20_000: "is nested too deeply",
    "a: " + "9" * 5000: "more than 4,300 digits",
    'a: "\\ud800"': "the configuration file bad.yaml is not valid YAML",
    "trainer: []": "trainer=[] is invalid: it must be a mapping of options to values",
    "trainer: null": "trainer=null is invalid: it must be a mapping of options to values",
    "model: {class_path: TextModel, init_args: 3}": "model: init_args=3 is invalid: it must be a mapping",
    "model: {class_path: [a]}": "class_path=['a'] is invalid",
    "data: {folds: 3}": "data.folds: there is no class to have it. Name its class, for example --data=",
    "- 1": "must be a YAML mapping",
    "plugins: 3": "must be a list of module names",
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
    assert_refused(run("fit", MODEL, *data, *flag.split()), FLAGS[flag])


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", VALUES)
def test_values_that_no_option_can_have(run, kind, option):
    value, said = VALUES[kind]
    assert_refused(run("fit", MODEL, "--data=ReviewsData", f"{option}={value}"), said)


@pytest.mark.parametrize("option", PATHS)
def test_names_that_no_file_system_allows(run, option):
    result = run("fit", MODEL, "--data=ReviewsData", *f"{option}={'x' * 5000}".split())
    assert_refused(result, "characters ...]")
    assert len(result.err) < 2200


@pytest.mark.parametrize(("flag", "said"), TRAINING.items())
def test_what_lightning_and_optimizers_refuse(fit, flag, said):
    assert_refused(fit(*flag.split()), said)


@pytest.mark.parametrize("text", FILES)
def test_files(run, text):
    Path("bad.yaml").write_text(text)
    model = [] if "model" in text else [MODEL]
    assert_refused(run("fit", *model, "--config=bad.yaml", "--data=ReviewsData"), FILES[text])


def test_a_metric_that_nothing_measures_is_refused_with_those_there_are(fit):
    result = fit("--trainer.callbacks=EarlyStopping", "--trainer.callbacks.monitor=nope")
    assert result.code == 2
    assert "hqlm fit: trainer: Early stopping conditioned on metric `nope`" in result.err
    assert "`val/loss`" in result.err


EMOJI = "\N{GRINNING FACE}"


def test_characters_beyond_the_basic_plane_go_through_every_command(run, tmp_path):
    folder = tmp_path / EMOJI
    folder.mkdir()
    rows = "".join(f"word{number} good\t{EMOJI}\nword{number} bad\tnope\n" for number in range(20))
    for split in ("train", "dev", "test"):
        (folder / f"{split}.tsv").write_text(f"text\t{EMOJI}\n{rows}", encoding="utf-8")
    data = ["--data=FileData", f"--data.folder={EMOJI}", f"--data.label={EMOJI}", "--data.limit_test=8"]
    kept = [flag for flag in TINY if not flag.startswith("--data")]
    result = run("fit", *kept, *data, "--model.schedule=constant", "--name=run")
    assert result.code == 0, result.err
    for args in (
        ["fit", "--ckpt_path=last", "--trainer.max_epochs=3"],
        ["fit", "--config=runs/run/config.yaml", "--name=again"],
        ["validate", "--ckpt_path=run"],
        ["test", "--ckpt_path=run"],
        ["predict", "--ckpt_path=run"],
        ["test", "--ckpt_path=run", "--config=runs/run/test-1/config.yaml"],
    ):
        result = run(*args)
        assert result.code == 0, result.err
    assert EMOJI in Path("runs/run/predict-1/predictions.tsv").read_text(encoding="utf-8")


def test_many_names_are_listed_as_the_nearest_of_them(run):
    columns = "\t".join(f"column{number}" for number in range(5000))
    Path("train.tsv").write_text(f"{columns}\n{columns}\n")
    result = run("fit", *TINY[:3], "--data=FileData", "--data.folder=.", "--data.text=colum77")
    assert_refused(result, "Did you mean 'column77'? Known: ")
    assert "and 4,980 more" in result.err
    assert len(result.err) < 1000


def test_a_logger_without_its_package_says_what_to_install(run):
    assert importlib.util.find_spec("comet_ml") is None
    result = run("fit", *TINY, "--trainer.logger=CometLogger")
    assert_refused(result, "needs a package that is not installed")
    assert "comet" in result.err
    assert result.err.count("\n") == 1


def test_no_model_is_the_model_of_texts(run):
    assert_refused(run("fit"), "TextModel needs a data set of texts")


def test_no_data(run):
    assert_refused(run("fit", MODEL), "needs a data set of texts, for example --data=ReviewsData")


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", "b: {x: [{a: 1}, {a: 1, a: 2}]}"])
def test_a_key_that_stands_twice_is_refused(run, text):
    Path("bad.yaml").write_text(text)
    result = run("fit", MODEL, "--config=bad.yaml", "--data=ReviewsData")
    assert_refused(result, "the key 'a' is listed twice")
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
        assert "must be in the working directory" not in result.err
    assert "must be in the working directory" in run("fit", MODEL, "--plugins=nowhere.at_all").err


def test_the_nearest_run_is_named(run, trained):
    assert "Did you mean 'tiny'?" in run("test", "--ckpt_path=tinny").err


def test_a_reader_that_leaves_early_gets_no_traceback(tmp_path):
    command = f"{sys.executable} -c 'from hqlm.commands import console; console()' components | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "model\n"
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
