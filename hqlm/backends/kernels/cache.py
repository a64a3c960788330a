"""Compiled kernels on disk, under a name that changes with any line of the kernel sources.

Numba's own cache looks at the one file a function stands in and misses edits in what it calls.
"""

from __future__ import annotations

import hashlib
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator


def cached(dispatcher: Any) -> Any:
    """A decorator above `njit` that keeps what is compiled on disk."""
    dispatcher._cache = _KernelCache(dispatcher.py_func)  # what `njit(cache=True)` does, with a cache of our own
    return dispatcher


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/hqlm` or `~/.cache/hqlm`, then a hash of the kernel sources."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "hqlm" / f"kernels-{_source_hash()}"


@lru_cache(maxsize=1)
def _source_hash() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


class _Locator(_CacheLocator):
    """Tells numba where to keep files and when they are out of date."""

    def ensure_cache_path(self) -> None:
        cache_folder().mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return _source_hash()

    def get_disambiguator(self) -> str:
        return "kernel"

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator:
        return cls()


class _KernelCacheImpl(CompileResultCacheImpl):
    _locator_classes = (_Locator,)


class _KernelCache(FunctionCache):
    """Numba's cache with a word on the terminal; without a folder it can write to, kernels live in memory only."""

    _impl_class = _KernelCacheImpl

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        try:
            found = super().load_overload(signature, target_context)
        except OSError:  # no folder to read is an empty cache; saving will say so
            found = None
        if found is None:
            kernel = self._py_func.__name__
            _say(f"compiling the {kernel} kernel for this machine, once, a few seconds ...")
        return found

    def save_overload(self, signature: Any, data: Any) -> None:
        try:
            super().save_overload(signature, data)
        except OSError as err:
            _say(f"cannot keep compiled kernels in {cache_folder()} ({err.strerror}); the next process compiles again")


def _say(text: str) -> None:
    sys.stderr.write(f"hqlm: {text}\n")
