"""The backend suite passes what does less but says so, and fails every kind of wrong backend."""

import pytest

from hqlm.testing import BackendContract
from tests.backends.toys import _ExactOnly, _Hardware, _SampledOnly, _Trajectories


class TestABackendOfExactValuesOnly(BackendContract):
    @pytest.fixture
    def backend(self):
        return _ExactOnly()


class TestABackendOfShotsOnly(BackendContract):
    @pytest.fixture
    def backend(self):
        return _SampledOnly()


class TestABackendOfFewGatesAndNoSeeds(BackendContract):
    @pytest.fixture
    def backend(self):
        return _Hardware()


class TestABackendWhoseChannelsNeedShots(BackendContract):
    @pytest.fixture
    def backend(self):
        return _Trajectories()
