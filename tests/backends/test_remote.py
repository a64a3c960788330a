"""Remote devices: what fails for a moment is tried again, what is measured is kept, what fails for good is said."""

import multiprocessing
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hqlm.backends import QiskitBackend, qiskit_devices, remote
from hqlm.circuits import Circuit, Gate, Input, PauliString
from hqlm.errors import CacheError, RemoteError
from hqlm.execution import Execution

CIRCUIT = Circuit(2, (Gate("RX", (0,), Input(0)), Gate("CNOT", (0, 1))), (PauliString("IZ"),))
ANGLES = np.linspace(0.0, 3.0, 5)[:, None]
BITS = np.arange(5 * 4 * 2).reshape(5, 4, 2).astype(np.uint8) % 2


class HTTPError(Exception):
    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status_code = status


class ReadTimeout(Exception):
    """As in requests, whose timeouts are not Python's."""


class Timeout(Exception):
    pass


class SlowRead(Timeout):
    pass


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path))
    return tmp_path / "measurements"


def requests(**changes):
    wanted = {"device": "d", "circuit": CIRCUIT, "angles": ANGLES, "shots": 4, "seed": 0, "rows_per_job": 2, **changes}
    return remote.jobs(**wanted)


class Device:
    """Runs jobs, unless it was told to raise."""

    def __init__(self, *failures):
        self.failures, self.ran = list(failures), []

    def __call__(self, job):
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        self.ran.append(job.first)
        return BITS[job.first : job.last]


def run(device, sleeps=None, **changes):
    return remote.measured("toy", requests(**changes), device, sleep=(sleeps if sleeps is not None else []).append)


def test_a_request_is_cut_into_bounded_jobs():
    assert [(job.first, job.last, job.shape) for job in requests()] == [
        (0, 2, (2, 4, 2)), (2, 4, (2, 4, 2)), (4, 5, (1, 4, 2)),
    ]  # fmt: skip
    assert len({job.seed for job in requests()}) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"device": "e"}, {"shots": 5}, {"seed": 1}, {"angles": ANGLES + 1e-12},
        {"circuit": Circuit(2, CIRCUIT.gates[:1], ())},
    ],
)  # fmt: skip
def test_the_key_changes_with_all_that_samples_depend_on(change):
    same, other = {job.key for job in requests()}, {job.key for job in requests(**change)}
    assert len(same) == 3
    assert not same & other


def test_observables_are_not_part_of_the_key():
    assert requests(circuit=Circuit(2, CIRCUIT.gates, ())) == requests()


def test_a_finished_request_is_never_run_again():
    device = Device()
    assert np.array_equal(run(device), BITS)
    assert np.array_equal(run(device), BITS)
    assert device.ran == [0, 2, 4]


def test_what_need_not_be_kept_is_not(folder):
    remote.measured("toy", requests(), Device(), keep=False)
    assert not folder.exists()


def test_transient_failures_are_tried_again_with_growing_delays():
    device, sleeps = Device(ConnectionError(), TimeoutError(), HTTPError(503), ConnectionResetError()), []
    assert np.array_equal(run(device, sleeps), BITS)
    assert sleeps == [1.0, 2.0, 4.0, 8.0]


def test_a_failure_for_good_names_what_is_kept_and_the_rest_alone_is_run_later(folder):
    device, sleeps = Device(None, *[ConnectionError("cable")] * 5), []
    message = r"toy: job 2 of 3 \(rows 2 to 3\) failed: ConnectionError: cable\. 1 of 3 jobs are measured and kept in "
    with pytest.raises(RemoteError, match=message + str(folder)):
        run(device, sleeps)
    assert len(sleeps) == 4
    assert np.array_equal(run(device), BITS)
    assert device.ran == [0, 2, 4]


@pytest.mark.parametrize("failure", [ValueError("bad circuit"), PermissionError("key"), HTTPError(401)])
def test_other_failures_are_not_tried_again(failure):
    device, sleeps = Device(failure), []
    with pytest.raises(RemoteError, match=f"job 1 of 3 .* failed: {type(failure).__name__}"):
        run(device, sleeps)
    assert sleeps == []


def chained(cause):
    try:
        try:
            raise cause
        except Exception:
            raise RuntimeError("cannot run the program") from None  # as qiskit-ibm-runtime does
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (ConnectionRefusedError(), True),
        (SlowRead(), True),
        (ReadTimeout(), False),
        (HTTPError(429), True),
        (HTTPError(404), False),
        (chained(HTTPError(502)), True),
        (chained(HTTPError(400)), False),
        (chained(ConnectionError()), True),
        (RemoteError("job 7 was submitted"), False),
        (OSError(), False),
    ],
)
def test_what_is_transient(error, transient):
    assert remote.is_transient(error) is transient


def test_a_submitted_job_is_asked_for_again_but_not_run_again():
    failures = [ConnectionError()] * 2

    def result():
        if failures:
            raise failures.pop()
        return 5

    assert remote.fetch(result, "j1", lambda _: None) == 5
    device = Device()

    def lost(job):
        device(job)
        return remote.fetch(lambda: (_ for _ in ()).throw(TimeoutError("queue")), "j2", lambda _: None)

    with pytest.raises(RemoteError, match="job j2 was submitted but its result cannot be fetched: TimeoutError: queue"):
        run(lost)
    assert device.ran == [0]


def test_a_submitted_job_that_failed_is_reported_as_it_is():
    with pytest.raises(ValueError, match="ran and failed"):
        remote.fetch(lambda: (_ for _ in ()).throw(ValueError("ran and failed")), "j3")


def test_a_file_of_rubbish_is_refused_by_name(folder):
    run(Device())
    path = folder / f"{requests()[1].key}.npy"
    path.write_bytes(b"rubbish" * 100)
    with pytest.raises(CacheError, match=f"{path.name} cannot be read"):
        run(Device())
    np.save(path, np.zeros((2, 3, 1), dtype=np.uint8))
    with pytest.raises(CacheError, match=f"{path.name} does not hold the measurements"):
        run(Device())
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(CacheError, match="cannot be read"):
        run(Device())


def test_a_folder_that_cannot_be_made_is_refused(folder):
    folder.write_text("a file where a folder should be")
    with pytest.raises(CacheError):
        run(Device())


def fill():
    for seed in range(30):
        run(Device(), seed=seed)


def test_two_processes_keep_the_same_jobs_at_once(folder):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=fill) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(list(folder.glob("*.npy"))) == len(list(folder.iterdir())) == 90
    reader = Device()
    assert np.array_equal(run(reader, seed=29), BITS)
    assert reader.ran == []


class TestQiskit:
    @pytest.fixture
    def device(self, monkeypatch):
        monkeypatch.setattr(remote, "DELAYS", (0.0,) * 4)
        qiskit_devices.device.cache_clear()
        qiskit_devices.transpile.cache_clear()
        return qiskit_devices.device("tests.backends.qiskit_fakes.remote")

    def values(self, seed=1):
        inputs = torch.from_numpy(ANGLES)
        backend = QiskitBackend("tests.backends.qiskit_fakes.remote", rows_per_job=2)
        none = torch.zeros(0, dtype=torch.float64)
        return backend.expectations(CIRCUIT, none, inputs, None, Execution(shots=500, seed=seed))

    def test_it_fails_at_the_second_job_and_goes_on_there(self, device):
        device.failures = [None, *[ConnectionError("cable")] * 5]
        with pytest.raises(RemoteError, match=r"generic_backend_6q: job 2 of 3 .* 1 of 3 jobs are measured"):
            self.values()
        assert device.submitted == 2
        values = self.values()
        assert device.submitted == 5
        expected = torch.from_numpy(np.cos(ANGLES))
        assert bool(((values - expected).abs() < 5.0 / 500**0.5).all())
        assert torch.equal(self.values(), values)
        assert device.submitted == 5

    def test_it_goes_on_after_a_moment(self, device):
        device.failures = [ConnectionError("cable"), None, TimeoutError()]
        self.values()
        assert device.submitted == 5

    def test_a_job_whose_result_is_lost_is_asked_for_again_and_not_run_again(self, device):
        device.lost = [TimeoutError(), ConnectionError("cable")]
        self.values()
        assert device.lost == []
        assert device.submitted == 5
        device.lost = [ConnectionError("cable")] * 5
        with pytest.raises(RemoteError, match=r"job \S+ was submitted but its result cannot be fetched: .*cable"):
            self.values(seed=2)
        assert device.submitted == 7

    def test_a_circuit_that_the_device_refuses_is_sent_once(self, device):
        device.failures = [ValueError("too deep"), None]
        with pytest.raises(RemoteError, match=r"ValueError: too deep\. 0 of 3 jobs"):
            self.values()
        assert device.failures == [None]

    def test_jobs_of_ibm_go_to_its_own_sampler_and_are_fetched_again(self, device, monkeypatch):
        from qiskit.primitives import BackendSamplerV2

        lost, submitted = [TimeoutError(), ConnectionError()], []

        class RuntimeJob:
            """As `RuntimeJobV2`: it runs elsewhere, its result can be asked for again."""

            def __init__(self, whole):
                self.whole = whole

            def job_id(self):
                return "j1"

            def result(self):
                if lost:
                    raise lost.pop()
                return self.whole.result()

        class SamplerV2:
            def __init__(self, mode):
                self.whole = BackendSamplerV2(backend=mode)

            def run(self, pubs, shots):
                submitted.append(shots)
                return RuntimeJob(self.whole.run(pubs, shots=shots))

        monkeypatch.setitem(sys.modules, "qiskit_ibm_runtime", SimpleNamespace(SamplerV2=SamplerV2))
        monkeypatch.setattr(type(device), "__module__", "qiskit_ibm_runtime.ibm_backend")
        self.values()
        assert submitted == [500] * 3
        assert device.submitted == 5
        assert lost == []
