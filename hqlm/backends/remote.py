"""Jobs on remote devices: tried again when the connection fails, and kept once they are measured.

Measurements of a device cost money and waiting. A request is sent in jobs of bounded size, one after the other, and
what a job measured is kept in the cache folder under a key of everything it was asked for. So the same request after a
failure, in this process or another, runs only the jobs that are missing; and as `expectations` is a pure function of
its arguments, a finished request is not paid for again. Other measurements of the same circuit take another seed.
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
# by name, because Python, requests and Qiskit each have their own; names of base classes count too
_TRANSIENT: Final = {"ConnectionError", "TimeoutError", "Timeout", "JobTimeoutError"}
_BUSY: Final = {408, 429, 500, 502, 503, 504}  # of an error that has an HTTP status, these alone are transient


@dataclass(frozen=True)
class Job:
    """The rows from `first` up to `last` of a request.

    Args:
        first: its first row.
        last: the row after its last one.
        shape: of the bits it measures, `(rows, shots, n_qubits)`.
        seed: of its samples, where the device takes one.
        key: hash of all that its samples depend on.
    """

    first: int
    last: int
    shape: tuple[int, int, int]
    seed: int
    key: str


def jobs(
    device: str, circuit: Circuit, angles: NDArray[np.float64], shots: int, seed: int, rows_per_job: int
) -> list[Job]:
    """A request in jobs of at most `rows_per_job` rows.

    Args:
        device: what tells the device and its settings from every other.
        circuit: whose qubits are all measured in the Z basis.
        angles: `(rows, n_angles)` in radians.
        shots: measurements of each row.
        seed: of the request; each job gets its own.
        rows_per_job: the bound.
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
    """Bits `(rows, shots, n_qubits)` of all jobs, running those that were never measured.

    Args:
        device: its name in messages.
        jobs: of one request.
        run: measures a job.
        keep: whether jobs are kept; not needed where a seed gives the same samples for nothing.
        sleep: waits for a number of seconds.

    Raises:
        RemoteError: when a job fails for good, saying which ones are paid for and where they are kept.
        CacheError: when what was kept cannot be read, or cannot be written.
    """
    parts = []
    for job in jobs:
        bits = _load(job) if keep else None
        if bits is None:
            try:
                bits = _checked(retry(partial(run, job), sleep), job)
            except Exception as error:  # whatever the SDK of the device raises
                raise RemoteError(_report(device, jobs, job, error, keep)) from error
            if keep:
                _save(job, bits)
        parts.append(bits)
    return np.concatenate(parts)


def retry(action: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """The result of an action, tried again after each of `DELAYS` as long as its errors are transient."""
    for delay in DELAYS:
        try:
            return action()
        except Exception as error:
            if not is_transient(error):
                raise
            rank_zero_info(f"{_name(error)}: trying again in {delay:g} s")
            sleep(delay)
    return action()


def fetch(result: Callable[[], T], job_id: str, sleep: Callable[[float], None] = time.sleep) -> T:
    """The result of a job that is already submitted; it is asked for again, never run again.

    Raises:
        RemoteError: naming the job when it cannot be reached for good.
    """
    try:
        return retry(result, sleep)
    except Exception as error:
        if not is_transient(error):
            raise
        raise RemoteError(f"job {job_id} was submitted but its result cannot be fetched: {_name(error)}") from error


def is_transient(error: BaseException | None) -> bool:
    """Whether an error may pass by itself: lost connections, timeouts, servers that are busy or restarting.

    The error is judged with those it was raised from. An HTTP status decides where there is one, else the names of the
    classes. Wrong circuits, refused accounts and jobs that ran and failed are not transient.
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
    """Return the folder in which finished jobs are kept, one file each."""
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
        raise CacheError(f"{path} holds other measurements than its name says. Delete that file to run the job again")
    return np.unpackbits(packed, axis=-1, count=n_qubits)


def _save(job: Job, bits: Bits) -> None:
    """Write what was measured, whole or not at all."""
    folder = measurements_folder()
    try:
        make_cache_folder(folder.name)
        with atomic_file(_path(job)) as part, part.open("wb") as file:
            np.save(file, np.packbits(bits, axis=-1), allow_pickle=False)
    except OSError as error:
        raise CacheError(
            f"cannot keep measurements in {folder}: {error}. Set HQLM_CACHE to a folder that can be written"
        ) from error


def _checked(bits: Bits, job: Job) -> Bits:
    if bits.shape != job.shape:
        raise RemoteError(f"it returned samples of shape {bits.shape}, asked for {job.shape}")
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
