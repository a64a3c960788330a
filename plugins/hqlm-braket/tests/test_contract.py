"""The whole contract of quantum backends, on each simulator and on a device."""

import pytest
from fake_aws import ARN, _OnFakeDevice
from hqlm_braket import BraketBackend

from hqlm.testing import BackendContract


class TestAuto(BackendContract):
    @pytest.fixture
    def backend(self):
        return BraketBackend()


class TestStateVector(BackendContract):
    examples = 5

    @pytest.fixture
    def backend(self):
        return BraketBackend("braket_sv")


class TestDensityMatrix(BackendContract):
    examples = 5

    @pytest.fixture
    def backend(self):
        return BraketBackend("braket_dm")


class TestDevice(BackendContract):
    shots, examples = 1024, 3  # every row goes through OpenQASM and back

    @pytest.fixture
    def backend(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HQLM_CACHE", str(tmp_path))
        return _OnFakeDevice(ARN, dry_run=False, max_cost_usd=1e9)
