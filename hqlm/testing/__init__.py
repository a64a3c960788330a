"""Conformance suites for plugin authors to subclass; they need pytest and hypothesis."""

from hqlm.testing.ansatz import AnsatzContract
from hqlm.testing.backend import BackendContract
from hqlm.testing.feature_encoder import FeatureEncoderContract
from hqlm.testing.reuploading import ReuploadingContract
from hqlm.testing.text_encoder import TextEncoderContract

__all__ = [
    "AnsatzContract",
    "BackendContract",
    "FeatureEncoderContract",
    "ReuploadingContract",
    "TextEncoderContract",
]
