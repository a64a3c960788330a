"""The whole contract of quantum backends, on each simulator."""

import pytest
from hqlm_braket import BraketBackend

from hqlm.testing import BackendContract


class TestAuto(BackendContract):
    @pytest.fixture
    def backend(self):
        return BraketBackend()


class TestStateVector(BackendContract):
    @pytest.fixture
    def backend(self):
        return BraketBackend("braket_sv")


class TestDensityMatrix(BackendContract):
    @pytest.fixture
    def backend(self):
        return BraketBackend("braket_dm")
