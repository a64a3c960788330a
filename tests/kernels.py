"""The compiled kernels of this process, for other processes whose caches lie elsewhere."""

from __future__ import annotations

from pathlib import Path

import hqlm.backends.kernels.chunks  # noqa: F401 (kernels are kept where HQLM_CACHE was at the first import)
from hqlm.backends.kernels.cache import kernel_folder

_FOLDER = kernel_folder()


def share_kernels(cache: Path) -> None:
    """Make the compiled kernels known in another cache folder, so that no process compiles them again there."""
    cache.mkdir(parents=True, exist_ok=True)
    if not (cache / _FOLDER.name).is_symlink():
        (cache / _FOLDER.name).symlink_to(_FOLDER)
