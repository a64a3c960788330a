import pytest

from hqlm.testing import BackendContract
from plugins.numpy_backend import NumpyBackend


class TestNumpyBackend(BackendContract):
    @pytest.fixture
    def backend(self):
        return NumpyBackend()
