"""Read a study from files and flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jsonargparse import Namespace

from hqlm.config.merge import Merger, Options
from hqlm.config.parser import HqlmParser, Option, print_class_help
from hqlm.config.slots import SLOTS
from hqlm.config.sources import Config, Sources
from hqlm.errors import ConfigError
from hqlm.models.trust import option_types
from hqlm.registry import field_names
from hqlm.run import check_name

if TYPE_CHECKING:
    from hqlm.studies.study import Study

_PLAIN: Final = ("base", "factors", "overrides")  # kept as written: what they name is part of the experiment


def read_study(
    kind: type[Study], sources: Sources, command: str = "", description: str = "", options: Sequence[Option] = ()
) -> tuple[Study, Namespace] | None:
    """Return the study that files and flags describe, with the options of a command.

    Args:
        kind: the class `Study`.
        sources: files and flags.
        command: name of the subcommand, for its help.
        description: first part of its help.
        options: of the command.

    Returns:
        None after help was printed.

    Raises:
        ConfigError: for options or values that a study does not have.
    """
    sources.load_plugins()
    parser = HqlmParser(
        prog=f"hqlm study {command}",
        usage=f"hqlm study {command} --config FILE [--key=value ...]",
        description=description,
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="The file of the study, or the name of a shipped one.")
    _add_options(parser, kind, options)
    types = {**option_types(kind)[0], **{each.name: each.type for each in options}}
    if sources.asks_for_class:
        print_class_help(Options(types), sources)
        return None
    if sources.wants_help:
        parser.print_help()
        return None
    if not sources.files:
        raise ConfigError("--config is missing: give the file of a study, such as studies/ablation")
    for _, config in sources.files:
        _check_nesting(kind, config)
    merger = Merger(Options(types))
    merger.add(replace(sources, files=tuple((path, _with_base(path, config)) for path, config in sources.files)))
    merged = merger.finish()
    if merged.get("base") is None:
        raise ConfigError("base is missing: give the configuration file of the experiment, such as base: quickstart")
    given = {name: merged.pop(name) for name in _PLAIN if name in merged}
    values = _add_options(HqlmParser(prog=f"hqlm study {command}"), kind, options, _PLAIN).parse_object(merged)
    values = parser.instantiate(values)
    names = [field.name for field in fields(kind)]
    study = kind(**{name: value for name, value in vars(values).items() if name in names}, **given)
    study = replace(study, name=study.name or sources.stem, plugins=sources.plugins)
    check_name(study.name)
    return study, values


def _add_options(
    parser: HqlmParser, kind: type[Study], options: Sequence[Option], without: Sequence[str] = ()
) -> HqlmParser:
    parser.add_class_arguments(kind, skip={*without})
    for option in options:
        parser.add_argument(f"--{option.name}", type=option.type, default=option.default, help=option.help)
    return parser


def _with_base(path: Path, config: Config) -> Config:
    """Return a study file with its base files looked up beside it first; shipped ones keep their names."""
    base = config.get("base")
    if not isinstance(base, str | list):
        return config
    found = [
        str(path.parent / each) if isinstance(each, str) and (path.parent / each).is_file() else each
        for each in ([base] if isinstance(base, str) else base)
    ]
    return {**config, "base": found[0] if isinstance(base, str) else found}


def _check_nesting(kind: type[Study], config: Config) -> None:
    """Refuse options of a design or an executor that do not stand below it."""
    own = {field.name for field in fields(kind)}
    for key in config:
        name = str(key).rpartition(".")[2]
        for slot in ("design", "executor"):
            owners = [component.__name__ for component in SLOTS[slot].values() if name in field_names(component)]
            owner = config.get(slot) if config.get(slot) in owners else next(iter(owners), None)
            if owner is not None and key not in own:
                raise ConfigError(
                    f"{key} is an option of the {slot}. It belongs below it, {slot}: {{class_path: {owner}, init_args: "
                    f"{{{name}: ...}}}}, or is a flag, --{slot}.{name}=..."
                )


def with_known_path(key: str, value: Any) -> Any:
    """Return the design or executor of a study by its path where a file has its name, which imports nothing."""
    node = value if isinstance(value, dict) else {"class_path": value}
    name = node.get("class_path")
    if key not in ("design", "executor") or not isinstance(name, str) or name not in SLOTS[key]:
        return value
    return {**node, "class_path": f"{SLOTS[key][name].__module__}.{name}"}
