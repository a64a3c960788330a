"""A seeded grammar of short reviews whose sentiment is computed from how their parts are composed.

A benchmark for heads on text embeddings needs sentences where the opinion words alone do not give the label
away: here negation, contrast, concession and expectation decide, and every sentence has a near-twin of the
opposite label.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from tools.reviews.aspects import DOMAINS, NEGATIVE, POSITIVE, Aspect

LABELS = {POSITIVE: "positive", NEGATIVE: "negative"}
WORD_COUNTS = range(5, 31)


FAINT = ("", "", "fairly", "rather")
BARE = ("",)
STRONG = ("very", "really", "truly", "extremely")
FEELINGS = {
    POSITIVE: ("loved", "liked", "enjoyed", "was delighted with"),
    NEGATIVE: ("hated", "disliked", "was annoyed by", "was fed up with"),
}


@dataclass(frozen=True)
class Opinion:
    """A leaf of the grammar: a word about an aspect, in every form that the rules write it in."""

    polarity: int
    word: str
    also: str  # another word of the same polarity about the same aspect
    graded: str  # 'rather dull'
    subject: str  # 'the plot in this film'
    noun_phrase: str  # 'a rather dull plot'
    anaphor: str  # 'a rather dull one', once the aspect was named
    felt: str  # 'hated'
    be: str  # 'is', 'were'
    it: str  # 'it', 'they'
    s: str  # the ending of a verb in the present tense


@dataclass(frozen=True)
class Phrase:
    """An inner node of the grammar: words, and the polarity they were composed to."""

    text: str
    polarity: int


@dataclass(frozen=True)
class Rule:
    """How parts are written together; the whole means `sign` times the polarity of the part that decides."""

    text: str
    sign: int = 1
    decides: int = 0

    def apply(self, *parts: Opinion | Phrase) -> Phrase:
        """Compose the parts into one phrase."""
        return Phrase(self.text.format(*parts), self.sign * parts[self.decides].polarity)


# Rules over the same parts: those that keep and those that flip the polarity of the first.
Family = tuple[tuple[Rule, ...], tuple[Rule, ...]]


def _family(keep: list[str], flip: list[str]) -> Family:
    return tuple(Rule(text) for text in keep), tuple(Rule(text, sign=-1) for text in flip)


# One opinion, in a clause that may stand inside a longer sentence.
CLAUSES = _family(
    keep=["{0.subject} {0.be} {0.graded}", "{0.subject} {0.be} {0.word} and {0.also}"],
    flip=[
        "{0.subject} {0.be} not {0.word}",
        "{0.subject} {0.be} hardly {0.word}",
        "{0.subject} {0.be} far from {0.word}",
        "{0.subject} {0.be} neither {0.word} nor {0.also}",
    ],
)
# The same, said with emphasis.
EMPHATIC = (
    Rule("{0.subject} {0.be} {0.graded}"),
    Rule("{0.subject} {0.be} {0.graded} and {0.also}"),
    Rule("I {0.felt} {0.subject}"),
    Rule("I {0.felt} {0.subject} because {0.it} {0.be} {0.graded}"),
)
# One opinion, in a whole sentence: negation, double negation, expectation, hearsay.
VERDICTS = _family(
    keep=[
        "{0.subject} {0.be} both {0.word} and {0.also}",
        "{0.subject} {0.be} nothing if not {0.word}",
        "no one would call {0.subject} anything but {0.word}",
        "it would be wrong to say that {0.subject} {0.be} not {0.word}",
        "I expected {0.subject} to be {0.word}, and I was right",
        "the reviews call {0.subject} {0.word} and {0.also}, and I agree",
    ],
    flip=[
        "{0.subject} could never be called {0.word}",
        "{0.subject} {0.be} anything but {0.word}",
        "no one would call {0.subject} {0.word}",
        "there is nothing {0.word} about {0.subject}",
        "I expected {0.subject} to be {0.word}, and I was wrong",
        "the reviews call {0.subject} {0.word} and {0.also}, but I disagree",
    ],
)
# A clause, and another aspect that does or does not outweigh it.
OUTWEIGHED = {
    NEGATIVE: _family(
        keep=["{0.text}, and {1.subject} cannot make up for it", "{0.text}, and not even {1.subject} can save the day"],
        flip=["{0.text}, but {1.subject} more than make{1.s} up for it", "{0.text}, but {1.subject} save{1.s} the day"],
    ),
    POSITIVE: _family(
        keep=["{0.text}, and {1.subject} cannot change that", "{0.text}, and not even {1.subject} can spoil that"],
        flip=["{0.text}, but {1.subject} completely spoil{1.s} that", "{0.text}, but {1.subject} ruin{1.s} everything"],
    ),
}
# Two clauses of the same polarity.
AGREEMENTS = (
    Rule("{0.text}, and {1.text}"),
    Rule("{0.text}, and on top of that {1.text}"),
    Rule("{0.text}, and what is more, {1.text}"),
)
# Two clauses of opposite polarity: contrast and concession.
CONTRASTS = (
    Rule("{0.text}, but {1.text}", decides=1),
    Rule("{0.text}, and yet {1.text}", decides=1),
    Rule("{0.text}, but that hardly matters: {1.text}", decides=1),
    Rule("although {0.text}, {1.text}", decides=1),
    Rule("even if {0.text}, {1.text}", decides=1),
    Rule("{0.text}, although {1.text}"),
    Rule("{0.text}, even if {1.text}"),
)
# An opinion without a verb, and a clause of opposite polarity.
CONCESSIONS = (
    Rule("despite {0.noun_phrase}, {1.text}", decides=1),
    Rule("even with {0.noun_phrase}, {1.text}", decides=1),
    Rule("{1.text}, {0.noun_phrase} notwithstanding", decides=1),
    Rule("{0.noun_phrase} cannot change the fact that {1.text}", decides=1),
)
# Two opposite opinions about the same aspect.
TURNS = (
    Rule("I expected {0.noun_phrase} and got {1.anaphor}", decides=1),
    Rule("I got {0.noun_phrase} when I expected {1.anaphor}"),
    Rule("what looked like {0.noun_phrase} turned out to be {1.anaphor}", decides=1),
    Rule("{0.subject} {0.be} {0.word} rather than {1.word}"),
    Rule("{0.subject} {0.be} not {0.word} but {1.word}", decides=1),
)
Twins = tuple[Phrase, Phrase]
OPENINGS = ("", "", "", "", "honestly, ", "frankly, ", "to be honest, ")


@dataclass(frozen=True)
class Scene:
    """What the two twins of a draw share: two aspects of one domain, the place and the tense."""

    rng: random.Random
    aspects: tuple[Aspect, Aspect]
    place: str
    past: bool

    def opinion(self, index: int, polarity: int, degrees: tuple[str, ...] = FAINT) -> Opinion:
        """Draw an opinion of one polarity about the aspect at `index`; only the first names its place."""
        aspect = self.aspects[index]
        word, also = self.rng.sample(aspect.words(polarity), 2)
        graded = f"{self.rng.choice(degrees)} {word}".lstrip()
        plural = aspect.number == "plural"
        article = ("an " if graded[0] in "aeiou" else "a ") if aspect.number == "count" else ""
        one = {"count": "one", "mass": aspect.noun, "plural": "ones"}[aspect.number]
        singular_be, plural_be = ("was", "were") if self.past else ("is", "are")
        return Opinion(
            polarity,
            word,
            also,
            graded,
            subject=f"the {aspect.noun}{self.place}" if index == 0 else f"the {aspect.noun}",
            noun_phrase=f"{article}{graded} {aspect.noun}",
            anaphor=f"{article}{graded} {one}",
            felt=self.rng.choice(FEELINGS[polarity]),
            be=plural_be if plural else singular_be,
            it="they" if plural else "it",
            s="" if plural else "s",
        )

    def clause(self, index: int, polarity: int) -> Phrase:
        """Draw a clause of one polarity; one in four negates an opinion of the other polarity."""
        flip = self.rng.random() < 0.25
        return self.rng.choice(CLAUSES[flip]).apply(self.opinion(index, -polarity if flip else polarity))

    def emphatic(self, index: int, polarity: int) -> Phrase:
        """Draw a clause of one polarity that leaves no doubt."""
        return self.rng.choice(EMPHATIC).apply(self.opinion(index, polarity, STRONG))

    def twins(self, family: Family, *parts: Opinion | Phrase) -> Twins:
        """Apply to the same parts one rule that keeps and one that flips their polarity."""
        keep, flip = family
        return self.rng.choice(keep).apply(*parts), self.rng.choice(flip).apply(*parts)


def _plain(scene: Scene, polarity: int) -> Twins:
    return scene.emphatic(0, polarity), scene.emphatic(0, -polarity)


def _agreement(scene: Scene, polarity: int) -> Twins:
    rule = scene.rng.choice(AGREEMENTS)
    return (
        rule.apply(scene.clause(0, polarity), scene.emphatic(1, polarity)),
        rule.apply(scene.clause(0, -polarity), scene.emphatic(1, -polarity)),
    )


def _verdict(scene: Scene, polarity: int) -> Twins:
    return scene.twins(VERDICTS, scene.opinion(0, polarity))


def _outweighed(scene: Scene, polarity: int) -> Twins:
    return scene.twins(OUTWEIGHED[polarity], scene.clause(0, polarity), scene.opinion(1, -polarity))


def _contrast(scene: Scene, polarity: int) -> Twins:
    rule = scene.rng.choice(CONTRASTS)
    parts = [scene.clause(0, polarity), scene.clause(1, -polarity)]
    winner = rule.decides
    swapped = parts[::-1]
    # A reviewer stresses what decides; it also leaves a linear model something to learn.
    parts[winner] = scene.emphatic(winner, parts[winner].polarity)
    swapped[winner] = scene.emphatic(1 - winner, swapped[winner].polarity)
    return rule.apply(*parts), rule.apply(*swapped)


def _concession(scene: Scene, polarity: int) -> Twins:
    rule = scene.rng.choice(CONCESSIONS)
    return (
        rule.apply(scene.opinion(0, polarity, BARE), scene.emphatic(1, -polarity)),
        rule.apply(scene.opinion(1, -polarity, BARE), scene.emphatic(0, polarity)),
    )


def _turn(scene: Scene, polarity: int) -> Twins:
    rule = scene.rng.choice(TURNS)
    first, second = scene.opinion(0, polarity, BARE), scene.opinion(0, -polarity, BARE)
    return rule.apply(first, second), rule.apply(second, first)


# How often each construction is drawn. A linear model reads the first two well, the next two often, and the
# others hardly better than by chance; the weights keep it between 80 and 90 % overall.
CONSTRUCTIONS: dict[Callable[[Scene, int], Twins], int] = {
    _plain: 12,
    _agreement: 14,
    _contrast: 7,
    _concession: 7,
    _outweighed: 2,
    _verdict: 4,
    _turn: 2,
}


def _draw_twins(rng: random.Random) -> Twins:
    place = rng.choice(list(DOMAINS))
    first, second = rng.sample(DOMAINS[place], 2)
    scene = Scene(rng, (first, second), rng.choice((f" {place}", "")), rng.random() < 0.5)
    (construction,) = rng.choices(list(CONSTRUCTIONS), list(CONSTRUCTIONS.values()))
    return construction(scene, rng.choice((POSITIVE, NEGATIVE)))


def _sentence(opening: str, phrase: Phrase) -> str:
    text = opening + phrase.text
    return f"{text[0].upper()}{text[1:]}."


def _normal_form(sentence: str) -> str:
    """Reduce a sentence to what must be distinct: its letters, without case, space and punctuation."""
    return "".join(re.findall("[a-z0-9]", sentence.lower()))


def generate(count: int = 4000, seed: int = 0) -> list[tuple[str, str]]:
    """Draw `count` distinct (sentence, label) pairs, half 'positive' and half 'negative'.

    Args:
        count: How many pairs, an even number. They are drawn as near-twins of opposite label, then shuffled.
        seed: Seed of the draw; the same (count, seed) always gives the same list.

    Raises:
        ValueError: If `count` is odd or negative.
    """
    if count < 0 or count % 2:
        raise ValueError(f"count={count} cannot be split evenly between two labels; use an even number >= 0")
    rng = random.Random(seed)
    seen: set[str] = set()
    pairs: list[tuple[str, str]] = []
    while len(pairs) < count:
        opening = rng.choice(OPENINGS)
        twins = [(_sentence(opening, phrase), LABELS[phrase.polarity]) for phrase in _draw_twins(rng)]
        forms = {_normal_form(sentence) for sentence, _ in twins}
        if forms & seen or any(len(sentence.split()) not in WORD_COUNTS for sentence, _ in twins):
            continue
        seen |= forms
        pairs.extend(twins)
    rng.shuffle(pairs)
    return pairs
