"""The conformance suite of quantum backends."""

from __future__ import annotations

from hqlm.testing.gradients import GradientChecks
from hqlm.testing.noise import NoiseChecks
from hqlm.testing.processes import ProcessChecks
from hqlm.testing.refusals import RefusalChecks
from hqlm.testing.sampling import SamplingChecks
from hqlm.testing.values import ValueChecks


class BackendContract(ValueChecks, GradientChecks, SamplingChecks, NoiseChecks, ProcessChecks, RefusalChecks):
    """Everything a `QuantumBackend` promises, as tests that a plugin gets in five lines.

    ```python
    class TestMyBackend(BackendContract):
        @pytest.fixture
        def backend(self):
            return MyBackend()
    ```

    Declared capabilities are compared with closed forms, with density matrices in plain NumPy and with the native
    engine; undeclared ones must be rejected. A backend must have the gate RY. Set the class attributes `atol`, `shots`
    and `examples` for a backend in single precision or a slow one.
    """
