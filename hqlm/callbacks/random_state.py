"""The state of the random generators, so that a resumed run draws what the uninterrupted one would have drawn."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class RandomState(Callback):
    """Keeps the generators of torch (CPU and CUDA), NumPy and Python in the checkpoint, as tensors and numbers."""

    def __init__(self) -> None:
        self._restored: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """The states, in a form that `weights_only` reads."""
        algorithm, keys, position, has_gauss, cached = np.random.get_state()
        version, words, gauss = random.getstate()
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),  # an empty list where there is no device
            "numpy": [str(algorithm), torch.from_numpy(np.array(keys)), int(position), int(has_gauss), float(cached)],
            "python": [version, list(words), gauss],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states until training starts; states that no generator takes are refused here already."""
        torch.Generator().set_state(state_dict["torch"])
        np.random.RandomState().set_state(_numpy_state(state_dict))
        random.Random().setstate(_python_state(state_dict))
        if not all(isinstance(state, Tensor) for state in state_dict["cuda"]):
            raise TypeError("the states of the CUDA generators are no tensors")
        self._restored = state_dict

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the generators where the checkpoint left them; building the model has drawn from them since."""
        if self._restored is None:
            return
        states = self._restored
        torch.set_rng_state(states["torch"])
        if states["cuda"]:
            torch.cuda.set_rng_state_all(states["cuda"])
        np.random.set_state(_numpy_state(states))
        random.setstate(_python_state(states))
        self._restored = None


def _numpy_state(states: dict[str, Any]) -> tuple[Any, ...]:
    algorithm, keys, *rest = states["numpy"]
    return (algorithm, keys.numpy(), *rest)


def _python_state(states: dict[str, Any]) -> tuple[Any, ...]:
    version, words, gauss = states["python"]
    return (version, tuple(words), gauss)
