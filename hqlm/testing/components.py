"""Test suites of each slot, which pytest collects with the fixture `component` of `check.py`."""

from __future__ import annotations

from typing import Any

import pytest

from hqlm.registry import Component
from hqlm.testing.ansatz import AnsatzContract
from hqlm.testing.backend import BackendContract
from hqlm.testing.feature_encoder import FeatureEncoderContract
from hqlm.testing.reuploading import ReuploadingContract
from hqlm.testing.text_encoder import TextEncoderContract


def _bind_component(contract: type, argument: str) -> Any:
    """Return the suite with the current component instead of the fixture that a plugin author writes."""

    @pytest.fixture(name=argument)
    def given(self: object, component: Component) -> Component:
        return component

    return type(f"Checked_{argument}", (contract,), {argument: given, "__module__": __name__})


Checked_ansatz = _bind_component(AnsatzContract, "ansatz")
Checked_backend = _bind_component(BackendContract, "backend")
Checked_feature_encoder = _bind_component(FeatureEncoderContract, "feature_encoder")
Checked_reuploading = _bind_component(ReuploadingContract, "scheme")
Checked_text_encoder = _bind_component(TextEncoderContract, "text_encoder")
