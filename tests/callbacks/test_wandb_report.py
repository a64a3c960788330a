"""Who reports to W&B: rank 0, where there is anything to report; and how a run is tagged."""

from types import SimpleNamespace

import pytest
import torch

from hqlm.callbacks import MetricsFile, WandbReport, WandbRun, wandb_report


@pytest.mark.parametrize("changes", [{"is_global_zero": False}, {"fast_dev_run": True}])
def test_other_ranks_and_trial_runs_begin_nothing(changes, monkeypatch, tmp_path):
    monkeypatch.setattr(WandbRun, "begin", lambda *args, **kwargs: pytest.fail("a run was begun"))
    trainer = SimpleNamespace(**{"fast_dev_run": False, "is_global_zero": True, **changes})
    report = WandbReport(WandbRun(), MetricsFile(tmp_path / "metrics.csv"), tmp_path / "config.yaml")
    report.begin(trainer, torch.nn.Linear(1, 1))


def test_tags_say_what_is_ablated_wherever_it_stands_and_what_is_varied():
    hparams = {"lr": 0.1, "head": {"class_path": "hqlm.heads.QuantumHead", "init_args": {"ablate": ["long_range"]}}}
    overrides = {"model.ablate": ["x"], "model.optimizer.lr": 0.5, "model.head": "hqlm.heads.QuantumHead"}
    assert [*wandb_report._tags(hparams, overrides)] == ["without long_range", "lr=0.5", "head=QuantumHead"]
