"""The time of a step is a median, and outlives a run that goes on with nothing left to do."""

import time

from hqlm.callbacks import StepTime


def test_the_median_of_the_steps_and_of_the_sitting_before():
    first = StepTime()
    assert first.seconds is None
    for pause in (0.0, 0.01, 0.1):
        first.on_train_batch_start(None, None, None, 0)
        time.sleep(pause)
        first.on_train_batch_end(None, None, None, None, 0)
    assert 0.01 <= first.seconds < 0.03
    second = StepTime()
    second.load_state_dict(first.state_dict())
    assert second.seconds == first.seconds
