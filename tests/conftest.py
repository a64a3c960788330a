"""Settings of hypothesis: any seed at a desk, always the same examples in continuous integration."""

from __future__ import annotations

import os

from hypothesis import settings

import tests.kernels  # noqa: F401 (before a test changes HQLM_CACHE)

settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
