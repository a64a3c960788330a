"""Settings that hold for every test."""

from __future__ import annotations

import logging
import os
from functools import cache

import pytest
from hypothesis import settings

import tests.kernels  # noqa: F401 (before a test changes HQLM_CACHE)
from hqlm import notices
from hqlm.backends import paid

# any seed at a desk, always the same examples in continuous integration
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

# Lightning keeps its messages from the root logger, and so from caplog, where it is imported before pytest logs
for name in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(name).propagate = True


@pytest.fixture(autouse=True)
def new_user(tmp_path_factory):
    """Forget what a process remembers of the runs before, and what a user has spent."""
    notices.say_once.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paid, "cache_folder", cache(lambda: tmp_path_factory.mktemp("money")))
        yield
