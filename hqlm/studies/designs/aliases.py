"""Which effects a two-level matrix cannot tell apart: defining relation, alias chains, partial aliasing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LETTERS: Final = "ABCDEFGHJKLMNOPQRSTUVWXYZabcdefghjklmnopqrstuvwxyz"  # I is the identity
_LONGEST: Final = 5  # of the words of a defining relation that are looked for and told
_CHAINS: Final = 40  # told at most


def legend(keys: Sequence[str]) -> str:
    """Return which letter stands for which factor."""
    return "\n".join(f"  {letter} = {key}" for letter, key in zip(LETTERS, keys, strict=False))


def defining_words(matrix: Array, longest: int = _LONGEST) -> list[str]:
    """Products of columns that are constant, as signed words such as `ABD` or `-ACE`, shortest first.

    Args:
        matrix: of -1 and 1 `(runs, factors)`.
        longest: length of the longest words to look for.
    """
    words = []
    for length in range(1, min(longest, matrix.shape[1]) + 1):
        for columns in combinations(range(matrix.shape[1]), length):
            product = matrix[:, columns].prod(axis=1)
            if np.all(product == product[0]):
                words.append(("" if product[0] > 0 else "-") + _word(columns))
    return words


def resolution(matrix: Array) -> int | None:
    """Length of the shortest word of the defining relation; None when there is none of up to 5 letters."""
    words = defining_words(matrix)
    return len(words[0].removeprefix("-")) if words else None


def alias_chains(matrix: Array) -> list[str]:
    """Main effects and two-factor interactions that are the same column, such as `A = BD = -CE`; lonely ones left out.

    Args:
        matrix: of -1 and 1 `(runs, factors)`.
    """
    chains: dict[bytes, list[tuple[float, str]]] = {}
    for length in (1, 2):
        for columns in combinations(range(matrix.shape[1]), length):
            product = matrix[:, columns].prod(axis=1)
            chains.setdefault((product * product[0]).tobytes(), []).append((product[0], _word(columns)))
    return [
        " = ".join(("" if sign == chain[0][0] else "-") + word for sign, word in chain)
        for chain in chains.values()
        if len(chain) > 1
    ]


def partial_aliasing(matrix: Array) -> float:
    """Return the largest absolute correlation below 1 between a main effect and an interaction of two other factors."""
    pairs = np.array([matrix[:, pair].prod(axis=1) for pair in combinations(range(matrix.shape[1]), 2)])
    shared = np.abs(pairs @ matrix) / len(matrix)
    return float(shared[shared < 1.0].max(initial=0.0))


def describe(matrix: Array, keys: Sequence[str]) -> str:
    """Legend, defining relation and chains of a matrix, with what they mean in words."""
    chains, words, partial = alias_chains(matrix), defining_words(matrix), partial_aliasing(matrix)
    parts = [legend(keys)]
    if words:
        parts.append(f"Defining relation (words of up to {_LONGEST} letters): I = " + " = ".join(words))
    mains = [chain for chain in chains if len(chain.split(" = ")[0]) == 1]
    if mains:
        parts.append(
            "Main effects that cannot be told from interactions of two factors (each estimate is the sum of its chain):"
        )
        parts += [f"  {chain}" for chain in mains]
    elif partial == 0.0:
        parts.append("Main effects are free of interactions of two factors.")
    if partial > 0.0:
        parts.append(
            "Partial aliasing: an interaction of two factors adds up to "
            f"{partial:.2g} of its size, with either sign, to main effects of other factors. A main effect can be "
            "trusted where interactions are small beside it; the lack-of-fit test of the report tells whether they are."
        )
    pairs = [chain for chain in chains if chain not in mains]
    if pairs:
        parts.append("Interactions that cannot be told from each other:")
        parts += [f"  {chain}" for chain in pairs[:_CHAINS]]
    if len(pairs) > _CHAINS:
        parts.append(f"  and {len(pairs) - _CHAINS} chains more")
    if not (chains or words or partial):
        parts.append("No main effect and no interaction of two factors is aliased with another of them.")
    return "\n".join(parts)


def _word(columns: Sequence[int]) -> str:
    return "".join(LETTERS[column] for column in columns)
