"""The slot of experimental designs: which trials a study runs, in which order."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from hqlm.contracts import returns
from hqlm.errors import ConfigError
from hqlm.registry import Component
from hqlm.studies.factors import Factor

Kind = Literal["run", "center", "base"]
Overrides = tuple[tuple[str, Any], ...]
Analysis = Literal["effects", "ablation", "trend"]


@dataclass(frozen=True)
class Trial:
    """One training run of a study.

    Args:
        overrides: dotted keys of the experiment with their values, sorted by key.
        seed: of initial values, order and shots.
        block: number of its block; a block has one seed and holds all settings of the design once.
        replicate: replicate index within one seed of the study, from 0.
        kind: `run`, `center` for centre points, `base` for the experiment that an ablation starts from.
    """

    overrides: Overrides
    seed: int
    block: int = 0
    replicate: int = 0
    kind: Kind = "run"


@dataclass(frozen=True)
class Setting:
    """Setting of the factors that a design runs once in every block.

    Args:
        overrides: values by dotted key, in the order of the factors.
        kind: as of a trial.
    """

    overrides: dict[str, Any]
    kind: Kind = "run"


@dataclass(frozen=True)
class Design(Component):
    """Base of all designs: settings of the factors, run once for each seed, in an order drawn at random in each block.

    Trials of one seed share initial values, order of the rows and shots as far as their sizes allow: they are a block,
    and the analysis takes the differences between blocks out.

    Args:
        replicates: blocks for each seed of the study; from the second on their seeds are drawn from it.
        order_seed: of the order within blocks, and of all else that a design draws.

    Attributes:
        analysis: what is asked of the results: effects of factors, differences to a base, or a trend.
    """

    analysis: ClassVar[Analysis] = "effects"
    replicates: int = field(default=1, kw_only=True)
    order_seed: int = field(default=0, kw_only=True)

    def trials(self, factors: Sequence[Factor], seeds: Sequence[int]) -> tuple[Trial, ...]:
        """Return all trials in the order in which to run them: block after block, within a block at random.

        Raises:
            ConfigError: for factors that the design cannot have, seeds that stand twice or none, no replicates.
        """
        if not seeds or len(set(seeds)) < len(seeds) or self.replicates < 1:
            raise ConfigError(
                f"a study needs replicates >= 1 and one or more seeds, each once; given {self.replicates} and "
                f"{list(seeds)!s:.80}"
            )
        settings = self.settings(factors)
        order = np.random.default_rng([self.order_seed, len(settings)])
        blocks = [(replicate, _block_seed(seed, replicate)) for replicate in range(self.replicates) for seed in seeds]
        return tuple(
            Trial(tuple(sorted(settings[place].overrides.items())), seed, block, replicate, settings[place].kind)
            for block, (replicate, seed) in enumerate(blocks)
            for place in order.permutation(len(settings))
        )

    @abstractmethod
    @returns(
        "a tuple of Setting, one or more",
        lambda found, *_: (
            isinstance(found, tuple | list) and len(found) > 0 and all(isinstance(each, Setting) for each in found)
        ),
    )
    def settings(self, factors: Sequence[Factor]) -> tuple[Setting, ...]:
        """Return what is run once in every block, in standard order.

        Raises:
            ConfigError: for factors that the design cannot have, saying which design can.
        """

    def n_settings(self, factors: Sequence[Factor]) -> int:
        """Return the number of settings; designs that can be large know it without making them.

        Raises:
            ConfigError: as for `settings`.
        """
        return len(self.settings(factors))

    @abstractmethod
    @returns("a text", lambda found, *_: isinstance(found, str))
    def aliasing(self, factors: Sequence[Factor]) -> str:
        """Return in plain words and chains which effects the design cannot tell apart, before anything runs."""

    @returns(
        "a tuple of pairs of keys",
        lambda found, *_: (
            isinstance(found, tuple | list) and all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in found)
        ),
    )
    def interactions(self, factors: Sequence[Factor]) -> tuple[tuple[str, str], ...]:
        """Factors whose interactions the design can estimate beside all main effects, by key."""
        return ()


def _block_seed(seed: int, replicate: int) -> int:
    """Return the seed itself for the first replicate: the same trial with the same seed would be no replicate."""
    return seed if replicate == 0 else int(np.random.SeedSequence([seed, replicate]).generate_state(1)[0])
