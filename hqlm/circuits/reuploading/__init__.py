"""Re-uploading schemes, one per file."""

from hqlm.circuits.reuploading.base import Reuploading, angle_encoding, check_uploads, group_size
from hqlm.circuits.reuploading.interleaved import InterleavedUpload
from hqlm.circuits.reuploading.none import NoUpload
from hqlm.circuits.reuploading.repeated import RepeatedUpload
from hqlm.circuits.reuploading.single import SingleUpload
from hqlm.registry import Registry

REUPLOADINGS: Registry[Reuploading] = Registry(Reuploading, "reuploading scheme")  # type: ignore[type-abstract]

__all__ = [
    "REUPLOADINGS",
    "InterleavedUpload",
    "NoUpload",
    "RepeatedUpload",
    "Reuploading",
    "SingleUpload",
    "angle_encoding",
    "check_uploads",
    "group_size",
]
