"""A fit that starts from the head of another run."""

import functools
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import Trainer

import hqlm
from hqlm.data import ReviewsData
from hqlm.encoders import HashingEncoder
from hqlm.errors import ConfigError
from hqlm.heads import LinearHead
from hqlm.models import TextModel
from hqlm.models.reading import read_checkpoint
from tests.commands.test_stages import flags, weights  # noqa: F401

LAST = "runs/a/checkpoints/last.ckpt"
ONE_STEP = ["--model.optimizer.lr=1e-9", "--trainer.max_epochs=1", "--model.schedule=constant"]
CENTRED = ["--model.optimizer=torch.optim.SGD", "--model.head.feature_encoder.center=true"]


def head(run):
    state = torch.load(f"runs/{run}/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    return {name: value for name, value in state.items() if not name.endswith("_extra_state")}


def test_a_head_starts_where_that_of_another_run_ended(fit, run):
    assert fit("--name=a", *CENTRED, "--model.optimizer.lr=0.5").code == 0
    few = ["--data.limit_train=16", "--seed_everything=3"]  # whose centring mean and initial weights would be others
    result = fit("--name=b", *CENTRED, *ONE_STEP, *few, f"--model.init_from={LAST}")
    assert result.code == 0, result.err
    torch.testing.assert_close(head("b"), head("a"), atol=1e-7, rtol=1e-6)
    fresh = fit("--name=c", *CENTRED, *ONE_STEP, *few)
    assert fresh.code == 0
    assert any((value - head("a")[name]).abs().max() > 1e-3 for name, value in head("c").items())
    assert yaml.safe_load(Path("runs/b/config.yaml").read_text())["model"]["init_args"]["init_from"] == LAST
    shutil.rmtree("runs/a")  # which the new run needs no longer
    assert hqlm.load("b").predict(["a gorgeous, witty film"])
    assert run("test", "--ckpt_path=b").code == 0
    more = ["--name=b", "--ckpt_path=last", *CENTRED, *ONE_STEP, *few]
    result = fit(*more, f"--model.init_from={LAST}", "--trainer.max_epochs=2")
    assert result.code == 0, result.err
    result = fit(*more, "--model.init_from=b", "--trainer.max_epochs=3")
    assert result.code == 2
    assert "can only be set at the start of a run" in result.err


@pytest.mark.parametrize("source", ["runs/a", "runs/a/checkpoints/last.ckpt", "saved"])
def test_a_source_is_a_run_a_checkpoint_or_a_saved_model(fit, source):
    assert fit("--name=a").code == 0
    hqlm.load("a").save_pretrained("saved")
    result = fit("--name=b", f"--model.init_from={source}")
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--model.init_from=nowhere"], "no checkpoint 'nowhere'"),
        (["--model.init_from=a", "--model.head.readout=2"], "head.linear.weight (2, 1) instead of (2, 2)"),
        (["--model.init_from=a", '--model.class_names=["positive", "negative"]'], "in this order"),
        (["--model.init_from=pyproject.toml"], "pyproject.toml"),
    ],
    ids=["missing", "shape", "classes", "foreign"],
)
def test_a_head_that_does_not_fit_is_refused(fit, more, words):
    assert fit("--name=a").code == 0
    Path("pyproject.toml").write_text("")
    result = fit("--name=b", *more)
    assert result.code == 2
    assert words in result.err
    assert len(result.err) < 600
    assert not Path("runs/b").exists()


def test_in_python_a_model_does_not_train_from_a_head_that_it_was_not_given(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path))
    model = TextModel(HashingEncoder(dim=15), LinearHead(), init_from="a")
    with pytest.raises(ConfigError, match="warm_start"):
        quiet_trainer().fit(model, ReviewsData(limit_train=16))


def quiet_trainer(epochs=1):
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(max_epochs=epochs, accelerator="cpu", enable_model_summary=False, **options)


def weight_of(model):
    return next(model.parameters()).detach().clone()


def test_in_python_a_second_fit_goes_on_from_the_weights_of_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path))
    data, rate = ReviewsData(limit_train=16, limit_val=8), functools.partial(torch.optim.SGD, lr=0.5)
    donor = TextModel(HashingEncoder(dim=15), LinearHead(), optimizer=rate, schedule="constant")
    training = quiet_trainer(epochs=3)
    training.fit(donor, data)
    training.save_checkpoint(tmp_path / "donor.ckpt")
    still = functools.partial(torch.optim.SGD, lr=1e-12)
    model = TextModel(
        HashingEncoder(dim=15), LinearHead(), init_from="donor.ckpt", optimizer=still, schedule="constant"
    )
    model.warm_start(read_checkpoint(tmp_path / "donor.ckpt"))
    training = quiet_trainer()
    training.fit(model, data)
    torch.testing.assert_close(weight_of(model), weight_of(donor))
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    training.save_checkpoint(tmp_path / "second.ckpt")
    trained = weight_of(model)
    quiet_trainer().fit(model, data)
    torch.testing.assert_close(weight_of(model), trained)
    loaded = hqlm.load(str(tmp_path / "second.ckpt"))  # which has weights of its own
    quiet_trainer().fit(loaded.train(), data)
    assert (weight_of(loaded) - weight_of(donor)).min() > 0.5


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda found: found["hyper_parameters"].update(class_names=5), "its class_names are 5"),
        (lambda found: found["state_dict"].update({3: torch.ones(2)}), "has the name 3"),
        (lambda found: found["state_dict"].update({"head.weight": torch.ones(2, 2).to_sparse()}), "not a dense"),
        (lambda found: found["state_dict"].update({"head.weight": torch.ones(2, 2, device="meta")}), "not a dense"),
    ],
    ids=["classes", "number", "sparse", "meta"],
)
def test_a_source_with_values_of_wrong_types_is_refused(fit, spoil, words):
    assert fit("--name=a").code == 0
    found = torch.load(LAST, weights_only=True)
    spoil(found)
    torch.save(found, "spoilt.ckpt")
    result = fit("--name=b", "--model.init_from=spoilt.ckpt")
    assert result.code == 2
    assert words in result.err
    assert "Traceback" not in result.err


def test_a_saved_model_with_classes_of_a_wrong_type_is_refused(fit):
    assert fit("--name=a").code == 0
    hqlm.load("a").save_pretrained("saved")
    config = json.loads(Path("saved/config.json").read_text())
    config["init_args"]["class_names"] = 5
    Path("saved/config.json").write_text(json.dumps(config))
    result = fit("--name=b", "--model.init_from=saved")
    assert result.code == 2
    assert "its class_names are 5" in result.err


def test_a_frozen_run_starts_one_that_trains_the_text_encoder(run, flags):  # noqa: F811
    assert run("fit", *flags("frozen"), "--name=a").code == 0
    result = run("fit", *flags("end_to_end"), "--name=a", "--ckpt_path=last")
    assert result.code == 2
    assert "missing (body." in result.err
    assert "--model.init_from=RUN" in result.err
    assert len(result.err) < 600
    result = run("fit", *flags("end_to_end"), "--name=b", "--model.init_from=a", "--trainer.max_epochs=1")
    assert result.code == 0, result.err
