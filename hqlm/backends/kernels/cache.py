"""Compiled kernels on disk, under a name that changes with any line of the kernel sources.

Numba's own cache checks only the file that defines a function and misses edits in what it calls. It also holds
pickles, which run code when they are loaded: so nothing is read from a folder or file that another user could write.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, _CacheLocator

from hqlm.cache import cache_folder, is_private, make_cache_folder
from hqlm.errors import describe

_UNREADABLE: Final = (pickle.UnpicklingError, EOFError, ValueError, AttributeError, ImportError, IndexError)


def cached(dispatcher: Any) -> Any:
    """Keep what `njit` compiles on disk; a decorator above `njit`."""
    dispatcher._cache = _KernelCache(dispatcher.py_func)  # as `njit(cache=True)` does, with our own cache
    return dispatcher


def kernel_folder() -> Path:
    """Return the folder of compiled kernels, whose name ends with a hash of the kernel sources."""
    return cache_folder() / _name()


def _name() -> str:
    return f"kernels-{_source_hash()}"


@lru_cache(maxsize=1)
def _source_hash() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


class _Damaged(Exception):
    """A file whose content does not match its checksum."""


class _Locator(_CacheLocator):
    """Tells numba where to keep files and when they are out of date."""

    def ensure_cache_path(self) -> None:
        make_cache_folder(_name())

    def get_cache_path(self) -> str:
        return str(kernel_folder())

    def get_source_stamp(self) -> str:
        return _source_hash()

    def get_disambiguator(self) -> str:
        return "kernel"

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator:
        return cls()


class _KernelCacheImpl(CompileResultCacheImpl):
    _locator_classes = (_Locator,)


class _Files(IndexDataCacheFile):
    """Index and kernels, each preceded by its SHA-256 and readable only by this user."""

    def _load_index(self) -> Any:
        try:
            version, stamp, kernels = _unpickled(Path(self._index_path))
        except FileNotFoundError:
            return {}
        return kernels if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: Any) -> None:
        with self._open_for_write(self._index_path) as file:
            file.write(_sealed(self._dump((self._version, self._source_stamp, overloads))))

    def _load_data(self, name: str) -> Any:
        return _unpickled(Path(self._data_path(name)))

    def _save_data(self, name: str, data: Any) -> None:
        with self._open_for_write(self._data_path(name)) as file:
            file.write(_sealed(self._dump(data)))

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[Any]:
        with super()._open_for_write(filepath) as file:
            os.fchmod(file.fileno(), 0o600)
            yield file

    def forget(self) -> None:
        """Remove the index, and with it all kernels of one function."""
        Path(self._index_path).unlink(missing_ok=True)


class _KernelCache(FunctionCache):
    """Numba's cache with messages on the terminal; without a writable folder, kernels live in memory only."""

    _impl_class = _KernelCacheImpl

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        base = self._impl.filename_base
        self._cache_file = _Files(self._cache_path, base, self._impl.locator.get_source_stamp())

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        found, kernel = None, self._py_func.__name__
        try:
            if is_private(Path(self._cache_path)):
                found = super().load_overload(signature, target_context)
            else:
                _say_open(self._cache_path)
        except OSError:  # a folder that cannot be read is an empty cache; saving reports it
            pass
        except _Damaged as err:  # recompiling gives the same kernel
            _say(f"the kept {kernel} kernel is damaged ({err})")
            self._forget()
        if found is None:
            _say(f"compiling the {kernel} kernel for this machine, once, a few seconds ...")
        return found

    def _forget(self) -> None:
        try:
            self._cache_file.forget()
        except OSError as err:
            _say(f"cannot remove the damaged file {err.filename} ({err.strerror}). Make its folder writable")

    def save_overload(self, signature: Any, data: Any) -> None:
        try:
            self._impl.locator.ensure_cache_path()
            if not is_private(Path(self._cache_path)):
                return
            try:
                super().save_overload(signature, data)
            except _Damaged:  # an index that was damaged meanwhile
                self._cache_file.forget()
                super().save_overload(signature, data)
        except OSError as err:
            _say(
                f"cannot keep compiled kernels in {self._cache_path} ({err.strerror}); the next process compiles again"
            )


def _sealed(data: bytes) -> bytes:
    return hashlib.sha256(data).digest() + data


def _read(path: Path) -> bytes:
    """Return the content that `_sealed` wrote, checked before anything is unpickled."""
    with path.open("rb") as file:
        if not is_private(file.fileno()):  # the file that is read, wherever the path leads by now
            raise _Damaged(f"{path} can be written by other users")
        digest, data = file.read(32), file.read()
    if hashlib.sha256(data).digest() != digest:
        raise _Damaged(f"{path} is not as it was written")
    return data


def _unpickled(path: Path) -> Any:
    data = _read(path)
    try:
        return pickle.loads(data)  # noqa: S301 (private and checked)
    except _UNREADABLE as err:
        raise _Damaged(f"{path}: {describe(err)}") from err


@lru_cache(maxsize=8)
def _say_open(folder: str) -> None:
    _say(
        f"{folder} can be written by other users, so nothing is read from it or kept there. Remove it, and it is made "
        "anew for you alone"
    )


def _say(text: str) -> None:
    sys.stderr.write(f"hqlm: {text}\n")
