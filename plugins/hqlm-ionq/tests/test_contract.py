"""The whole contract of quantum backends, against the service that plays IonQ's."""

import pytest
from fake_ionq import KEY, _OnFakeService

from hqlm.testing import BackendContract


class TestIonQ(BackendContract):
    shots, examples = 1024, 3  # every row is a job of the service

    @pytest.fixture
    def backend(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HQLM_CACHE", str(tmp_path))
        monkeypatch.setenv("IONQ_API_KEY", KEY)
        return _OnFakeService(dry_run=False, max_cost_usd=1e9)
