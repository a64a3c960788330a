"""`hqlm study report`: what a study shows, as a page, as Markdown and as CSV."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hqlm.commands.study_file import read_study
from hqlm.config.plugins import named
from hqlm.config.slots import SLOTS
from hqlm.config.sources import Sources, load_yaml, read_config
from hqlm.errors import MissingDependency, RunError
from hqlm.models.trust import check_class_options, check_plugins
from hqlm.quiet import quiet
from hqlm.studies.reporting.build import build
from hqlm.studies.reporting.contents import Report
from hqlm.studies.reporting.page import write
from hqlm.studies.store import STUDY, read_results
from hqlm.studies.study import STUDIES, Study

if TYPE_CHECKING:
    import pandas

_DESCRIPTION: Final = """Analyse the trials of a study that are done, also while others still run.

  hqlm study report studies/ablation
  hqlm study report ablation                  # the same, by name
  hqlm study report ablation --plugins my_parts   # with components of yours; the folder itself imports nothing

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
    parser.add_argument("--plugins", action="append", default=[], help="module to import first, or [one, another]")
    options = parser.parse_args(args)
    folder = study_folder(options.folder)
    report, results = make_report(folder, given_plugins(options.plugins))
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


def given_plugins(flags: Sequence[str]) -> list[str]:
    """Return the modules that flags `--plugins` name.

    Raises:
        ConfigError: when they are not module names.
    """
    return [module for flag in flags for module in named({"plugins": load_yaml(flag)})]


def _with_path(slot: str, value: Any) -> Any:
    """Return a component of a study by its path where the file has its name, which imports nothing."""
    node = value if isinstance(value, dict) else {"class_path": value}
    name = node.get("class_path")
    if slot not in ("design", "executor") or not isinstance(name, str) or name not in SLOTS[slot]:
        return value
    return {**node, "class_path": f"{SLOTS[slot][name].__module__}.{name}"}


def make_report(folder: Path, plugins: Sequence[str] = ()) -> tuple[Report, pandas.DataFrame]:
    """Return the report of the trials of a study that are done, and the results of all.

    Args:
        folder: of the study; nothing is imported on the word of what lies in it.
        plugins: modules that the user named.

    Raises:
        CheckpointError: when `study.yaml` names components that are not known.
        MissingDependency: without the packages that analyse and draw.
    """
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise MissingDependency(f"a report needs {', '.join(missing)}: pip install 'hqlm[study]'")
    path = folder / STUDY
    Sources(flags=(("plugins", list(plugins)),)).load_plugins()
    config = {key: _with_path(key, value) for key, value in read_config(path).items()}
    check_plugins(config.pop("plugins", None), path, plugins)
    check_class_options(config, Study, path, plugins)
    asked = read_study("report", "", Sources(((path, config),)))
    assert asked is not None
    study = asked[0]
    results = read_results(folder)
    return build(study, folder, results, plugins), results
