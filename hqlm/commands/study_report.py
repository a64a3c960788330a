"""`hqlm study report`: what a study shows, as a page, as Markdown and as CSV."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from hqlm.config.plugins import named
from hqlm.config.sources import load_yaml
from hqlm.errors import RunError
from hqlm.quiet import quiet
from hqlm.studies.reporting.build import make_report
from hqlm.studies.reporting.page import write
from hqlm.studies.store import STUDIES, STUDY, read_results
from hqlm.studies.study import Study

_DESCRIPTION: Final = """Analyse the trials of a study that are done, also while others still run.

  hqlm study report studies/ablation
  hqlm study report ablation                  # the same, by name
  hqlm study report ablation --plugins my_parts   # with components of yours; the folder itself imports nothing

It writes, into the folder of the study: report.html (one page, to be opened without a network), report.md, report.csv
(the main table as numbers) and trials.csv (every trial with its settings and figures).
"""


@quiet()
def main(args: list[str]) -> int:
    """Write the report and print the summary."""
    parser = argparse.ArgumentParser(
        prog="hqlm study report", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of a study, or its name below studies/")
    parser.add_argument("--plugins", action="append", default=[], help="module to import first, or [one, another]")
    options = parser.parse_args(args)
    folder = study_folder(options.folder)
    plugins = [module for flag in options.plugins for module in named({"plugins": load_yaml(flag)})]
    study, results = Study.open(folder, plugins), read_results(folder)
    report = make_report(study, folder, results, plugins)
    print(f"{report.title}\n{report.progress}\n")
    if report.findings is not None:
        print(" ".join(report.findings.summary))
        print(f"\n{report.findings.tables[0].markdown}\n")
    for path in write(report, results, folder):
        print(path)
    return 0


def study_folder(given: Path) -> Path:
    """Return the folder of a study, given as such or by its name.

    Raises:
        RunError: when there is no study.
    """
    for folder in (given, STUDIES / given):
        if (folder / STUDY).is_file():
            return folder
    raise RunError(f"{given} holds no study: there is no {STUDY}. `hqlm study run --config FILE` makes one")
