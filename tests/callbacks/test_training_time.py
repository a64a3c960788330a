"""The clock of a run goes on where its checkpoint stopped."""

import time

from hqlm.callbacks import TrainingTime


def test_seconds_add_up_over_sittings():
    first = TrainingTime()
    assert first.seconds == 0.0
    first.on_train_start(None, None)
    time.sleep(0.02)
    assert first.seconds >= 0.02  # a checkpoint is written before the end
    first.on_train_end(None, None)
    stopped = first.seconds
    time.sleep(0.01)
    assert first.seconds == stopped
    second = TrainingTime()
    second.load_state_dict(first.state_dict())
    second.on_train_start(None, None)
    second.on_train_end(None, None)
    assert stopped <= second.seconds < stopped + 0.01
