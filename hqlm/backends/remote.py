"""Jobs on remote devices: retried when the connection fails, and stored once they are measured.

Measurements on a device cost money and waiting time. A request is sent in jobs of bounded size, one after the other,
and the result of a job is stored in the cache folder under a key of everything it depends on. So the same request after
a failure, in this process or another, runs only the missing jobs; and since `expectations` is a pure function of its
arguments, a finished request is not paid for again. To repeat a measurement of the same circuit, use another seed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray

from hqlm.cache import cache_folder, make_cache_folder
from hqlm.circuits import Circuit
from hqlm.errors import CacheError, HqlmError, RemoteError
from hqlm.files import atomic_file

Bits = NDArray[np.uint8]
T = TypeVar("T")

DELAYS: Final = (1.0, 2.0, 4.0, 8.0)  # seconds before each further attempt
# by name, because Python, requests and Qiskit have their own classes; names of base classes count too
_TRANSIENT: Final = {"ConnectionError", "TimeoutError", "Timeout", "JobTimeoutError"}
_BUSY: Final = {408, 429, 500, 502, 503, 504}  # only these HTTP statuses are transient


@dataclass(frozen=True)
class Job:
    """The rows from `first` up to `last` of a request.

    Args:
        first: index of its first row.
        last: index one past its last row.
        shape: shape of the bits it measures, `(rows, shots, n_qubits)`.
        seed: seed of its samples, if the device takes one.
        key: hash of everything its samples depend on.
    """

    first: int
    last: int
    shape: tuple[int, int, int]
    seed: int
    key: str


def jobs(
    device: str, circuit: Circuit, angles: NDArray[np.float64], shots: int, seed: int, rows_per_job: int
) -> list[Job]:
    """Split a request into jobs of at most `rows_per_job` rows.

    Args:
        device: text that identifies the device and its settings.
        circuit: circuit whose qubits are all measured in the Z basis.
        angles: `(rows, n_angles)` in radians.
        shots: measurements of each row.
        seed: seed of the request; each job gets its own.
        rows_per_job: largest number of rows in a job.
    """
    gates = repr((circuit.n_qubits, circuit.gates))
    found = []
    for first in range(0, len(angles), rows_per_job):
        rows = angles[first : first + rows_per_job]
        own = int(np.random.SeedSequence([seed, first]).generate_state(1)[0])
        said = repr(("bits 1", device, gates, rows.shape, shots, own)).encode()
        key = hashlib.sha256(said + np.ascontiguousarray(rows, dtype="<f8").tobytes()).hexdigest()
        found.append(Job(first, first + len(rows), (len(rows), shots, circuit.n_qubits), own, key))
    return found


def measured(
    device: str,
    jobs: Sequence[Job],
    run: Callable[[Job], Bits],
    keep: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> Bits:
    """Return the bits `(rows, shots, n_qubits)` of all jobs, running those that were not measured before.

    Args:
        device: name of the device in messages.
        jobs: jobs of one request.
        run: function that measures a job.
        keep: whether to store jobs; not needed if a seed reproduces the samples for free.
        sleep: function that waits for a number of seconds.

    Raises:
        RemoteError: if a job fails permanently, with the jobs that are paid for and where they are stored.
        CacheError: if stored measurements cannot be read or written.
    """
    parts = []
    for job in jobs:
        bits = _load(job) if keep else None
        if bits is None:
            try:
                bits = _check_shape(retry(partial(run, job), sleep), job)
            except Exception as error:  # the SDK of the device may raise anything
                raise RemoteError(_report(device, jobs, job, error, keep)) from error
            if keep:
                _save(job, bits)
        parts.append(bits)
    return np.concatenate(parts)


def retry(action: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Return the result of an action, retried after each of `DELAYS` as long as its errors are transient."""
    for delay in DELAYS:
        try:
            return action()
        except Exception as error:
            if not is_transient(error):
                raise
            rank_zero_info(f"{_name(error)}: retrying in {delay:g} s")
            sleep(delay)
    return action()


def fetch(result: Callable[[], T], job_id: str, sleep: Callable[[float], None] = time.sleep) -> T:
    """Return the result of a job that is already submitted; fetching is retried, the job is not run again.

    Raises:
        RemoteError: with the job's id, if it cannot be reached permanently.
    """
    try:
        return retry(result, sleep)
    except Exception as error:
        if not is_transient(error):
            raise
        raise RemoteError(f"job {job_id} was submitted but its result cannot be fetched: {_name(error)}") from error


def is_transient(error: BaseException | None) -> bool:
    """Return whether an error may pass by itself: lost connections, timeouts, busy or restarting servers.

    The errors in its cause chain are considered too. An HTTP status decides if there is one, else the names of the
    classes. Invalid circuits, rejected accounts and jobs that ran and failed are not transient.
    """
    while error is not None and not isinstance(error, HqlmError):
        status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(status, int) and status > 0:
            return status in _BUSY
        if _TRANSIENT & {kind.__name__ for kind in type(error).__mro__}:
            return True
        error = error.__cause__ or error.__context__
    return False


def measurements_folder() -> Path:
    """Return the folder that stores finished jobs, one file each."""
    return cache_folder() / "measurements"


def _path(job: Job) -> Path:
    return measurements_folder() / f"{job.key}.npy"


def _load(job: Job) -> Bits | None:
    path, n_qubits = _path(job), job.shape[-1]
    try:
        packed = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        raise CacheError(
            f"the measurements {path} cannot be read: {error}. Delete that file to run the job again"
        ) from error
    if packed.dtype != np.uint8 or packed.shape != (*job.shape[:2], -(-n_qubits // 8)):
        raise CacheError(f"{path} does not hold the measurements of its name. Delete that file to run the job again")
    return np.unpackbits(packed, axis=-1, count=n_qubits)


def _save(job: Job, bits: Bits) -> None:
    """Write measurements atomically."""
    folder = measurements_folder()
    try:
        make_cache_folder(folder.name)
        with atomic_file(_path(job)) as part, part.open("wb") as file:
            np.save(file, np.packbits(bits, axis=-1), allow_pickle=False)
    except OSError as error:
        raise CacheError(
            f"cannot store measurements in {folder}: {error}. Set HQLM_CACHE to a folder that can be written"
        ) from error


def _check_shape(bits: Bits, job: Job) -> Bits:
    if bits.shape != job.shape:
        raise RemoteError(f"it returned samples of shape {bits.shape}, expected {job.shape}")
    return bits


def _report(device: str, jobs: Sequence[Job], job: Job, error: Exception, keep: bool) -> str:
    place, rows = f"{jobs.index(job) + 1} of {len(jobs)}", f"rows {job.first} to {job.last - 1}"
    report = f"{device}: job {place} ({rows}) failed: {_name(error)}"
    if not keep:
        return report
    done = sum(_path(each).exists() for each in jobs)
    return (
        f"{report}. {done} of {len(jobs)} jobs are measured and kept in {measurements_folder()}; "
        "the same request with the same seed runs only the others"
    )


def _name(error: Exception) -> str:
    return str(error) if isinstance(error, HqlmError) else f"{type(error).__name__}: {error}"
