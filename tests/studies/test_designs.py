"""Designs against the matrices of textbooks, and what they refuse."""

import itertools

import numpy as np
import pytest

from hqlm.errors import ConfigError, DocumentError
from hqlm.studies.designs import (
    DESIGNS,
    Ablation,
    DefinitiveScreening,
    FractionalFactorial,
    FullFactorial,
    LatinHypercube,
    OrthogonalArray,
    PlackettBurman,
    RandomDesign,
    Scaling,
)
from hqlm.studies.designs.aliases import alias_chains, defining_words, partial_aliasing, resolution
from hqlm.studies.designs.fractional_factorial import GENERATORS
from hqlm.studies.designs.orthogonal_array import is_orthogonal
from hqlm.studies.designs.random import codes, largest_correlation
from hqlm.studies.factors import Factor, read_factors
from hqlm.studies.study import Study
from tests.registries import shipped

LEVELS = [Factor(f"model.f{i}", (1, 3)) for i in range(8)]
RANGES = [Factor(f"model.r{i}", low=1.0, high=3.0) for i in range(6)]
MIXED = [*LEVELS[:2], Factor("data.a", ("x", "y", "z")), Factor("data.b", (1, 2, 3))]
CASES = {
    "Ablation": (Ablation(words=("offset", "quantum")), []),
    "DefinitiveScreening": (DefinitiveScreening(), RANGES),
    "FractionalFactorial": (FractionalFactorial(), LEVELS),
    "FullFactorial": (FullFactorial(), MIXED),
    "LatinHypercube": (LatinHypercube(), RANGES),
    "OrthogonalArray": (OrthogonalArray(), MIXED),
    "PlackettBurman": (PlackettBurman(), LEVELS),
    "RandomDesign": (RandomDesign(), [*RANGES, MIXED[2]]),
    "Scaling": (Scaling(), [Factor("q", (4, 6, 8))]),
}


def test_every_design_is_tried_here():
    assert shipped(DESIGNS) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_block_has_one_seed_and_every_setting_once_in_an_order_of_its_own(name):
    design, factors = CASES[name]
    trials = design.trials(factors, [3, 5])
    assert trials == design.trials(factors, [3, 5])
    first, second = ([t for t in trials if t.block == block] for block in (0, 1))
    assert trials == (*first, *second)
    assert ({t.seed for t in first}, {t.seed for t in second}) == ({3}, {5})
    assert sorted(map(str, (t.overrides for t in first))) == sorted(map(str, (t.overrides for t in second)))
    if len(first) > 3:
        assert [t.overrides for t in first] != [t.overrides for t in second]
        assert [t.overrides for t in first] != [
            t.overrides for t in type(design)(**_fields(design)).trials(factors, [3])
        ]
    assert design.aliasing(factors)


def _fields(design):
    return {**design.__getstate__(), "order_seed": 1}


def test_replicates_are_blocks_with_seeds_of_their_own():
    trials = PlackettBurman(replicates=2).trials(LEVELS, [0, 1])
    seeds = {t.block: t.seed for t in trials}
    assert len(set(seeds.values())) == 4
    assert [seeds[0], seeds[1]] == [0, 1]
    assert {t.block: t.replicate for t in trials} == {0: 0, 1: 0, 2: 1, 3: 1}
    with pytest.raises(ConfigError, match="one or more seeds, each once"):
        PlackettBurman().trials(LEVELS, [1, 1])


def test_plackett_burman_is_the_published_matrix_of_twelve_runs():
    """Plackett and Burman (1946): cyclic shifts of + + - + + + - - - + -, and a run of all -; up to order and signs."""
    published = np.array([1, 1, -1, 1, 1, 1, -1, -1, -1, 1, -1])
    table = np.vstack([*(np.roll(published, k) for k in range(11)), -np.ones(11)])
    ours = PlackettBurman().matrix(11)
    assert np.array_equal(ours.T @ ours, 12 * np.eye(11))
    # equal up to the order of runs and columns and the sign of columns: the same distances between runs, the same |J3|
    for one, other in ((ours, table),):
        distances = [
            sorted((m[a] != m[b]).sum() for a, b in itertools.combinations(range(12), 2)) for m in (one, other)
        ]
        triples = [
            sorted(abs(m[:, c].prod(axis=1).sum()) for c in itertools.combinations(range(11), 3)) for m in (one, other)
        ]
        assert distances[0] == distances[1]
        assert triples[0] == triples[1]
    assert partial_aliasing(ours) == pytest.approx(1 / 3)
    assert [tuple(s.overrides.values()) for s in PlackettBurman().settings(LEVELS[:2])] == [
        tuple(np.where(row > 0, 3, 1)) for row in PlackettBurman().matrix(2)
    ]
    assert "adds up to 0.33 of its size" in PlackettBurman().aliasing([Factor(f"f{i}", (0, 1)) for i in range(11)])


@pytest.mark.parametrize("n_factors", [2, 3, 7, 12, 19, 23, 24, 27, 31, 39, 47])
def test_plackett_burman_has_orthogonal_columns_at_every_size(n_factors):
    matrix = PlackettBurman().matrix(n_factors)
    assert np.array_equal(matrix.T @ matrix, len(matrix) * np.eye(n_factors))
    assert not matrix.sum(axis=0).any()


TABLED = {  # resolutions of Montgomery (2012), table 8.14; none above 5 is looked for
    (3, 4): 3, (4, 8): 4, (5, 8): 3, (5, 16): 5, (6, 8): 3, (6, 16): 4, (6, 32): None, (7, 8): 3, (7, 16): 4,
    (7, 32): 4, (7, 64): None, (8, 16): 4, (8, 32): 4, (8, 64): 5, (9, 16): 3, (9, 32): 4, (9, 64): 4, (10, 16): 3,
    (10, 32): 4, (10, 64): 4, (11, 16): 3, (11, 32): 4, (11, 64): 4,
}  # fmt: skip
FOURS = {(8, 32): 3, (7, 32): 1, (9, 32): 6, (10, 32): 10, (8, 16): 14, (7, 16): 7, (6, 16): 3, (11, 32): 25}


def test_fractions_have_the_tabled_resolution_and_least_aberration():
    assert set(TABLED) == set(GENERATORS)
    for (n_factors, runs), known in TABLED.items():
        matrix = FractionalFactorial(resolution=3, runs=runs).matrix(n_factors)
        assert np.array_equal(matrix.T @ matrix, runs * np.eye(n_factors))
        assert resolution(matrix) == known
    for (n_factors, runs), count in FOURS.items():  # words of four letters, Chen, Sun and Wu (1993)
        words = defining_words(FractionalFactorial(runs=runs).matrix(n_factors), 4)
        assert len(words) == count


def test_fractions_has_the_chains_of_the_textbook():
    matrix = FractionalFactorial(runs=8).matrix(4)
    assert defining_words(matrix) == ["ABCD"]
    assert alias_chains(matrix) == ["AB = CD", "AC = BD", "AD = BC"]
    assert alias_chains(FractionalFactorial(resolution=5).matrix(5)) == []
    assert FractionalFactorial().interactions(LEVELS) == ()
    assert len(FractionalFactorial(resolution=5).interactions(LEVELS[:5])) == 10
    other_half = matrix[:, :3].copy()
    other_half[:, 2] = -matrix[:, 0] * matrix[:, 1]  # I = -ABC
    assert defining_words(other_half) == ["-ABC"]
    assert partial_aliasing(other_half) == 0.0  # what is aliased is so in full
    assert sorted(alias_chains(other_half)) == ["A = -BC", "B = -AC", "C = -AB"]
    text = FractionalFactorial(resolution=3, runs=4).aliasing(LEVELS[:3])
    assert "resolution III" in text
    assert "I = ABC" in text
    assert "A = BC" in text
    assert "  B = model.f1" in text


def test_fractions_refuse_runs_that_do_not_reach_the_resolution():
    with pytest.raises(ConfigError, match=r"64 runs of 9 factors have resolution 4, not 5"):
        FractionalFactorial(resolution=5, runs=64).matrix(9)
    with pytest.raises(ConfigError, match=r"for 8 factors runs may be 16, 32, 64, given 12"):
        FractionalFactorial(runs=12).matrix(8)
    with pytest.raises(ConfigError, match="resolution is 3, 4 or 5"):
        FractionalFactorial(resolution=2)


@pytest.mark.parametrize("n_factors", range(3, 13))
def test_definitive_screening_keeps_main_effects_clear_of_all_second_order_effects(n_factors):
    """The defining properties of Jones and Nachtsheim (2011): 2m+1 runs for m factors, m even, or m+1 for odd m."""
    matrix = DefinitiveScreening().matrix(n_factors)
    assert len(matrix) == 2 * (n_factors + n_factors % 2) + 1
    pairs = itertools.combinations_with_replacement(range(n_factors), 2)
    second = np.array([matrix[:, a] * matrix[:, b] for a, b in pairs])
    assert not (second @ matrix).any()
    gram = matrix.T @ matrix
    assert np.array_equal(gram, np.diag(np.diag(gram)))
    assert ((matrix == 0).sum(axis=0) == 3).all()


def test_full_factorial_is_every_combination_and_a_centre_point_where_asked_for():
    settings = FullFactorial(center_point=True).settings(LEVELS[:2])
    assert [tuple(s.overrides.values()) for s in settings] == [(1, 1), (1, 3), (3, 1), (3, 3), (2, 2)]
    assert [s.kind for s in settings] == ["run"] * 4 + ["center"]
    assert FullFactorial().interactions(MIXED) == (("model.f0", "model.f1"),)
    with pytest.raises(ConfigError, match="no whole number lies in the middle of 1 and 2"):
        FullFactorial(center_point=True).settings([Factor("n", (1, 2)), LEVELS[0]])
    with pytest.raises(ConfigError, match="is no midpoint"):
        PlackettBurman(center_point=True).settings([Factor("n", ("a", "b")), LEVELS[0]])


def test_orthogonal_arrays_are_balanced_in_pairs_and_unbalanced_ones_are_passed_over():
    name, array = OrthogonalArray().array(MIXED)
    assert name == "L36(3^23)"
    assert is_orthogonal(array)
    assert is_orthogonal(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))
    assert not is_orthogonal(np.array([[0, 0], [0, 1], [1, 0], [1, 1], [1, 1]]))
    assert OrthogonalArray().array([Factor(f"f{i}", (1, 2, 3)) for i in range(4)])[1].shape == (9, 4)
    with pytest.raises(ConfigError, match="no orthogonal array has room"):
        OrthogonalArray().array([Factor("f", tuple(range(7))), LEVELS[0]])


def test_hypercubes_visit_every_part_of_every_range_once():
    settings = LatinHypercube(runs=10).settings([Factor("a", low=0.001, high=1.0, log=True), RANGES[0]])
    codes = np.array([Factor("a", low=0.001, high=1.0, log=True).code(s.overrides["a"]) for s in settings])
    assert sorted(np.floor((codes + 1) / 2 * 10).astype(int)) == list(range(10))
    with pytest.raises(ConfigError, match=r"LatinHypercube needs ranges; model.f0 has levels.*RandomDesign"):
        LatinHypercube().settings([*RANGES, LEVELS[0]])
    with pytest.raises(ConfigError, match="runs=3 are too few for these factors; give 8 or more"):
        RandomDesign(runs=3).settings(RANGES)
    for design in (RandomDesign, LatinHypercube):
        assert design().settings(RANGES) != design(order_seed=1).settings(RANGES)


def test_what_is_drawn_fills_ranges_and_hypercubes_are_the_least_correlated_of_many():
    drawn, chosen = (codes(design.settings(RANGES), RANGES) for design in (RandomDesign(), LatinHypercube()))
    assert (drawn.min(axis=0) < -0.5).all()
    assert (drawn.max(axis=0) > 0.5).all()
    rng = np.random.default_rng(0)  # single draws of the same size have a largest correlation of about 0.5
    single = [largest_correlation(np.array([rng.permutation(16) for _ in range(6)]).T) for _ in range(100)]
    assert largest_correlation(chosen) < np.quantile(single, 0.05)


def test_the_largest_correlation_counts_falling_columns_and_no_column_with_itself():
    assert largest_correlation(np.array([[0.0, 0.0, 2.0], [0.0, 1.0, 2.0], [1.0, 0.0, 2.0], [1.0, 1.0, 2.0]])) < 1e-12
    assert largest_correlation(np.array([[1.0, 3.0], [2.0, 1.0], [3.0, 2.0]])) == pytest.approx(0.5)


@pytest.mark.parametrize("design", [PlackettBurman(), FractionalFactorial()])
def test_more_than_two_levels_are_refused_with_what_would_work(design):
    for factors in (MIXED, MIXED[2:3]):  # also of one factor: a second would not mend it
        with pytest.raises(ConfigError, match=r"data.a has 3: \['x', 'y', 'z'\].*OrthogonalArray, FullFactorial"):
            design.settings(factors)


def test_definitive_screening_refuses_levels_with_what_would_work():
    with pytest.raises(ConfigError, match=r"needs ranges; model.f0 has levels.*PlackettBurman"):
        DefinitiveScreening().settings(LEVELS)


def test_ablation_throws_each_switch_alone_and_pairs_where_asked_for():
    factors = [Factor("model.head.skip", (False, True))]
    settings = Ablation(words=("offset", "quantum"), pairs=True).settings(factors)
    thrown = [(s.kind, s.overrides["model.head.ablate"], s.overrides["model.head.skip"]) for s in settings]
    assert thrown == [
        ("base", [], False), ("run", ["offset"], False), ("run", ["quantum"], False), ("run", [], True),
        ("run", ["offset", "quantum"], False), ("run", ["offset"], True), ("run", ["quantum"], True),
    ]  # fmt: skip
    assert len(Ablation(words=("offset", "quantum")).settings(factors)) == 4
    three = Ablation(pairs=True).settings([Factor("q", (4, 6, 8)), *factors])  # no pair of two levels of one factor
    assert [tuple(s.overrides.values()) for s in three] == [
        (4, False), (6, False), (8, False), (4, True), (6, True), (8, True),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="Did you mean 'offset'"):
        Ablation(words=("ofset",))
    with pytest.raises(ConfigError, match="Ablation needs words"):
        Ablation().settings([])


def test_scaling_takes_one_numeric_factor():
    with pytest.raises(ConfigError, match="one factor with three or more levels"):
        Scaling().settings([Factor("q", (4, 6))])
    with pytest.raises(ConfigError, match="one factor with three or more levels"):
        Scaling().settings(LEVELS[:2])
    with pytest.raises(ConfigError, match="log takes levels above 0"):
        Scaling(log=True).settings([Factor("q", (0, 4, 6))])


def test_factors_of_a_study_file():
    lr, kind, qubits = read_factors(
        {"lr": {"low": 0.001, "high": 0.1, "log": True}, "k": ["a", ["b"]], "q": {"low": 4, "high": 9}}
    )
    assert lr.at(0.0) == pytest.approx(0.01)
    assert lr.code(0.01) == pytest.approx(0.0)
    assert (lr.at(-1.0), lr.at(1.0)) == (0.001, 0.1)
    assert kind.values == ("a", ["b"])
    assert isinstance(qubits.at(0.2), int)
    assert Factor("share", low=0, high=0.5).at(0.0) == 0.25  # rounded between two whole numbers alone
    assert [Factor("lr", low=1e-4, high=3e-2, log=True).at(code) for code in (-1.0, 1.0)] == [1e-4, 3e-2]
    assert lr.middle() == pytest.approx(0.01)
    assert Factor("q", low=1, high=4, log=True).middle() == 2
    for wrong in (
        {"k": 3},
        {"k": [1]},
        {"k": [1, 1]},
        {"k": {"low": 2, "high": 1}},
        {"k": {"low": 0, "high": 1, "log": True}},
    ):
        with pytest.raises(ConfigError, match="factor k"):
            read_factors(wrong)


@pytest.mark.parametrize(
    "level", [float("nan"), float("inf"), -float("inf"), 1e101, 10**400], ids=lambda level: str(level)[:6]
)
def test_levels_are_finite(level):
    with pytest.raises(ConfigError, match="is not possible, it must be a number from -1e100 to 1e100"):
        Factor("a", (1, level))


PAIRS = (Ablation(words=("offset", "quantum"), pairs=True), [Factor("a", (1, 2, 3, 4)), Factor("b", (1, 2))])
CENTER = (FullFactorial(center_point=True), LEVELS[:3])


@pytest.mark.parametrize(("design", "factors"), [*CASES.values(), PAIRS, CENTER])
def test_settings_are_counted_without_making_them(design, factors):
    assert design.n_settings(factors) == len(design.settings(factors))


def test_a_factor_that_contains_itself_is_refused():
    level = [1]
    level.append(level)
    with pytest.raises(DocumentError, match="within that value itself"):
        Study("base.yaml", FullFactorial(), {"a": [level, 1]})


def test_a_plackett_burman_design_names_the_fraction_of_higher_resolution_of_as_many_runs():
    factors = read_factors({f"model.option_{name}": [0, 1] for name in "abcdefgh"})
    said = PlackettBurman().aliasing(factors[:4])
    assert "FractionalFactorial(" in said
    assert "has resolution IV in as many runs" in said
    assert "in as many runs" not in PlackettBurman().aliasing(factors[:5])
    assert "in as many runs" not in PlackettBurman().aliasing(factors)
