import functools
import math

import pytest
import torch

from hqlm.errors import ConfigError
from hqlm.models import TextModel
from hqlm.models.schedules import scheduler_config

STEPS = 100


def rates(schedule):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    config = scheduler_config(schedule, optimizer, STEPS)
    assert config["lr_scheduler"]["interval"] == "step"
    seen = []
    for _ in range(STEPS):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        config["lr_scheduler"]["scheduler"].step() if len(seen) < STEPS else None
    return seen


def test_constant_needs_no_scheduler():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    assert scheduler_config("constant", optimizer, STEPS) is optimizer


def test_one_cycle_rises_to_the_rate_and_falls_to_nothing():
    seen = rates("one_cycle")
    assert max(seen) == pytest.approx(0.4, rel=1e-3)
    assert seen[0] < 0.05
    assert seen[-1] < 1e-3


def test_cosine_is_half_a_cosine():
    seen = rates("cosine")
    expected = [0.2 * (1 + math.cos(math.pi * step / STEPS)) for step in range(STEPS)]
    assert seen == pytest.approx(expected)


def test_linear_warm_up_rises_over_a_tenth_and_falls_to_nothing():
    seen = rates("linear_warmup")
    assert seen[:10] == pytest.approx([0.04 * (step + 1) for step in range(10)])
    assert seen[9] == seen[10] == pytest.approx(0.4)
    assert seen[-1] == pytest.approx(0.4 / 90)


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "linear_warmup"])
def test_a_training_of_one_step_has_a_rate(schedule):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    scheduler_config(schedule, optimizer, 1)
    assert 0.0 < optimizer.param_groups[0]["lr"] <= 0.4


def test_any_scheduler_may_be_given():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    config = scheduler_config(functools.partial(torch.optim.lr_scheduler.StepLR, step_size=2), optimizer, STEPS)
    assert config["lr_scheduler"]["interval"] == "epoch"


@pytest.mark.parametrize("given", [None, "cosin", 3])
def test_what_is_no_schedule_is_refused_with_the_names(given):
    with pytest.raises(ConfigError, match=r"there is no schedule .*Known: constant, cosine, linear_warmup, one_cycle"):
        TextModel(schedule=given)
