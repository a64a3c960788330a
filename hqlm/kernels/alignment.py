"""Training of a quantum kernel, so that vectors of one class become similar and others dissimilar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from tqdm.auto import trange

from hqlm.errors import ConfigError, DataError, TrainingError
from hqlm.kernels.quantum_kernel import QuantumKernel, check_vectors


def alignment(gram: Tensor, labels: Sequence[object], n_classes: int | None = None) -> Tensor:
    """Return `<K, T> / (|K| |T|)`, from -1 to 1, with T = 1 within a class and -1 / (n_classes - 1) between classes.

    Source: Cristianini et al. (2001), On kernel-target alignment.

    Args:
        gram: K `(rows, rows)`.
        labels: class of each row.
        n_classes: number of classes, of which a batch may lack some; by default that of the labels.

    Raises:
        DataError: for fewer than two classes.
    """
    classes, numbers = np.unique(np.asarray(labels), return_inverse=True)
    count = len(classes) if n_classes is None else n_classes
    if count < 2:
        raise DataError(f"alignment needs two classes or more, given {count}")
    same = torch.from_numpy(numbers[:, None] == numbers)
    target = torch.where(same, 1.0, -1.0 / (count - 1)).to(gram)
    found: Tensor = (gram * target).sum() / (torch.linalg.norm(gram) * torch.linalg.norm(target))
    return found


@torch.inference_mode(False)  # it trains wherever it is called
@torch.enable_grad()
def align(
    kernel: QuantumKernel,
    x: ArrayLike,
    labels: Sequence[object],
    steps: int = 50,
    lr: float = 0.05,
    batch_size: int = 64,
    verbose: bool = False,
) -> QuantumKernel:
    """Return the kernel with feature map weights trained for a higher alignment, by Adam on random batches.

    Source: Hubregtsen et al. (2021), Training quantum embedding kernels on near-term quantum computers,
    arXiv:2105.02276.

    Args:
        kernel: kernel to start from; `kernel.seed` also draws the batches.
        x: vectors `(rows, dim)`.
        labels: class of each vector.
        steps: number of batches.
        lr: learning rate, in radians.
        batch_size: vectors per batch.
        verbose: show a progress bar.

    Raises:
        ConfigError: if the feature map has nothing to train.
        DataError: for fewer than two classes, a batch_size below 2, unequal numbers of labels and vectors, or a
            value that is not finite.
        TrainingError: if a weight is no longer finite.
    """
    vectors = check_vectors(x)
    weights = kernel.initial_weights(vectors.shape[1]).requires_grad_()
    if not len(weights):
        raise ConfigError(f"{kernel.feature_map} has no weights to train. Use UploadMap with a trainable ansatz")
    if min(batch_size, len(vectors)) < 2:
        raise DataError("alignment compares vectors: batch_size and the number of vectors must be 2 or more")
    classes = np.asarray(labels)
    if len(classes) != len(vectors):
        raise DataError(f"alignment needs one label per vector, given {len(classes)} labels and {len(vectors)} vectors")
    if len(set(classes.tolist())) < 2:
        raise DataError("alignment needs two classes or more, given 1")
    draw = np.random.default_rng(kernel.seed)
    optimizer = torch.optim.Adam([weights], lr=lr)
    for step in trange(steps, disable=not verbose, desc="aligning", unit="step"):
        rows = draw.choice(len(vectors), min(batch_size, len(vectors)), replace=False)
        if len(set(classes[rows].tolist())) < 2:
            continue  # a batch of one class has no gradient
        optimizer.zero_grad()
        found = kernel.represent(vectors[rows], weights)
        (-alignment(kernel.compare(found, found), classes[rows].tolist())).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if not bool(weights.isfinite().all()):
            raise TrainingError(f"a weight is not finite after step {step + 1} of the alignment. Lower lr={lr}")
    return replace(kernel, weights=tuple(weights.detach().tolist()))
