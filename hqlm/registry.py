"""Components and the registries that name them.

To register a component, subclass the slot's base class in an imported module. A registry computes its names from the
subclass tree and stores nothing, so it always agrees with what the command line resolves.
"""

from __future__ import annotations

import dataclasses
import difflib
import html
import importlib.util
import inspect
import sys
from abc import ABC
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

from hqlm.contracts import Contracted, returns
from hqlm.errors import DuplicateComponent, MissingDependency, UnknownComponent, list_names
from hqlm.plain import PlainFields

_MOST_NAMES: Final = 20  # names listed in a message
_LONGEST_NAME: Final = 100


@dataclass(frozen=True)
class Component(PlainFields, Contracted, ABC):
    """Base class of all slots: a recipe, that is a frozen dataclass of primitives and of other recipes.

    A slot must be a dataclass itself: jsonargparse resolves names in the annotations of a dataclass only in the modules
    of parents that are dataclasses too, and silently skips the checks of all options of a class if one is missing.

    Lazily computed values (`functools.cached_property`) are dropped when a recipe is pickled or copied.

    Attributes:
        requires: import names of the optional packages that it needs to run.
        install: arguments of `pip install` that install them, for example `hqlm[qiskit]`.
        imports: options that are dotted paths of imports; a saved model from elsewhere may not set them.
        paths: options that name files or folders; those in a configuration file are looked up beside it first.
    """

    requires: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""
    imports: ClassVar[tuple[str, ...]] = ()
    paths: ClassVar[tuple[str, ...]] = ()

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in field_names(self)}

    @property
    @returns("a value that is equal for recipes that compute the same")
    def structure(self) -> object:
        """A value that is equal for recipes that compute the same."""
        return self

    @returns("a component of its slot", lambda found, self, word: isinstance(found, Component))
    def ablated(self, word: str) -> Self | Component:
        """Return this recipe without the module that an ablation names, in itself and in nested recipes.

        Returns:
            The recipe itself if the ablation does not apply.
        """
        held = {name: getattr(self, name) for name in field_names(self)}
        left = {name: recipe.ablated(word) for name, recipe in held.items() if isinstance(recipe, Component)}
        changed = {name: recipe for name, recipe in left.items() if recipe is not held[name]}
        return dataclasses.replace(self, **changed) if changed else self


@lru_cache(maxsize=64)
def check_installed(component: type[Any]) -> None:
    """Reject a component, with `requires` and `install`, whose optional packages are not installed.

    Raises:
        MissingDependency: with the packages and what to install.
    """
    missing = [package for package in component.requires if importlib.util.find_spec(package) is None]
    if missing:
        what = component.install or " ".join(missing)
        raise MissingDependency(f"{component.__name__} needs {', '.join(missing)}: pip install '{what}'")


def field_names(recipe: object) -> list[str]:
    """Return the names of the dataclass fields of `recipe`, in order."""
    return [field.name for field in dataclasses.fields(recipe)]  # type: ignore[arg-type]


ComponentT = TypeVar("ComponentT")


class Registry(Mapping[str, type[ComponentT]], Generic[ComponentT]):
    """Concrete, public, module-level subclasses of a slot by class name.

    Args:
        slot: base class of the slot's components.
        title: name of the slot in messages, for example `backend`.

    Raises:
        UnknownComponent: for a name that no imported module defines, with the nearest match.
        DuplicateComponent: if two modules define the name.
    """

    def __init__(self, slot: type[ComponentT], title: str) -> None:
        self.slot = slot
        self.title = title

    def __getitem__(self, name: str) -> type[ComponentT]:
        found = [component for component in self._components() if component.__name__ == name]
        if len(found) > 1:
            modules = " and ".join(sorted(component.__module__ for component in found))
            raise DuplicateComponent(
                f"two {self.title} components are called '{name}': in {modules}. Rename one or uninstall its package"
            )
        if not found:
            raise UnknownComponent(f"unknown {self.title} '{name}'. {suggestion(name, list(self))}")
        return found[0]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({component.__name__ for component in self._components()}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"<{self.title} components: {', '.join(self)}>"

    def _repr_html_(self) -> str:
        """Return a table of names with the first line of each description."""
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(_first_line(kind))}</td></tr>"
            for name, kind in self.items()
        )
        return f"<table>{rows}</table>"

    def _components(self) -> list[type[ComponentT]]:
        return [component for component in _descendants(self.slot) if _is_public(component)]


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _descendants(parent: type[ComponentT]) -> list[type[ComponentT]]:
    found: dict[type[ComponentT], None] = {}  # a dict keeps order and drops duplicates from multiple inheritance
    for child in parent.__subclasses__():
        found[child] = None
        found.update(dict.fromkeys(_descendants(child)))
    return list(found)


def _is_public(component: type) -> bool:
    # a reloaded module or a decorator that creates a new class leaves the old one in the subclass tree for a while
    current = getattr(sys.modules.get(component.__module__), component.__qualname__, None) is component
    return current and not (inspect.isabstract(component) or component.__name__.startswith("_"))


def suggestion(given: str, known: Sequence[str]) -> str:
    """Return a sentence or two with the nearest match of `given` and the known names, or the nearest of many."""
    if not known:
        return "There are none"
    given = given[:_LONGEST_NAME].lower()
    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(given, list(lowered), n=1)
    hint = f"Did you mean '{lowered[near[0]]}'? " if near else ""
    if len(known) > _MOST_NAMES:
        likeness = {name: difflib.SequenceMatcher(None, given, name.lower()).quick_ratio() for name in known}
        known = sorted(known, key=lambda name: -likeness[name])
    return f"{hint}Known: {list_names([*sorted(known[:_MOST_NAMES]), *known[_MOST_NAMES:]], _MOST_NAMES)}"
