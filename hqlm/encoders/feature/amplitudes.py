"""Amplitude encoding: an embedding as the state of a few qubits."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from hqlm.errors import ConfigError, EncoderError
from hqlm.memory import check_fits


class AmplitudeEncoding(nn.Module):
    """`(x', offset, 0, ...) / sqrt(|x'|^2 + offset^2)` with `x' = (x - mean) / norm`.

    The expectation value of an observable is quadratic in the amplitudes, so without an offset it is an even function
    of the embedding; with an offset it has a linear part too. Divided by its own norm, `|x - mean|`, an embedding keeps
    only its direction; divided by the root mean square norm of the training embeddings it also keeps its norm relative
    to the offset, and may be zero.

    Args:
        dim: length of an embedding.
        n_qubits: number of qubits of the state.
        pad: `zeros` or `truncate`, see `QuantumFeatureEncoder`.
        center: subtract the mean that `fit` estimates.
        offset: amplitude relative to the embedding's norm.
        norm: `row` or `data`: divide by the embedding's own norm or by that of the training data.
        jitter: norm, relative to the divisor that `norm` names, of the normal noise added in training.

    Raises:
        ConfigError: when the values and the offset do not fit `2**n_qubits` amplitudes.
    """

    mean: Tensor
    radius: Tensor | None

    def __init__(
        self,
        dim: int,
        n_qubits: int,
        pad: Literal["zeros", "truncate"],
        center: bool,
        offset: float,
        norm: Literal["row", "data"] = "row",
        jitter: float = 0.0,
    ) -> None:
        super().__init__()
        needed = dim + (offset > 0.0)
        if pad == "zeros" and needed > 2**n_qubits:
            extra = " and the offset one more" if offset > 0.0 else ""
            raise ConfigError(
                f"an embedding has {dim} values{extra}, but feature_encoder.n_qubits={n_qubits} gives {2**n_qubits} "
                f"amplitudes. Set feature_encoder.n_qubits={math.ceil(math.log2(needed))} or more, or "
                "feature_encoder.pad=truncate to drop the values that do not fit"
            )
        self.size = 2**n_qubits
        self.kept = min(dim, self.size - (offset > 0.0))
        self.center = center
        self.offset = offset
        self.jitter = jitter
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("radius", torch.ones(()) if norm == "data" else None)

    def fit(self, embeddings: Tensor) -> None:
        """Estimate mean and norm from the training embeddings `(rows, dim)`, where they are used.

        Raises:
            EncoderError: when all embeddings are equal, so that centring leaves only zeros.
        """
        equal = bool((embeddings == embeddings[0]).all())
        if equal and self.center and self.radius is None:
            raise EncoderError(
                f"all {len(embeddings)} training embeddings are equal, and feature_encoder.center=true reduces them "
                "to zero. Train on rows that differ"
            )
        if self.center:  # the mean of equal rows is rounded, and the rounding error would be scaled up
            self.mean.copy_(embeddings[0] if equal else embeddings.mean(0))
        if self.radius is not None:
            norms = torch.linalg.vector_norm((embeddings - self.mean)[:, : self.kept], dim=1)
            radius = norms.square().mean().sqrt()
            self.radius.copy_(radius if radius > 0.0 else torch.ones(()))  # all rows alike: nothing to scale

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return states `(batch, 2**n_qubits)`, real and normalised.

        Raises:
            EncoderError: when an embedding is zero or not finite.
        """
        kept = (embeddings - self.mean)[:, : self.kept]
        norms = torch.linalg.vector_norm(kept, dim=1, keepdim=True)
        least, most = torch.aminmax(norms.detach())
        if not 0.0 < float(least) <= float(most) < math.inf:  # also true of NaN
            self._reject(norms)
        if self.training and self.jitter > 0.0:
            length = norms if self.radius is None else self.radius
            kept = kept + self.jitter / math.sqrt(self.kept) * length * torch.randn_like(kept)
            norms = torch.linalg.vector_norm(kept, dim=1, keepdim=True)
        length = norms if self.radius is None else self.radius
        scale = torch.hypot(norms / length, norms.new_tensor(self.offset))
        states: Tensor = nn.functional.pad(kept, (0, self.size - self.kept)) / (length * scale)
        if self.offset > 0.0:
            states[:, self.kept] = self.offset / scale.squeeze(1)
        return states

    def _reject(self, norms: Tensor) -> None:
        empty = norms == 0.0 if self.radius is None else torch.zeros_like(norms, dtype=torch.bool)
        bad = (empty | ~norms.isfinite()).nonzero()
        if len(bad):
            row = int(bad[0, 0])
            raise EncoderError(
                f"row {row} of a batch has an embedding of norm {float(norms[row]):g}"
                f"{' after centring' if self.center else ''}, which no quantum state can hold. "
                "Check the text for content, or choose another text_encoder"
            )


class Rotation(nn.Module):
    """A fixed random orthogonal matrix on the first `size` amplitudes, uniform over the orthogonal group.

    The Q factor of a matrix of independent normal numbers, its columns signed by the diagonal of R: Mezzadri (2007),
    How to generate random matrices from the classical compact groups, arXiv:math-ph/0609050. The matrix follows from
    its seed, so it is not in the state dict.

    Args:
        size: number of amplitudes that it rotates.
        seed: seed of the matrix.
    """

    matrix: Tensor

    def __init__(self, size: int, seed: int) -> None:
        super().__init__()
        check_fits(
            24 * size**2, "the numbers of a random rotation", "Set feature_encoder.rotate=false, or use fewer qubits"
        )
        normal = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        q, r = torch.linalg.qr(normal)
        self.register_buffer("matrix", (q * r.diagonal().sign()).to(torch.get_default_dtype()), persistent=False)

    def forward(self, states: Tensor) -> Tensor:
        """Return the rotated states `(batch, 2**n_qubits)`; amplitudes beyond `size` stay unchanged."""
        size = len(self.matrix)
        return torch.cat((states[:, :size] @ self.matrix, states[:, size:]), dim=1)
