"""Arithmetic precision of frozen text encoders."""

from __future__ import annotations

from typing import Final, Literal

import torch
from torch import nn

from hqlm.errors import EncoderError

Precision = Literal["float32", "bfloat16"]
_NATIVE: Final = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # x86-64 and ARM, as torch names them


def to_precision(model: nn.Module, precision: Precision, device: torch.device) -> None:
    """Round the weights of a model in place.

    Raises:
        EncoderError: when the device would emulate this precision, slower than float32.
    """
    if precision != "float32" and not _is_native(device):
        raise EncoderError(
            f"text_encoder.precision={precision} is not supported by this {device.type}, which would emulate it slower "
            "than float32. Leave text_encoder.precision=float32"
        )
    model.to(getattr(torch, precision))


def _is_native(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and any(torch.cpu.get_capabilities().get(name, False) for name in _NATIVE)
