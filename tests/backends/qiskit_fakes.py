"""Devices of Qiskit that run here, for dotted paths: a `BackendV2` each, made without arguments."""

LINE = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]


def quiet():
    """Six qubits in a line, without noise."""
    from qiskit.providers.fake_provider import GenericBackendV2

    return GenericBackendV2(6, coupling_map=LINE, noise_info=False)


def noisy():
    """Five qubits in a line, with gate and readout errors, stronger than those that Qiskit draws."""
    from qiskit.providers.fake_provider import GenericBackendV2

    device = GenericBackendV2(5, coupling_map=LINE[:4], seed=7)
    for name, error in (("cx", 0.03), ("sx", 0.002), ("measure", 0.04)):
        for qubits, properties in device.target[name].items():
            properties.error = error * (1 + 0.1 * qubits[0])
            device.target.update_instruction_properties(name, qubits, properties)
    return device


def remote():
    """As `quiet`, but far away: it takes no seed, counts its jobs and fails as often as it is told to."""
    from qiskit.providers.fake_provider import GenericBackendV2

    class Remote(GenericBackendV2):
        submitted = 0  # circuits
        failures = ()  # what the next jobs raise instead of running; None lets one through
        lost = ()  # what is raised instead of the next results, of jobs that run

        def run(self, run_input, **options):
            if self.failures:
                failure, *self.failures = self.failures
                if failure is not None:
                    raise failure
            self.submitted += len(run_input)
            assert options.pop("seed_simulator") is None
            job = super().run(run_input, **options)
            result = job.result

            def fetched():
                if self.lost:
                    error, *self.lost = self.lost
                    raise error
                return result()

            job.result = fetched
            return job

    device = Remote(6, coupling_map=LINE, noise_info=False)
    device.options.set_validator("seed_simulator", type(None))  # as qiskit-ibm-runtime says it
    return device


def narrow():
    """One qubit."""
    from qiskit.providers.fake_provider import GenericBackendV2

    return GenericBackendV2(1, basis_gates=["rz", "sx", "x"], noise_info=False)


def broken():
    """A service that refuses the account."""
    raise PermissionError("no such account")


def something_else():
    """Not a device."""
    return 5


def wants_a_name(name):
    """A service that must be told what is wanted."""


CONSTANT = 5
