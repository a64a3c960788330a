"""A study as a sweep, expanded by W&B's own code as its agent does, and one of its trials run."""

import itertools
import json
from pathlib import Path

import pytest
import yaml

from tests.callbacks.wandb_records import pick, records
from tests.commands.conftest import TINY

utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
STUDY = {
    "base": "base.yaml",
    "design": "FullFactorial",
    "factors": {
        "model.head.skip": [True, False],
        "model.head.ablate": [[], ["long_range"]],
        "data.samples_per_class": [None, 8],
        "model.head.reuploading": ["SingleUpload", "RepeatedUpload"],
    },
    "overrides": {"model.head.readout": "all", "trainer.max_epochs": 1},
    "seeds": [3, 4],
}


def expanded(sweep, values):
    """The command of one trial, as `wandb agent` makes it of the values that the server hands out."""
    args = {"args": {key: {"value": value} for key, value in values.items()}}
    macros = utils.create_sweep_command_args(args) | {"env": ["/usr/bin/env"]}
    words = []
    for word in utils.create_sweep_command(sweep["command"]):
        words += macros[word[2:-1]] if word.startswith("${") and word.endswith("}") else [word]
    return words


@pytest.fixture
def sweep(run):
    """Write a sweep of a study with changes: `sweep("--flag", seeds=[0])`; returns the result, and what W&B reads."""
    flags = dict(flag.removeprefix("--").split("=") for flag in TINY if "limit_train" not in flag)
    base = {"model": flags.pop("model"), "data": flags.pop("data")}
    Path("base.yaml").write_text(yaml.safe_dump(base))
    overrides = {key: yaml.safe_load(value) for key, value in flags.items()} | STUDY["overrides"]

    def call(*options, **changes):
        Path("tiny.yaml").write_text(yaml.safe_dump({**STUDY, "overrides": overrides, **changes}))
        result = run("study", "sweep", "--config=tiny.yaml", *options)
        path = Path("studies/tiny/sweep.yaml")
        return result, yaml.safe_load(path.read_text()) if path.is_file() else None

    return call


def test_a_grid_has_every_combination_and_one_of_its_trials_runs(sweep, run, monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    result, found = sweep()
    assert result.code == 0, result.err
    assert "wandb sweep studies/tiny/sweep.yaml" in result.out
    parameters = {key: parameter["values"] for key, parameter in found["parameters"].items()}
    assert len(list(itertools.product(*parameters.values()))) == 2**5
    assert all("." in key or key == "seed_everything" for key in parameters)  # flat
    assert found["metric"] == {"name": "val/acc", "goal": "maximize"}
    wanted = {
        "model.head.skip": False, "model.head.ablate": '["long_range"]', "data.samples_per_class": "null",
        "model.head.reuploading": "RepeatedUpload", "seed_everything": 4,
    }  # fmt: skip
    assert all(value in parameters[key] for key, value in wanted.items())
    words = expanded(found, wanted)
    assert words[:3] == ["/usr/bin/env", "hqlm", "fit"]
    assert "--model.head.skip=False" in words
    done = run(*words[2:], "--name=trial")
    assert done.code == 0, done.err
    config = yaml.safe_load(Path("runs/trial/config.yaml").read_text())
    model = config["model"]["init_args"]["head"]["init_args"]
    assert (model["skip"], model["ablate"], model["readout"]) == (False, ["long_range"], "all")
    assert config["data"]["init_args"]["samples_per_class"] is None
    assert model["reuploading"]["class_path"].endswith("RepeatedUpload")
    assert config["seed_everything"] == 4
    assert pick(records(Path("runs/trial")), "run")[0].run_group == "tiny"


def test_an_ablation_is_a_grid_of_one_key(sweep):
    design = {"class_path": "Ablation", "init_args": {"words": ["long_range", "entanglement"]}}
    _, found = sweep(design=design, factors={})
    values = [json.loads(value) for value in found["parameters"]["model.head.ablate"]["values"]]
    assert sorted(values) == [[], ["entanglement"], ["long_range"]]


def test_the_file_says_where_to_run_it_and_what_it_optimises(sweep):
    Path("chain.yaml").write_text(
        "model: {class_path: VQE, init_args: {problem: {class_path: IsingChain, init_args: {n_qubits: 2}}}}\n"
    )
    factors = {"model.optimizer.lr": [0.1, 0.2]}
    result, found = sweep(base="chain.yaml", overrides={}, factors=factors, response="test/energy")
    assert result.code == 0, result.err
    assert found["metric"] == {"name": "val/energy", "goal": "minimize"}
    head = Path("studies/tiny/sweep.yaml").read_text().partition("\nname:")[0]
    assert "in a folder where chain.yaml can be read" in head
    assert "The response of the study is test/energy" in head


def test_a_fractional_design_is_refused_with_what_would_work(sweep):
    factors = {f"model.{name}": [1, 2] for name in ("a", "b", "c", "d", "e")}
    result, found = sweep(design="PlackettBurman", factors=factors, seeds=[0])
    assert result.code == 2
    assert found is None
    assert "a fractional design cannot be a W&B grid" in result.err
    assert "32 combinations" in result.err
    for way in ("hqlm study run", "--design=FullFactorial", "--method=random"):
        assert way in result.err


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_ranges_are_drawn_by_wandb(sweep, method):
    factors = {
        "model.optimizer.lr": {"low": 0.001, "high": 0.1, "log": True},
        "model.head.feature_encoder.offset": {"low": 1, "high": 2.5},
        "data.batch_size": {"low": 8, "high": 32},
        "model.head.skip": [True, False],
    }
    result, found = sweep(f"--method={method}", design="RandomDesign", factors=factors)
    assert result.code == 0, result.err
    assert found["method"] == method
    kinds = {key: parameter.get("distribution") for key, parameter in found["parameters"].items()}
    assert kinds == {
        "model.optimizer.lr": "log_uniform_values", "model.head.feature_encoder.offset": "uniform",
        "data.batch_size": "int_uniform", "model.head.skip": None, "seed_everything": None,
    }  # fmt: skip
    offset = found["parameters"]["model.head.feature_encoder.offset"]
    assert (offset["min"], offset["max"]) == (1, 2.5)
    assert found["parameters"]["seed_everything"] == {"values": [3, 4]}


@pytest.mark.parametrize(
    ("logger", "flags"),
    [
        ({"class_path": "hqlm.callbacks.WandbRun"}, ["--trainer.logger.group=tiny"]),
        ({"class_path": "hqlm.callbacks.WandbRun", "init_args": {"group": "mine"}}, []),
        ([{"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "logs"}}], []),
    ],
    ids=["wandb", "wandb with a group", "another"],
)
def test_a_logger_of_the_experiment_stays(sweep, logger, flags):
    Path("logger.yaml").write_text(yaml.safe_dump({"trainer": {"logger": logger}}))
    result, found = sweep(base=["base.yaml", "logger.yaml"])
    assert result.code == 0, result.err
    assert [word for word in found["command"] if word.startswith("--trainer.logger")] == flags
    assert found["command"][3:7] == ["--config", "base.yaml", "--config", "logger.yaml"]
