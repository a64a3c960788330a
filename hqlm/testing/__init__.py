"""Conformance suites that a plugin author subclasses; they need pytest and hypothesis."""

from hqlm.testing.ansatz import AnsatzContract
from hqlm.testing.backend import BackendContract
from hqlm.testing.reuploading import ReuploadingContract

__all__ = ["AnsatzContract", "BackendContract", "ReuploadingContract"]
