"""The state of the random generators, so that a resumed run draws what the uninterrupted one would have drawn."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer


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
        """Keep the states until training starts."""
        self._restored = state_dict

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the generators where the checkpoint left them; building the model has drawn from them since."""
        if self._restored is None:
            return
        torch.set_rng_state(self._restored["torch"])
        if self._restored["cuda"]:
            torch.cuda.set_rng_state_all(self._restored["cuda"])
        algorithm, keys, *rest = self._restored["numpy"]
        np.random.set_state((algorithm, keys.numpy(), *rest))
        version, words, gauss = self._restored["python"]
        random.setstate((version, tuple(words), gauss))
        self._restored = None
