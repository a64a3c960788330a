"""Settings of hypothesis: any seed at a desk, always the same examples in continuous integration."""

from __future__ import annotations

import os

from hypothesis import settings

import hqlm.backends.kernels.chunks  # noqa: F401 (compiled kernels are kept where HQLM_CACHE was then: for all tests at once)

settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
