"""The list of everything that has a name, and that each of its options is checked."""

import json

import pytest

from hqlm.config.slots import SLOTS
from tests.commands.conftest import ROOT

ALL = [(slot, name) for slot, registry in SLOTS.items() for name in registry if "hqlm." in registry[name].__module__]


def test_every_name_has_one_line(run):
    result = run("components")
    assert result.code == 0
    for registry in SLOTS.values():
        for name in registry:
            line = next(line for line in result.out.splitlines() if line.split()[:1] == [name])
            assert len(line.split()) > 3


def test_json_of_one_slot(run):
    found = json.loads(run("components", "--slot=data", "--json").out)
    assert list(found) == ["data"]
    assert {row["name"] for row in found["data"]} >= {"ReviewsData", "FileData", "HubData"}


def test_a_missing_package_is_named(run, monkeypatch):
    monkeypatch.setattr(SLOTS["data"]["HubData"], "requires", ("torch", "no_such_package"))
    assert "[torch: installed, no_such_package: not installed]" in run("components", "--slot=data").out


@pytest.mark.parametrize("plugins", ["plugins.tree_ansatz", "[plugins.tree_ansatz]"])
def test_plugins_are_listed_too(run, monkeypatch, plugins):
    monkeypatch.syspath_prepend(ROOT)
    assert "TreeAnsatz" in run("components", "--slot=ansatz", f"--plugins={plugins}").out


def test_an_unknown_slot_is_refused(run):
    assert run("components", "--slot=dat").code == 2


@pytest.mark.parametrize(("slot", "name"), ALL)
def test_every_option_is_checked_and_described(run, slot, name):
    whole, of_model = ("model", "data", "design", "executor"), ("text_encoder", "head", "task", "problem")
    key = slot if slot in whole else f"model.{slot}" if slot in of_model else f"model.head.{slot}"
    flags = {"problem": "--model=VQE", "feature_map": "--model.head=KernelHead"}.get(slot, "--model=TextModel")
    command = ["study", "run"] if slot in ("design", "executor") else ["fit", flags]
    result = run(*command, f"--{key}.help={name}")
    assert result.code == 0
    assert "Unvalidated" not in result.out
    assert "type: Any" not in result.out
