"""Every registered backend keeps the contract: what is in the registry cannot escape."""

import pytest

from hqlm.backends import BACKENDS
from hqlm.testing import BackendContract


class TestRegisteredBackends(BackendContract):
    @pytest.fixture(params=sorted(BACKENDS))
    def backend(self, request):
        return BACKENDS[request.param]()
