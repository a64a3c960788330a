"""Callbacks of Lightning: they do what their names say, or are refused."""

import json
from pathlib import Path

import pytest
import torch

import hqlm
from tests.commands.test_energy import VQE
from tests.commands.test_kernel_model import ALIGNED


def callback(name, **options):
    return "--trainer.callbacks=" + json.dumps([{"class_path": name, "init_args": options}])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("BatchSizeFinder", {}, "Set data.batch_size"),
        ("LearningRateFinder", {}, "Set model.optimizer.lr"),
        ("StochasticWeightAveraging", {"swa_lrs": 0.01}, "Use EMAWeightAveraging"),
    ],
)
def test_callbacks_whose_effect_no_run_would_hold_are_refused(fit, tmp_path, name, options, words):
    result = fit("--name=a", callback(name, **options))
    assert result.code == 2
    assert f"{name} is not supported" in result.err
    assert words in result.err
    assert not (tmp_path / "runs/a").exists()


@pytest.mark.filterwarnings("ignore:You're using the WeightAveraging callback")
def test_the_average_is_what_a_run_keeps_and_measures(fit, run):
    """With a decay of one the average stays what the first step left, whatever training does."""
    slow = callback("EMAWeightAveraging", decay=1.0)
    centred = "--model.head.feature_encoder.center=true"
    assert fit("--name=a", slow, centred, "--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.5").code == 0
    assert fit("--name=b", centred, "--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.5").code == 0
    states = {name: torch.load(f"runs/{name}/checkpoints/last.ckpt", weights_only=True) for name in ("a", "b")}
    assert torch.equal(
        states["a"]["current_model_state"]["head.linear.weight"], states["b"]["state_dict"]["head.linear.weight"]
    )
    assert not torch.equal(
        states["a"]["state_dict"]["head.linear.weight"], states["b"]["state_dict"]["head.linear.weight"]
    )
    (mean,) = (name for name in states["a"]["state_dict"] if name.endswith("mean"))
    assert torch.equal(states["a"]["state_dict"][mean], states["b"]["state_dict"][mean])
    assert states["a"]["state_dict"][mean].abs().max() > 0
    assert hqlm.load("a").predict(["a gorgeous, witty film"])
    assert run("test", "--ckpt_path=a").code == 0
    more = ["--ckpt_path=last", "--name=a", "--trainer.max_epochs=2"]
    assert fit(*more, slow, centred, "--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.5").code == 0


def test_weights_that_a_machine_was_solved_for_are_not_averaged(run):
    result = run("fit", *ALIGNED, "--name=a", callback("EMAWeightAveraging"))
    assert result.code == 2
    assert "EMAWeightAveraging is not supported with KernelHead" in result.err
    assert not Path("runs/a").exists()


@pytest.mark.filterwarnings("ignore:You're using the WeightAveraging callback")
def test_angles_of_an_energy_are_averaged(run):
    assert run("fit", *VQE, "--name=a", callback("EMAWeightAveraging", decay=1.0)).code == 0
    state = torch.load("runs/a/checkpoints/last.ckpt", weights_only=True)
    assert not torch.equal(state["current_model_state"]["quantum.weight"], state["state_dict"]["quantum.weight"])


def test_accumulation_that_changes_needs_a_schedule_that_counts_no_steps(fit):
    accumulate = callback("GradientAccumulationScheduler", scheduling={"0": 2, "1": 4})
    result = fit("--name=a", accumulate)
    assert result.code == 2
    assert "Set model.schedule=constant" in result.err
    result = fit("--name=a", accumulate, "--model.schedule=constant")
    assert result.code == 0, result.err


def test_accumulated_batches_train_as_one_batch_of_their_rows(fit):
    """Means over two batches of half the rows are the mean over all of them: equal weights, and half the steps."""
    flags = ["--trainer.accumulate_grad_batches=2", "--data.batch_size=16"]
    assert fit("--name=a", *flags).code == 0
    assert fit("--name=b", "--data.batch_size=32").code == 0
    a, b = (torch.load(f"runs/{name}/checkpoints/last.ckpt", weights_only=True) for name in ("a", "b"))
    assert a["global_step"] == b["global_step"] == 4  # 64 rows, 2 epochs
    for key, value in b["state_dict"].items():
        if not value.is_floating_point():  # counts of calls
            continue
        torch.testing.assert_close(a["state_dict"][key], value, rtol=1e-4, atol=1e-5)


def test_a_schedule_needs_an_end(fit):
    result = fit("--name=a", "--trainer.max_epochs=-1", '--trainer.max_time={"seconds": 1}')
    assert result.code == 2
    assert "Set trainer.max_epochs" in result.err


def test_early_stopping_stops(fit):
    stop = callback("EarlyStopping", monitor="val/loss", stopping_threshold=1e6)
    assert fit("--name=a", stop, "--trainer.max_epochs=9").code == 0
    assert torch.load("runs/a/checkpoints/last.ckpt", weights_only=True)["epoch"] == 0
