"""`hqlm study report`: what a study shows, as a page, as Markdown and as CSV."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hqlm.commands.quiet import quiet
from hqlm.commands.request import Request
from hqlm.commands.study_file import read_study, study_parser
from hqlm.errors import MissingDependency, RunError
from hqlm.studies.reporting.build import build
from hqlm.studies.reporting.contents import Report
from hqlm.studies.reporting.page import write
from hqlm.studies.store import STUDY, read_results
from hqlm.studies.study import STUDIES

if TYPE_CHECKING:
    import pandas

_DESCRIPTION: Final = """Analyse the trials of a study that are done, also while others still run.

  hqlm study report studies/ablation
  hqlm study report ablation                  # the same, by name

It writes, into the folder of the study: report.html (one page, to be opened without a network), report.md, report.csv
(the main table as numbers) and trials.csv (every trial with its settings and figures).
"""
_NEEDED: Final = ("statsmodels", "scipy", "pandas", "matplotlib", "jinja2")


@quiet()
def main(args: list[str]) -> int:
    """Write the report and print the summary."""
    parser = argparse.ArgumentParser(
        prog="hqlm study report", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of a study, or its name below studies/")
    folder = study_folder(parser.parse_args(args).folder)
    report, results = make_report(folder)
    print(f"{report.title}\n{report.progress}\n")
    if report.findings is not None:
        print(" ".join(report.findings.summary))
        print(f"\n{report.findings.tables[0].markdown}\n")
    for path in write(report, results, folder):
        print(path)
    return 0


def study_folder(given: Path) -> Path:
    """The folder of a study, given as such or by its name.

    Raises:
        RunError: when there is no study.
    """
    for folder in (given, STUDIES / given):
        if (folder / STUDY).is_file():
            return folder
    raise RunError(f"{given} holds no study: there is no {STUDY}. `hqlm study run --config FILE` makes one")


def make_report(folder: Path) -> tuple[Report, pandas.DataFrame]:
    """The report of the trials of a study that are done, and the results of all.

    Raises:
        MissingDependency: without the packages that analyse and draw.
    """
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise MissingDependency(f"a report needs {', '.join(missing)}: pip install 'hqlm[study]'")
    study, _ = read_study(study_parser("report", ""), Request.read(["--config", str(folder / STUDY)]))
    results = read_results(folder)
    return build(study, folder, results), results
