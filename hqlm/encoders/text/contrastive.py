"""Contrastive fine-tuning on few labelled texts; a step encodes each text once and uses every pair of the batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor
from tqdm.auto import tqdm

from hqlm.encoders.text.base import TrainedBody
from hqlm.errors import ConfigError, DataError, TrainingError
from hqlm.notices import hides_bars
from hqlm.plain import PlainFields

_WARM_UP: Final = 0.1  # share of the steps
_TEMPERATURE: Final = 0.07  # of the supervised loss, as in its source


@dataclass(frozen=True)
class Contrastive(PlainFields):
    """Settings of contrastive fine-tuning: texts of one class are pulled together, texts of different classes apart.

    `cosine` is the loss of sentence-transformers and SetFit (Tunstall et al. (2022), arXiv:2209.11055): the mean over
    all pairs of the batch of (cosine - target)^2, target 1 for two texts of one class and 0 for others. `supervised`
    is that of Khosla et al. (2020), Supervised contrastive learning, arXiv:2004.11362, equation 2.

    Args:
        loss: `cosine` or `supervised`.
        steps: steps of AdamW; the learning rate rises over the first tenth and then falls linearly to 0.
        batch_size: texts per step; all training texts if there are fewer.
        seed: seed of order, dropout and low-rank updates, separate from the model's seed: models of any seed share the
            tuned encoder.
    """

    loss: Literal["cosine", "supervised"] = "cosine"
    steps: int = 100
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 2:
            raise ConfigError(
                "text_encoder.contrastive needs steps of 1 or more and batch_size of 2 or more, given "
                f"steps={self.steps} and batch_size={self.batch_size}: it would train nothing"
            )


@torch.inference_mode(False)  # it trains wherever it is called
@torch.enable_grad()
def tune(body: TrainedBody, settings: Contrastive, texts: Sequence[str], labels: Sequence[int]) -> None:
    """Train a text encoder in place, with the global random generator of torch.

    Raises:
        DataError: when all texts have one label.
        TrainingError: when the loss is not finite.
    """
    from transformers import get_linear_schedule_with_warmup

    if len(set(labels)) < 2:
        raise DataError("text_encoder.stage=contrastive needs training rows of two or more classes, got one class")
    numbers = torch.tensor(labels)
    loss_of = _LOSSES[settings.loss]
    trained = [parameter for parameter in body.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=body.lr, fused=True)
    schedule = get_linear_schedule_with_warmup(  # type: ignore[no-untyped-call]
        optimizer, math.ceil(_WARM_UP * settings.steps), settings.steps
    )
    body.train()
    steps = tqdm(_batches(len(texts), settings), "tuning the text encoder", settings.steps, disable=hides_bars())
    for step, rows in enumerate(steps):
        embeddings = body([texts[row] for row in rows])
        loss = loss_of(embeddings, numbers[rows].to(embeddings.device))
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"the contrastive loss is {loss.item()} at step {step}. Lower model.text_encoder.lr (now {body.lr:g})"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()


def _batches(n_rows: int, settings: Contrastive) -> Iterator[list[int]]:
    """Yield one batch of row indices per step, reshuffling when the rows run out."""
    size, order = min(settings.batch_size, n_rows), list[int]()
    for _ in range(settings.steps):
        if len(order) < size:
            order = torch.randperm(n_rows).tolist()
        yield order[:size]
        order = order[size:]


def cosine_loss(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Return `CosineSimilarityLoss` of sentence-transformers over all pairs of a batch `(batch, dim)`, `(batch,)`."""
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

    one, other = torch.triu_indices(len(labels), len(labels), offset=1, device=labels.device)
    loss = CosineSimilarityLoss(torch.nn.Identity())  # type: ignore[arg-type]  # it encodes nothing here
    result: Tensor = loss.compute_loss_from_embeddings(
        [embeddings[one], embeddings[other]], labels[one] == labels[other]
    )
    return result


def supervised_loss(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over texts of `-log softmax` of their cosines to the batch, averaged over texts of their class.

    A text without another one of its class in the batch is ignored.
    """
    unit = torch.nn.functional.normalize(embeddings)
    oneself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    log_p = (unit @ unit.T / _TEMPERATURE).masked_fill(oneself, -torch.inf).log_softmax(1).masked_fill(oneself, 0.0)
    alike = (labels[:, None] == labels).logical_and(~oneself)
    has_any = alike.any(1)
    own = (log_p * alike).sum(1)[has_any] / alike.sum(1)[has_any]
    return -own.sum() / max(1, int(has_any.sum()))


_LOSSES: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {"cosine": cosine_loss, "supervised": supervised_loss}
