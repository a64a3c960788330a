"""A fit that starts from the head of another run."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml

import hqlm
from hqlm.errors import ConfigError
from tests.commands.test_stages import flags, weights  # noqa: F401

LAST = "runs/a/checkpoints/last.ckpt"
ONE_STEP = ["--model.optimizer.lr=1e-9", "--trainer.max_epochs=1", "--model.schedule=constant"]
CENTRED = ["--model.optimizer=torch.optim.SGD", "--model.feature_encoder.center=true"]


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
    assert "is for the start of a run" in result.err


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
        (["--model.init_from=a", "--model.readout=2"], "head.weight (2, 1) instead of (2, 2)"),
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
    from lightning.pytorch import Trainer

    from hqlm.data import ReviewsData
    from hqlm.encoders import HashingEncoder
    from hqlm.models import ClassicalClassifier

    monkeypatch.setenv("HQLM_CACHE", str(tmp_path))
    model = ClassicalClassifier(text_encoder=HashingEncoder(dim=15), init_from="a")
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    with pytest.raises(ConfigError, match="warm_start"):
        trainer.fit(model, ReviewsData(limit_train=16))


def test_a_frozen_run_starts_one_that_trains_the_text_encoder(run, flags):  # noqa: F811
    assert run("fit", *flags("frozen"), "--name=a").code == 0
    result = run("fit", *flags("end_to_end"), "--name=a", "--ckpt_path=last")
    assert result.code == 2
    assert "missing (body." in result.err
    assert "--model.init_from=RUN" in result.err
    assert len(result.err) < 600
    result = run("fit", *flags("end_to_end"), "--name=b", "--model.init_from=a", "--trainer.max_epochs=1")
    assert result.code == 0, result.err
