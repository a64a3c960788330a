"""What a configuration from elsewhere may name, checked before anything in it is imported or made.

A parser takes a class path, and wherever a component stands also a bare dotted name, and imports what it leads to. So
here every class must be known already, and dotted names may stand only where plain text is wanted.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from hqlm.errors import CheckpointError
from hqlm.models.base import HqlmModule
from hqlm.registry import Component

_KNOWN: Final = (Component, HqlmModule, Optimizer, LRScheduler)
_PLAIN: Final = (str, int, float, bool, type(None), Ellipsis)


def check_trusted(config: Any, source: Path, plugins: Sequence[str] = ()) -> None:
    """Refuse a configuration that names anything but known components, optimisers and schedules.

    Args:
        config: `{"class_path": ..., "init_args": {...}}` of a model.
        source: where it comes from, for messages.
        plugins: modules that were imported because the user asked for it.

    Raises:
        CheckpointError: naming what is unknown, and how to allow it.
    """
    _check(config, None, _Place(source, tuple(plugins)))


@dataclasses.dataclass(frozen=True)
class _Place:
    source: Path
    plugins: tuple[str, ...]

    def refuse(self, path: str) -> CheckpointError:
        module = path.rpartition(".")[0] or path
        return CheckpointError(
            f"{self.source} names '{path}', which is no component that is imported here, and nothing is imported on "
            f"the word of a file. If you trust the module {module}: from_pretrained(..., plugins=['{module}']), or "
            f"--plugins={module}"
        )


def _check(value: Any, hint: Any, place: _Place) -> None:
    if isinstance(value, str):
        if "." in value and not _is_plain(hint):
            raise place.refuse(value)
    elif isinstance(value, list):
        for item in value:
            _check(item, hint, place)
    elif isinstance(value, Mapping):
        if "class_path" in value:
            _check_class(value, place)
            return
        records = [each for each in (hint, *get_args(hint)) if dataclasses.is_dataclass(each)]
        hints = {name: each for record in records for name, each in get_type_hints(record).items()}
        for name, item in value.items():
            _check(item, hints.get(name), place)


def _check_class(value: Mapping[str, Any], place: _Place) -> None:
    path = value["class_path"]
    module, _, name = str(path).rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    if not (isinstance(found, type) and issubclass(found, _KNOWN)):
        raise place.refuse(str(path))
    options = value.get("init_args", {})
    if set(value) - {"class_path", "init_args"} or not isinstance(options, Mapping):
        raise CheckpointError(f"{place.source}: a class has class_path and init_args, given {', '.join(value)}")
    hints = get_type_hints(found if issubclass(found, Component) else found.__init__)
    for option, item in options.items():
        _check(item, hints.get(option), place)
    for option in getattr(found, "imports", ()):
        item = options.get(option)
        trusted = item == getattr(found, option) or str(item).rpartition(".")[0] in place.plugins
        if item is not None and not trusted:
            raise place.refuse(str(item))


def _is_plain(hint: Any) -> bool:
    """Whether a value of this type is text, or numbers and text, and nothing that is imported."""
    if get_origin(hint) is Literal or hint in _PLAIN:
        return True
    makes = get_origin(hint) in (Union, types.UnionType, list, tuple, set, Sequence, Mapping, dict)
    return makes and all(_is_plain(each) for each in get_args(hint))
