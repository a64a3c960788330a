"""Registries list what exists and explain what does not."""

import gc
import importlib
import pickle
import sys
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import pytest

from hqlm.errors import DuplicateComponent, HqlmError, MissingDependency, UnknownComponent
from hqlm.registry import Component, Registry, check_installed, suggestion


class Shape(Component):
    @abstractmethod
    def area(self):
        """What a shape must have."""


@dataclass(frozen=True)
class Square(Shape):
    side: float = 1.0

    def area(self):
        return self.side**2

    @cached_property
    def expensive(self):
        return [self.side] * 1000


@dataclass(frozen=True)
class Cube(Square):
    pass


@dataclass(frozen=True)
class _Hidden(Square):
    pass


class Abstract(Shape):
    pass


SHAPES = Registry(Shape, "shape")
PLUGIN = """
from dataclasses import dataclass
from tests.test_registry import Square

@dataclass(frozen=True)
class {name}(Square):
    pass
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write and import a module that defines a shape."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    imported = []

    def load(module, name):
        (tmp_path / f"{module}.py").write_text(PLUGIN.format(name=name))
        imported.append(module)
        return importlib.import_module(module)

    yield load
    for module in imported:
        sys.modules.pop(module, None)
    gc.collect()


def test_concrete_public_subclasses_are_listed_by_class_name_grandchildren_too():
    assert list(SHAPES) == ["Cube", "Square"]
    assert len(SHAPES) == 2
    assert SHAPES["Cube"] is Cube
    assert "Square" in SHAPES
    assert "_Hidden" not in SHAPES
    assert "Abstract" not in SHAPES


def test_classes_defined_in_functions_are_not_listed():
    class Local(Square):
        pass

    assert "Local" not in SHAPES


def test_an_imported_plugin_is_listed_and_gone_with_its_module(plugin):
    module = plugin("registry_plugin_a", "Circle")
    assert SHAPES["Circle"] is module.Circle
    del module.Circle
    gc.collect()
    assert "Circle" not in SHAPES


def test_an_unknown_name_is_refused_with_the_nearest_and_all_known_ones():
    with pytest.raises(UnknownComponent) as caught:
        SHAPES["square"]
    assert str(caught.value) == "unknown shape 'square'. Did you mean 'Square'? Known: Cube, Square"
    assert isinstance(caught.value, HqlmError)
    assert SHAPES.get("Nothing") is None


def test_two_components_of_one_name_are_refused_naming_both_modules(plugin):
    plugin("registry_plugin_b", "Oval")
    plugin("registry_plugin_c", "Oval")
    with pytest.raises(DuplicateComponent, match="registry_plugin_b and registry_plugin_c"):
        SHAPES["Oval"]
    assert list(SHAPES).count("Oval") == 1


def test_a_module_imported_again_replaces_its_components(plugin):
    module = plugin("registry_plugin_d", "Star")
    before = module.Star  # still referenced, as by a live object in a notebook
    importlib.reload(module)
    assert SHAPES["Star"] is module.Star
    assert SHAPES["Star"] is not before


def test_lazy_state_is_neither_pickled_nor_compared():
    square = Square(2.0)
    assert len(square.expensive) == 1000
    assert b"expensive" not in pickle.dumps(square)
    assert pickle.loads(pickle.dumps(square)) == square


def test_a_word_that_means_nothing_to_a_recipe_leaves_it_as_it_is():
    square = Square()
    assert square.ablated("anything") is square


def test_suggestions_ignore_case_and_stay_silent_without_a_near_match():
    assert suggestion("ringansats", ["RingAnsatz", "Other"]) == "Did you mean 'RingAnsatz'? Known: Other, RingAnsatz"
    assert suggestion("zzz", ["RingAnsatz"]) == "Known: RingAnsatz"


def test_a_component_without_its_packages_says_what_to_install():
    class Needy:
        requires = ("json", "a_package_that_nobody_wrote")
        install = "hqlm[needy]"

    message = r"Needy needs a_package_that_nobody_wrote: pip install 'hqlm\[needy\]'"
    with pytest.raises(MissingDependency, match=message):
        check_installed(Needy)
    Needy.requires = ("json",)
    check_installed(Needy)


def test_of_many_names_the_nearest_are_listed():
    text = suggestion("colum77", [f"column{number}" for number in range(5000)])
    assert text.startswith("Did you mean 'column77'? Known: ")
    assert text.endswith(" and 4,980 more")
    assert text.count(",") == 20
    assert "column77," in text.partition("Known")[2]


def test_of_no_names_none_are_listed():
    assert suggestion("x", []) == "There are none"


def test_a_registry_shows_names_and_purposes_in_a_notebook():
    from hqlm.circuits import ANSATZE

    shown = ANSATZE._repr_html_()
    assert "<th>RingAnsatz</th>" in shown
    assert "RingAnsatz" in repr(ANSATZE)
