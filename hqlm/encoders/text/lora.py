"""Low-rank updates of the linear layers of a transformer, with peft."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from importlib.util import find_spec

from torch import nn

from hqlm.errors import ConfigError, MissingDependency
from hqlm.plain import PlainFields


@dataclass(frozen=True)
class LoRA(PlainFields):
    """Low-rank updates `W + (alpha / rank) B A` of all linear layers, trained instead of the weights W.

    Source: Hu et al. (2021), LoRA: low-rank adaptation of large language models, arXiv:2106.09685.

    Args:
        rank: rank of the updates, 1 or more.
        alpha: scale of the updates, which are multiplied by alpha / rank.
    """

    rank: int = 8
    alpha: int = 16

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1:
            raise ConfigError(
                f"text_encoder.lora needs rank 1 or more and alpha 1 or more, given rank={self.rank} and "
                f"alpha={self.alpha}: it would train nothing. Leave lora out to train all weights"
            )
        if find_spec("peft") is None:
            raise MissingDependency("text_encoder.lora needs peft: pip install 'hqlm[lora]'")

    def add_to(self, transformer: nn.Module) -> None:
        """Add updates to the linear layers in placeand freeze everything else."""
        from peft import LoraConfig, inject_adapter_in_model

        transformer.requires_grad_(False)
        config = LoraConfig(r=self.rank, lora_alpha=self.alpha, target_modules="all-linear")
        inject_adapter_in_model(config, transformer)


def merge(model: nn.Module) -> nn.Module:
    """Return a copy with the updates merged into the weights, without peft."""
    from peft.tuners.lora import LoraLayer

    result = copy.deepcopy(model)
    for name, layer in list(result.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge()
            result.set_submodule(name, layer.get_base_layer())
    return result
