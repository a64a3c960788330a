"""Ablation: the experiment without each of its modules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Final, Literal

from hqlm.ablation import ABLATIONS
from hqlm.errors import ConfigError
from hqlm.registry import suggestion
from hqlm.studies.designs.base import Analysis, Design, Setting
from hqlm.studies.designs.two_level import check_keys
from hqlm.studies.factors import Factor

KEYS: Final = ("model.head.ablate", "model.ablate")  # of models of texts, and of energies


@dataclass(frozen=True)
class Ablation(Design):
    """The base experiment, and the same with one switch thrown: a module removed, or a factor off its first level.

    Args:
        words: modules to remove, as `model.head.ablate` names them.
        pairs: also every two switches together.
        key: option that takes the words: `model.head.ablate`, or `model.ablate` of VQE and QAOA.

    Raises:
        ConfigError: for a word that no model knows.
    """

    analysis: ClassVar[Analysis] = "ablation"
    words: tuple[str, ...] = ()
    pairs: bool = False
    key: Literal["model.head.ablate", "model.ablate"] = "model.head.ablate"

    def __post_init__(self) -> None:
        for word in self.words:
            if word not in ABLATIONS:
                raise ConfigError(f"Ablation: there is no word '{word}'. {suggestion(word, ABLATIONS)}")
        if len(set(self.words)) < len(self.words):
            raise ConfigError(f"Ablation: a word stands twice in {list(self.words)}")

    def settings(self, factors: Sequence[Factor]) -> tuple[Setting, ...]:
        """Return the base first, then single switches, then pairs."""
        check_keys(self, factors, 0)
        ranges = [factor.key for factor in factors if factor.is_range]
        if ranges:
            raise ConfigError(f"Ablation throws switches; {ranges[0]} is a range. Give levels, that of the base first")
        switches: list[tuple[str, Any]] = [(self.key, word) for word in self.words]
        switches += [(factor.key, level) for factor in factors for level in factor.levels[1:]]
        if not switches:
            raise ConfigError("Ablation needs words, or factors whose first level is that of the base")
        base = {factor.key: factor.levels[0] for factor in factors}
        chosen = [(), *((switch,) for switch in switches)]
        if self.pairs:
            chosen += [pair for pair in combinations(switches, 2) if pair[0][0] == self.key or pair[0][0] != pair[1][0]]
        return tuple(Setting(self._overrides(base, thrown), "run" if thrown else "base") for thrown in chosen)

    def n_settings(self, factors: Sequence[Factor]) -> int:
        """Return the base, the switches, and the pairs of switches that no factor forbids."""
        levels = [len(factor.levels) - 1 for factor in factors if factor.levels]
        switches = len(self.words) + sum(levels)
        pairs = math.comb(switches, 2) - sum(math.comb(count, 2) for count in levels) if self.pairs else 0
        return 1 + switches + pairs

    def _overrides(self, base: dict[str, Any], thrown: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        removed = [value for key, value in thrown if key == self.key]
        others = {key: value for key, value in thrown if key != self.key}
        return base | others | ({self.key: removed} if self.words else {})

    def aliasing(self, factors: Sequence[Factor]) -> str:
        """Return what is compared with what."""
        count = len(self.settings(factors)) - 1
        return (
            f"Ablation, {count + 1} runs a block: each of {count} variants is compared with the base alone. What two "
            "switches do together is known only where their pair is run."
        )
