"""Random generators go on where a checkpoint left them."""

import random

import numpy as np
import torch

from hqlm.callbacks import RandomState


def draws():
    # normal numbers come in pairs, so that one of three is kept for the next call
    return torch.rand(3).tolist(), np.random.randn(3).tolist(), [random.gauss() for _ in range(3)]


def test_the_draws_after_a_checkpoint_come_again(tmp_path):
    draws()
    torch.save(RandomState().state_dict(), tmp_path / "x")
    expected = draws()
    callback = RandomState()
    callback.load_state_dict(torch.load(tmp_path / "x", weights_only=True))
    draws()
    callback.on_train_start(None, None)
    assert draws() == expected
    callback.on_train_start(None, None)  # once only
    assert draws() != expected
