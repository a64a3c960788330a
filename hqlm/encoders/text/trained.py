"""A sentence transformer whose weights, or low-rank updates of them, are trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import Tensor, nn

from hqlm.encoders.text.base import TrainedBody
from hqlm.encoders.text.loading import without_bars
from hqlm.encoders.text.lora import LoRA, merge
from hqlm.files import atomic_folder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_TOGETHER: Final = 8  # texts of similar length that a CPU encodes at a time, to reduce padding


class TrainedSentenceTransformer(TrainedBody):
    """A loaded model of sentence-transformers in training mode.

    Args:
        model: model with its own weights.
        prompt: text prepended to every sentence.
        lr: learning rate.
        lora: train low-rank updates instead of the weights.
    """

    def __init__(self, model: SentenceTransformer, prompt: str, lr: float, lora: LoRA | None) -> None:
        super().__init__()
        self.lr = lr
        self.model = model.requires_grad_(True)
        self.prompt = prompt
        self.lora = lora
        if lora is not None:
            lora.add_to(cast(nn.Module, self.model[0].auto_model))
        self._freeze_idle()
        self.train()

    @torch.inference_mode(False)  # also when a trained model is loaded without gradients
    @torch.enable_grad()
    def _freeze_idle(self) -> None:
        """Freeze weights that no gradient reaches, such as BERT's pooler when embeddings are mean-pooled."""
        self.eval()  # no dropout, so that no random number is drawn
        self(["a"]).sum().backward()
        for parameter in self.parameters():
            parameter.requires_grad_(parameter.grad is not None)
            parameter.grad = None

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        size = self.model.get_embedding_dimension()
        assert isinstance(size, int)
        return size

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings `(batch, dim)` of texts, float32."""
        device = next(self.parameters()).device
        size = _TOGETHER if device.type == "cpu" else len(texts)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        rows = torch.cat([self._embed([texts[place] for place in group], device) for group in groups])
        return rows[torch.tensor(order, device=device).argsort()]

    def _embed(self, texts: list[str], device: torch.device) -> Tensor:
        features: dict[str, Any] = self.model.preprocess(texts, prompt=self.prompt or None)
        on_device = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in features.items()}
        embeddings: Tensor = self.model(on_device)["sentence_embedding"]
        return embeddings.float()

    def save(self, folder: Path) -> None:
        """Write the model as sentence-transformers does, with low-rank updates added to the weights."""
        model: Any = self.model if self.lora is None else merge(self.model)
        with without_bars(), atomic_folder(folder) as part:
            model.save(str(part), create_model_card=False)
