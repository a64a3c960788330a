"""The report of a study from its folder: what was planned, what is done, what it says."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hqlm.circuits import Circuit
from hqlm.errors import HqlmError, MissingDependency, RunError
from hqlm.models import TextModel
from hqlm.run import CONFIG, PREDICTIONS, TEST, load
from hqlm.studies.analysis.ablation import analyse_ablation
from hqlm.studies.analysis.effects import analyse_effects
from hqlm.studies.analysis.measures import Measure, measure
from hqlm.studies.analysis.terms import short_names, show
from hqlm.studies.analysis.trend import analyse_trends
from hqlm.studies.comparison.outcomes import read_predictions
from hqlm.studies.designs import Scaling
from hqlm.studies.reporting import ablation, effects, trend
from hqlm.studies.reporting.contents import Drawing, Findings, Report, Table
from hqlm.studies.store import DESIGN, DONE, FAILED, STUDY, check_response, read_record, trial_folder

if TYPE_CHECKING:
    import pandas

    from hqlm.studies.study import Study

Array = NDArray[np.float64]

SCALED: Final = ("test/acc", "test/loss", "step_seconds", "parameters")  # what a scaling study looks at
_NEEDED: Final = ("statsmodels", "scipy", "pandas", "matplotlib", "jinja2")
_FEWEST: Final = 3  # trials that an analysis takes
_ABOUT: Final = ("order", "trial", "kind", "block", "replicate", "seed", "status", "error", "seconds")
_MODULES: Final = {"features": "First module", "quantum": "Second module", "feature_map": "Feature map"}  # of heads


def make_report(study: Study, folder: Path, results: pandas.DataFrame, plugins: Sequence[str] = ()) -> Report:
    """Return the report of the trials that are done.

    Args:
        study: as its file describes it.
        folder: of the study.
        results: of its trials.
        plugins: modules that the user named, which checkpoints may name too.

    Raises:
        ConfigError: when trials are done and none has the response.
        MissingDependency: without the packages that analyse and draw.
    """
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise MissingDependency(f"a report needs {', '.join(missing)}: pip install 'hqlm[study]'")
    _check_design(study, folder, results)
    own = measure(study.response)
    done = results[results["status"] == DONE]
    failed = results[results["status"] == FAILED]
    drawings, no_circuit = _circuits(folder, done, plugins)
    return Report(
        title=f"Study {folder.name}: {own.title}",
        design=_design(study, results),
        progress=_progress(results),
        findings=_findings(study, folder, done, own),
        aliasing=study.aliasing,
        trials=_trials(results, own),
        failures=[f"trial {row['order']} (seed {row['seed']}): {row['error']}" for _, row in failed.iterrows()],
        commands=_commands(folder),
        study=(folder / STUDY).read_text(encoding="utf-8"),
        versions=_versions(folder, done),
        circuits=drawings,
        no_circuit=no_circuit,
        experiment=_experiment(folder, done),
    )


def _check_design(study: Study, folder: Path, results: pandas.DataFrame) -> None:
    """Refuse a design whose trials have other factors or values than the study.

    Raises:
        RunError: naming the first.
    """
    for factor in study.parsed_factors:
        if factor.key not in results:
            wrong = "is missing"
        else:
            values = [
                value
                for value, kind in zip(results[factor.key].tolist(), results["kind"], strict=True)
                if kind != "center" and not factor.can_be(value)
            ]
            if not values:
                continue
            wrong = f"has the value {show(values[0]):.40}, which {STUDY} does not give it"
        raise RunError(
            f"{folder / DESIGN} does not belong to {folder / STUDY}: the factor {factor.key:.80} {wrong}. "
            f"`hqlm study run --config {folder / STUDY}` writes it again"
        )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as err:
        raise RunError(f"cannot read {path} ({err}). Remove the folder {path.parent}: the trial is run again") from err


def _findings(study: Study, folder: Path, done: pandas.DataFrame, own: Measure) -> Findings | None:
    if len(done):
        check_response(study.response, list(done.columns[done.columns.get_loc("seconds") + 1 :]))  # figures begin there
        done = done[done[own.key].notna()]
    if len(done) < _FEWEST:
        return None
    factors, design = study.parsed_factors, study.design
    if design.analysis == "ablation":
        correct = partial(_correct, folder)
        return ablation.describe(analyse_ablation(done, factors, own.key, correct), own)
    if design.analysis == "trend":
        log = isinstance(design, Scaling) and design.log
        measures = list(dict.fromkeys([own.key, *(name for name in SCALED if name in done)]))
        name = short_names([factors[0].key])[factors[0].key]
        return trend.describe(analyse_trends(done, factors[0], log, measures), name, log)
    return effects.describe(analyse_effects(done, design, factors, own.key), done, design, factors, own)


def _correct(folder: Path, trial: str) -> Array | None:
    """Return which test rows a trial has right `(rows,)`; None where its predictions are missing or labels unknown."""
    path = trial_folder(folder, trial)
    if not (path / TEST / PREDICTIONS).is_file():
        return None
    header, rows = read_predictions(path)
    try:
        label, predicted = header.index("label"), header.index("predicted")
        return np.array([float(row[label] == row[predicted]) for row in rows])
    except (ValueError, IndexError) as err:
        raise RunError(
            f"cannot read {path / TEST / PREDICTIONS}: it lacks labels or predictions. Remove the folder {path}"
        ) from err


def _design(study: Study, results: pandas.DataFrame) -> str:
    factors = "; ".join(f"{factor.key}: {_values(factor.values, factor.is_range)}" for factor in study.parsed_factors)
    blocks = results["block"].nunique()
    purpose = (study.design.__doc__ or "").partition("\n")[0]
    text = (
        f"Design {type(study.design).__name__}: {purpose} {len(results)} trials in {blocks} block{'s' * (blocks != 1)} "
        f"of {len(results) // max(blocks, 1)}, a seed a block, run order drawn at random within blocks. The base "
        f"experiment is {', '.join(study.bases) or f'written out in {STUDY}'}."
    )
    return f"{text} Factors: {factors}." if factors else text


def _values(values: Sequence[object], is_range: bool) -> str:
    return " to ".join(map(show, values)) if is_range else ", ".join(map(show, values))


def _progress(results: pandas.DataFrame) -> str:
    counts = results["status"].value_counts()
    done, failed = int(counts.get(DONE, 0)), int(counts.get(FAILED, 0))
    missing = len(results) - done - failed
    hours = f", {results['seconds'].sum() / 60.0:.1f} minutes of computing" if results["seconds"].notna().any() else ""
    if done == len(results):
        return f"All {done} trials are done{hours}."
    return (
        f"{done} of {len(results)} trials are done, {failed} failed, {missing} are missing{hours}: what follows is "
        "preliminary, of the trials that are done. `hqlm study run` goes on with the study."
    )


def _trials(results: pandas.DataFrame, own: Measure) -> Table:
    figures = [name for name in dict.fromkeys([own.key, "test/acc", "test/loss", "parameters"]) if name in results]
    places = list(results.columns)
    keys = [name for name in places[places.index("seed") + 1 : places.index("status")] if name not in _ABOUT]
    names = short_names(keys)
    header = ["order", "kind", "block", "seed", *names.values(), "status", *(measure(name).label for name in figures)]
    rows = [
        [
            *(str(row[name]) for name in ("order", "kind", "block", "seed")),
            *(show(row[key]) for key in keys),
            row["status"],
            *(measure(name).show(row[name]) for name in figures),
        ]
        for row in results.to_dict("records")
    ]
    return Table("Trials", header, rows)


def _commands(folder: Path) -> list[str]:
    where = shlex.quote(str(folder / STUDY))
    return [
        f"hqlm study run --config {where} --dry-run   # the trials, the aliasing, the time it takes",
        f"hqlm study run --config {where}   # runs what is missing; in an empty folder, everything",
        f"hqlm study report {shlex.quote(str(folder))}   # this page; {DESIGN} has the run order",
    ]


def _versions(folder: Path, done: pandas.DataFrame) -> dict[str, str]:
    """Return the versions of the trials that are done, each once."""
    found: dict[str, list[str]] = {}
    for trial in done["trial"]:
        record = read_record(trial_folder(folder, trial))
        for name, version in {**record.get("versions", {}), "code": str(record.get("code_version", "unknown"))}.items():
            known = found.setdefault(name, [])
            if version not in known:
                known.append(version)
    return {name: " and ".join(versions) for name, versions in found.items()}


def _experiment(folder: Path, done: pandas.DataFrame) -> tuple[str, str] | None:
    """Return the resolved configuration of the base if it is done, else of the first trial that is."""
    for _, row in _base_first(done).iterrows():
        path = trial_folder(folder, row["trial"]) / CONFIG
        if path.is_file():
            correct = _correct(folder, row["trial"])
            rows = "" if correct is None else f", tested on {len(correct)} rows"
            return f"The experiment, resolved, as trial {row['order']} had it{rows}", _read_text(path)
    return None


def _base_first(done: pandas.DataFrame) -> pandas.DataFrame:
    return done.sort_values("kind", key=lambda kinds: kinds != "base", kind="stable")


def _circuits(folder: Path, done: pandas.DataFrame, plugins: Sequence[str]) -> tuple[list[Drawing], str]:
    """Return the circuits of the base if it is done, else of the first trial that has some; and why there are none."""
    missing = "no trial is done yet" if done.empty else "no trial that is done has one"
    for _, row in _base_first(done).iterrows():
        try:
            model = load(trial_folder(folder, row["trial"]), plugins=plugins)
        except HqlmError as err:
            missing = f"circuits are read from checkpoints, and those of the trials are gone or cannot be read ({err})"
            continue
        found = model.circuits()
        if found:
            names = _MODULES if isinstance(model, TextModel) else {}
            titles = {name: names.get(name.partition(".")[0], f"Circuit {name}") for name in found}
            return [_drawing(f"{titles[name]} of trial {row['order']}", found[name]) for name in found], ""
    return [], f"No circuit is drawn: {missing}."


def _drawing(title: str, circuit: Circuit) -> Drawing:
    counts = ", ".join(f"{number} {gate}" for gate, number in circuit.counts().items())
    caption = f"{circuit.n_qubits} qubits, depth {circuit.depth}; gates: {counts or 'none'}."
    return Drawing(title, circuit.to_svg(), circuit.draw(), caption)
