"""Reports of studies: words that fit the figures, one page that loads nothing, partial studies."""

import csv
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from hqlm.circuits import Circuit, Gate, PauliString, Weight
from hqlm.commands import main
from hqlm.studies.designs import Ablation, FullFactorial, LatinHypercube, PlackettBurman, Scaling
from hqlm.studies.factors import read_factors
from hqlm.studies.reporting import build
from hqlm.studies.statistics import holm
from hqlm.studies.store import read_results, trial_folder, write_design, write_record

FACTORS = {
    "model.head.feature_encoder.n_layers": [2, 4],
    "model.optimizer.lr": {"low": 0.001, "high": 0.1, "log": True},
    "model.head.reuploading": ["SingleUpload", "<b>Bold & co</b>"],
}


def make(folder, design, factors, accuracy, *, failed=(), waiting=(), seeds=(0, 1, 2)):
    """A study folder as `study run` leaves it, with made-up results."""
    folder.mkdir(parents=True)
    recipe = {"class_path": type(design).__name__, "init_args": design.__getstate__()}
    study = {"name": folder.name, "base": "base.yaml", "design": recipe, "factors": factors, "seeds": [*seeds]}
    (folder / "study.yaml").write_text(yaml.safe_dump({**study, "design": _plain(recipe)}))
    trials = design.trials(read_factors(factors), seeds)
    write_design(folder, [(trial, f"k{i}") for i, trial in enumerate(trials)])
    rng = np.random.default_rng(0)
    for place, trial in enumerate(trials):
        record = {"status": "done", "error": None, "seconds": 2.0, "versions": {"torch": "9.9"}, "code_version": "abc"}
        value = accuracy(dict(trial.overrides)) + 0.003 * rng.normal()
        record["metrics"] = {"test/acc": value, "test/loss": 1 - value, "parameters": 7, "step_seconds": 0.01}
        if place in failed:
            record = {"status": "failed", "error": "the loss became <NaN>", "seconds": 1.0}
        if place not in waiting:
            write_record(trial_folder(folder, f"k{place}"), record)
    return folder


def _plain(recipe):
    return {**recipe, "init_args": {k: list(v) if isinstance(v, tuple) else v for k, v in recipe["init_args"].items()}}


class Page(HTMLParser):
    """Collects what a page loads and how many drawings it has."""

    def __init__(self):
        super().__init__()
        self.loads, self.drawings, self.open = [], 0, []

    def handle_starttag(self, tag, attrs):
        self.drawings += tag == "svg"
        self.loads += [v for k, v in attrs if k in ("src", "href", "xlink:href") and not v.startswith("#")]
        assert tag not in ("script", "link", "iframe", "img")


def report(folder, capsys):
    assert main(["study", "report", str(folder)]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    parser = Page()
    parser.feed(page)
    assert parser.loads == []
    assert "url(http" not in page
    assert "@import" not in page
    return capsys.readouterr().out, page, parser.drawings


def test_a_screening_study_names_what_matters_and_what_it_cannot_tell(tmp_path, capsys):
    def accuracy(values):
        return 0.7 + 0.05 * (values["model.head.feature_encoder.n_layers"] == 4)

    folder = make(tmp_path / "screen", PlackettBurman(), FACTORS, accuracy)
    said, page, drawings = report(folder, capsys)
    assert re.search(r"n_layers: 2 → 4 raises test accuracy by [45]\.\d\d points \(95 % interval", said)
    (idle,) = re.findall("The data does not tell these from no effect: (.*?)[.] That", said)
    assert "lr: 0.001 → 0.1" in idle
    assert "reuploading: SingleUpload" in idle
    assert "All 12 trials are done, 0.4 minutes" in said
    assert drawings == 5
    assert "&lt;b&gt;Bold &amp; co&lt;/b&gt;" in page
    assert "<b>Bold" not in page
    for text in (
        "A = BC",
        "hqlm study run --config",
        "torch 9.9",
        "code abc",
        "half-normal",
        "class_path: PlackettBurman",
    ):
        assert text in page
    with (folder / "report.csv").open() as file:
        rows = {row["effect"]: row for row in csv.DictReader(file)}
    assert float(rows["n_layers: 2 → 4"]["estimate"]) == pytest.approx(0.05, abs=0.005)
    assert float(rows["n_layers: 2 → 4"]["p_holm"]) < 1e-6
    assert "| n_layers: 2 → 4 " in (folder / "report.md").read_text()
    assert len((folder / "trials.csv").read_text().splitlines()) == 13
    before = page
    report(folder, capsys)
    assert (folder / "report.html").read_text(encoding="utf-8") == before  # the same results, the same page


def test_names_and_errors_bring_no_html_links_or_formulas(tmp_path, capsys):
    evil = "<script>alert(1)</script>"
    levels = [evil, "=1+2", f"a\\{evil}|[x](http://y)\n# z", "````\n" + evil]
    folder = make(tmp_path / "s", FullFactorial(), {"model.a": levels, "model.b": [1, -2]}, lambda v: 0.7, failed=[2])
    record = trial_folder(folder, "k2") / "trial.json"
    record.write_text(record.read_text().replace("<NaN>", evil))
    report(folder, capsys)
    outside, fence = [], None
    for text in (folder / "report.md").read_text(encoding="utf-8").splitlines():
        ends = re.match("`{3,}", text)
        if ends and fence in (None, text):
            fence = ends[0] if fence is None else None
        elif fence is None:
            outside.append(text)
    assert fence is None
    assert sum(r"\<script>alert(1)\</script>" in text for text in outside) > 3
    for text in outside:
        assert not re.search(r"(?<!\\)(\\\\)*<[a-zA-Z/!?]", text), text
        assert not re.search(r"\]\(", text), text
        assert not text.startswith("# z")
    for name in ("report.csv", "trials.csv"):
        with (folder / name).open(newline="") as file:
            cells = {cell for row in csv.reader(file) for cell in row}
        for cell in cells:
            assert cell[:1] not in "=+-@" or cell == "" or float(cell) is not None
    assert "'=1+2" in cells
    assert "-2" in cells


def test_a_partial_study_says_what_is_missing_and_why(tmp_path, capsys):
    folder = make(tmp_path / "part", PlackettBurman(), FACTORS, lambda values: 0.7, failed=[2], waiting=[10, 11])
    said, page, _ = report(folder, capsys)
    assert "9 of 12 trials are done, 1 failed, 2 are missing" in said
    assert "preliminary" in said
    assert "the loss became &lt;NaN&gt;" in page
    assert not list(folder.glob(".*.part"))
    nothing = make(tmp_path / "none", PlackettBurman(), FACTORS, lambda values: 0.7, waiting=range(12))
    said, page, _ = report(nothing, capsys)
    assert "Too few trials are done" in page


def test_circuits_are_drawn_or_it_is_said_why_not(tmp_path, capsys, monkeypatch):
    folder = make(tmp_path / "gone", PlackettBurman(), FACTORS, lambda values: 0.7, waiting=range(1, 12))
    _, page, _ = report(folder, capsys)
    why = "No circuit is drawn: circuits are read from checkpoints, and those of the trials are gone or cannot be read"
    assert why in page
    assert why in (folder / "report.md").read_text()
    nothing = make(tmp_path / "none", PlackettBurman(), FACTORS, lambda values: 0.7, waiting=range(12))
    assert "No circuit is drawn: no trial is done yet." in report(nothing, capsys)[1]
    drawn = {}
    monkeypatch.setattr(build, "load", lambda folder, plugins: SimpleNamespace(circuits=lambda: drawn))
    assert "No circuit is drawn: no trial that is done has one." in report(folder, capsys)[1]
    drawn["quantum"] = Circuit(2, (Gate("RY", (0,), Weight(0)), Gate("CNOT", (0, 1))), (PauliString("IZ"),))
    _, page, drawings = report(folder, capsys)
    assert drawings == 1
    assert "No circuit" not in page
    for text in ("Circuit quantum of trial 0", "2 qubits, depth 2; gates: 1 RY, 1 CNOT.", ">w0</text>", ">⟨Z⟩</text>"):
        assert text in page
    assert "0: ─RY(w0)──●─" in (folder / "report.md").read_text()


@pytest.mark.parametrize("waiting", [range(2, 12), ()], ids=["few", "all"])
def test_a_response_that_no_trial_has_is_told_with_what_there_is(tmp_path, capsys, waiting):
    folder = make(tmp_path / "other", PlackettBurman(), FACTORS, lambda values: 0.7, waiting=waiting)
    text = (folder / "study.yaml").read_text()
    (folder / "study.yaml").write_text(f"{text}response: test/nothing\n")
    assert main(["study", "report", str(folder)]) == 2
    told = "no trial has 'test/nothing'. Known: parameters, step_seconds, test/acc, test/loss\n"
    assert told in capsys.readouterr().err
    assert not (folder / "report.html").exists()


def test_results_are_read_by_path_or_its_text(tmp_path):
    folder = make(tmp_path / "s", PlackettBurman(), FACTORS, lambda values: 0.7)
    assert read_results(str(folder)).equals(read_results(folder))


def test_levels_that_differ_from_each_other_but_not_from_the_first_are_found_as_a_whole(tmp_path, capsys):
    height = {"a": 0.0, "b": 0.0019, "c": -0.0019}
    factors = {"model.head.ansatz": list(height), "x": [0, 1]}
    folder = make(
        tmp_path / "s", FullFactorial(), factors, lambda v: 0.7 + height[v["model.head.ansatz"]], seeds=range(6)
    )
    said, page, _ = report(folder, capsys)
    assert re.search(r"The 3 levels of ansatz differ in test accuracy \(F\(2, 25\) = .*, adjusted p", said)
    assert not re.search("raises|lowers", said)
    assert "Tests of whole factors on test accuracy" in page
    with (folder / "report.csv").open() as file:
        rows = list(csv.DictReader(file))
    adjusted = holm([float(row["p"]) for row in rows])
    assert [float(row["p_holm"]) for row in rows] == pytest.approx(adjusted)  # the file has the whole family


def test_null_is_a_level_with_an_effect(tmp_path, capsys):
    factors = {"model.head.execution.shots": [None, 100], "data.seed": [0, 1]}
    folder = make(
        tmp_path / "s", FullFactorial(), factors, lambda v: 0.8 - 0.1 * (v["model.head.execution.shots"] == 100)
    )
    said, _, _ = report(folder, capsys)
    assert re.search(r"shots: null → 100 lowers test accuracy by (9\.\d|10\.)", said)


def test_ranges_of_many_values_have_no_interaction_plot(tmp_path, capsys):
    factors = {"a": {"low": 1, "high": 30}, "b": {"low": 1.0, "high": 3.0}}
    folder = make(tmp_path / "cube", LatinHypercube(runs=12), factors, lambda values: 0.5 + 0.01 * values["a"])
    said, _, drawings = report(folder, capsys)
    assert "a: 1 → 30 raises test accuracy by 29" in said or "a: 1 → 30 raises test accuracy by 28" in said
    assert drawings == 4


def test_with_one_seed_nothing_is_said_of_others(tmp_path, capsys):
    folder = make(tmp_path / "one", FullFactorial(), FACTORS, lambda values: 0.7, seeds=[3])
    said, page, _ = report(folder, capsys)
    assert "the one seed: other seeds may give other effects" in said
    assert "seeds vary" not in said
    assert "8 trials in 1 block of 8" in page


def test_levels_of_one_class_are_told_by_their_options_and_the_experiment_is_kept(tmp_path, capsys):
    near = {"class_path": "RingAnsatz", "init_args": {"connectivity": 1}}
    factors = {"model.head.ansatz": ["RingAnsatz", near]}
    folder = make(tmp_path / "ansatz", FullFactorial(), factors, lambda values: 0.7)
    (trial_folder(folder, "k0") / "config.yaml").write_text("data: {limit_train: 77}\n")
    said, page, _ = report(folder, capsys)
    assert "ansatz: RingAnsatz → RingAnsatz(connectivity=1)" in said
    assert re.search(r"The test accuracy is (69\.\d\d|70\.\d\d) % on average over 6 trials, ", said)
    assert "data: {limit_train: 77}" in page
    assert "data: {limit_train: 77}" in (folder / "report.md").read_text()
    with (folder / "trials.csv").open() as file:
        values = {row["model.head.ansatz"] for row in csv.DictReader(file)}
    assert values == {"RingAnsatz", json.dumps(near)}


def test_a_scaling_study_tells_its_trend(tmp_path, capsys):
    factors = {"model.head.feature_encoder.n_qubits": [4, 6, 8]}
    folder = make(tmp_path / "scale", Scaling(), factors, lambda values: 0.6 + 0.02 * next(iter(values.values())))
    said, _, drawings = report(folder, capsys)
    assert "Test accuracy rises with n_qubits: +1.9" in said or "Test accuracy rises with n_qubits: +2.0" in said
    assert "points per unit" in said
    assert "Trainable parameters: the same at all levels" in said
    assert drawings == 4


def test_slopes_of_factors_in_the_hundreds_are_told_by_hundreds(tmp_path, capsys):
    factors = {"data.limit_train": [100, 200, 400]}
    folder = make(tmp_path / "rows", Scaling(), factors, lambda values: 0.6 + 0.0002 * next(iter(values.values())))
    said, _, _ = report(folder, capsys)
    assert re.search(
        r"Test accuracy rises with limit_train: \+(1\.9|2\.0)\d points per 100 \(95 % interval \[\+1", said
    )
    with (folder / "report.csv").open() as file:
        assert float(next(csv.DictReader(file))["slope"]) == pytest.approx(0.0002, rel=0.1)  # numbers stay by unit


def test_an_ablation_study_compares_rows_where_predictions_are_there(tmp_path, capsys):
    design = Ablation(words=("offset", "quantum"))
    folder = make(
        tmp_path / "ablation", design, {}, lambda values: 0.9 - 0.3 * (values["model.head.ablate"] == ["quantum"])
    )
    said, _, _ = report(folder, capsys)
    assert re.search("The test accuracy without quantum is significantly lower, by (29|30)", said)
    assert re.search(r"Not significantly different from the base: without offset [+-]0\.\d\d points \(\[", said)
    rng = np.random.default_rng(0)
    for place in range(9):
        test = trial_folder(folder, f"k{place}") / "test"
        test.mkdir()
        rows = "".join(f"text\tyes\t{'yes' if rng.random() < 0.9 else 'no'}\t0.5\t0.5\n" for _ in range(80))
        (test / "predictions.tsv").write_text(f"text\tlabel\tpredicted\tp_no\tp_yes\n{rows}")
    said, _, _ = report(folder, capsys)
    assert "from the base: without offset" in said
    assert "interval over test rows" in said
    assert "; without quantum" in said  # the rows speak of the same accuracy for all


def test_mistakes_are_told(tmp_path, capsys):
    assert main(["study", "report", str(tmp_path)]) == 2
    assert "holds no study: there is no study.yaml" in capsys.readouterr().err
    folder = make(tmp_path / "wrong", PlackettBurman(), FACTORS, lambda values: 0.7)
    text = (folder / "study.yaml").read_text()
    (folder / "study.yaml").write_text(f"{text}response: test/accuracy\n")
    assert main(["study", "report", str(folder)]) == 2
    assert "Did you mean 'test/acc'" in capsys.readouterr().err
