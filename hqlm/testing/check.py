"""Runs the contract of one component outside a test suite, and reports which checks pass."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings
from tqdm.auto import tqdm

from hqlm.registry import Component

_SUITES: Final = Path(__file__).with_name("components.py")
# ignore the user's working directory, and print only our own output
_OPTIONS: Final = (
    f"--config-file={os.devnull}", f"--rootdir={_SUITES.parent}", "--import-mode=importlib",
    "-opython_classes=Checked_*", "-pno:cacheprovider", "-pno:terminal", "-pno:warnings", "-pno:xdist",
)  # fmt: skip


@dataclass
class Check:
    """One promise of a contract.

    Args:
        name: name of its test, in words.
        promise: description of the promise.
        cases: number of cases that were tried.
        failures: one line for each failing case.
    """

    name: str
    promise: str
    cases: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether it was tried and never failed."""
        return self.cases > 0 and not self.failures


def run(component: Component, slot: str) -> list[Check]:
    """Test a component against the contract of its slot, with a progress bar; return the checks in order."""
    watcher = _Watcher(component)
    settings.register_profile("check", database=None)  # failing examples are not stored in the user's folder
    settings.load_profile("check")
    with tqdm(desc=f"checking {type(component).__name__}", unit="case", leave=False) as watcher.bar:
        code = pytest.main([*_OPTIONS, f"{_SUITES}::Checked_{slot}"], plugins=[watcher])
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), f"pytest ended with {code!r}"
    return list(watcher.checks.values())


class _Watcher:
    """A pytest plugin that passes the component to the suite and records the results."""

    bar: Any

    def __init__(self, component: Component) -> None:
        self._component = component
        self.checks: dict[str, Check] = {}

    @pytest.fixture(scope="session")
    def component(self) -> Component:
        """The component under test."""
        return self._component

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Record all promises, so that one that is never tried is visible."""
        for item in session.items:
            assert isinstance(item, pytest.Function)
            name = item.originalname
            promise = (item.function.__doc__ or "").strip().partition("\n")[0]
            self.checks[name] = Check(name.removeprefix("test_").replace("_", " "), promise)
        self.bar.total = len(session.items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a case, and store the last line of its error."""
        check = self.checks[report.location[2].rpartition(".")[2].partition("[")[0]]
        if report.when == "call":
            check.cases += report.outcome != "skipped"
            self.bar.update()
        if report.failed:
            check.failures.append(_reason(report))


def _reason(report: pytest.TestReport) -> str:
    """Return the message of the error that ended a case, on one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else report.longreprtext
    return " ".join(str(text).split())
