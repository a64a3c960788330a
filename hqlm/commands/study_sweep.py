"""`hqlm study sweep`: a study as a sweep that `wandb agent` runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from hqlm.callbacks import WandbRun
from hqlm.config.build import Parts
from hqlm.config.parser import Option
from hqlm.config.sources import Sources
from hqlm.errors import ConfigError
from hqlm.files import write_text, yaml_line
from hqlm.quiet import quiet
from hqlm.studies.factors import Factor
from hqlm.studies.planning import Planner
from hqlm.studies.reading import read_study
from hqlm.studies.study import Study

_DESCRIPTION: Final = """Write a study as a sweep of Weights & Biases, for machines that W&B hands trials to.

  hqlm study sweep --config studies/ablation
  hqlm study sweep --config my_study.yaml --method=bayes --output=sweep.yaml
  wandb sweep studies/ablation/sweep.yaml           # prints the id of the sweep
  wandb agent --count 10 ENTITY/hqlm/ID             # in this folder, on as many machines as you like

A sweep of method `grid` runs all combinations of the levels, which is what full factorials, ablations and scaling
studies are. A fractional design (Plackett-Burman, fractional factorial, definitive screening, orthogonal array, Latin
hypercube) cannot be a grid of W&B: `hqlm study run` runs it as designed. With --method random or bayes W&B draws
combinations itself; the design is then not used, and `hqlm study report` does not read the runs of a sweep.

W&B optimises what `hqlm fit` chooses the best checkpoint by: `val/acc` of classifiers, `val/energy` of models without
data. Test data are for the study, not for the search.
"""
_OPTIONS: Final = (
    Option("method", Literal["grid", "random", "bayes"], "grid", "How W&B goes on."),
    Option("output", Path | None, None, "The file; by default sweep.yaml of the study."),
)
_LOGGER: Final = "hqlm.callbacks.WandbRun"
_FILE: Final = "sweep.yaml"
_HEAD: Final = """\
# Start `wandb agent` in a folder where {bases} can be read: the command below names what it reads from there.
# W&B optimises {score}, by which `hqlm fit` chooses the best checkpoint. The response of the study is {response}; test
# data are for measuring what the search has found (`hqlm test`), never for the search itself.
"""


@quiet()
def main(args: list[str]) -> int:
    """Write the file, and say how to start it."""
    asked = read_study(Study, Sources.from_arguments(args), "sweep", _DESCRIPTION, _OPTIONS)
    if asked is None:
        return 0
    study, options = asked
    path = options["output"] or study.folder / _FILE
    sweep = sweep_config(study, options["method"])
    path.parent.mkdir(parents=True, exist_ok=True)
    head = _HEAD.format(bases=", ".join(study.bases), score=sweep["metric"]["name"], response=study.response)
    write_text(path, head + yaml.safe_dump(sweep, sort_keys=False))
    print(f"{path}: method {sweep['method']} over {', '.join(sweep['parameters'])}\n\nnext:\n  wandb sweep {path}")
    return 0


def sweep_config(study: Study, method: str) -> dict[str, Any]:
    """Return what `wandb sweep` reads.

    Parameters have flat dotted keys, as flags have. `${args}` passes each as `--key=value`, also false ones.

    Args:
        study: what is varied.
        method: `grid`, `random` or `bayes`.

    Raises:
        ConfigError: for a grid of a study that does not run all combinations of its levels, or an experiment that
            cannot run with the overrides of the study.
    """
    parameters = _grid(study) if method == "grid" else _drawn(study)
    if not study.bases:
        raise ConfigError("base: a sweep needs configuration files, which `wandb agent` gives to `hqlm fit`")
    parts = Planner(study.bases).experiment(study.overrides).parts
    files = [word for path in study.bases for word in ("--config", path)]
    fixed = [f"--{key}={_flag_value(value)}" for key, value in sorted(study.overrides.items())]
    return {
        "name": study.name,
        "program": "hqlm",
        "method": method,
        "metric": {"name": parts.model.score, "goal": f"{parts.model.score_mode}imize"},
        "parameters": parameters,
        "command": ["${env}", "hqlm", "fit", *files, *_logger(parts, study), *fixed, "${args}"],
    }


def _logger(parts: Parts, study: Study) -> list[str]:
    """W&B as the logger unless the experiment has others, and the study as its group unless it names one."""
    given, group = parts.loggers, f"--trainer.logger.group={study.name}"
    if len(given) == 1 and isinstance(given[0], WandbRun):
        return [group] if given[0].group is None else []
    return [] if given else [f"--trainer.logger={_LOGGER}", group]


def _grid(study: Study) -> dict[str, Any]:
    """Return the values that trials have, when the trials are all combinations of them."""
    values: dict[str, dict[Any, None]] = {}
    settings = set()
    for trial in study.trials:
        encoded = {key: _encoded(value) for key, value in trial.overrides} | {"seed_everything": trial.seed}
        settings.add(tuple(sorted(encoded.items())))
        for key, value in encoded.items():
            values.setdefault(key, {})[value] = None
    combinations = math.prod(map(len, values.values()))
    if len(settings) != combinations:
        name = type(study.design).__name__
        raise ConfigError(
            f"{name} runs {len(settings)} of the {combinations} combinations of its values and seeds, and a grid of "
            f"W&B runs all of them: a fractional design cannot be a W&B grid. `hqlm study run` runs it as designed; "
            "--design=FullFactorial makes a grid of levels; with --method=random or bayes W&B draws combinations"
        )
    return {key: {"values": sorted(found, key=_order)} for key, found in sorted(values.items())}


def _drawn(study: Study) -> dict[str, Any]:
    """Levels and ranges of the factors, which W&B draws from."""
    if not study.parsed_factors:
        raise ConfigError(f"{type(study.design).__name__} varies no factors for W&B to draw from: try --method=grid")
    parameters = {factor.key: _distribution(factor) for factor in study.parsed_factors}
    return dict(sorted(parameters.items())) | {"seed_everything": {"values": list(study.seeds)}}


def _distribution(factor: Factor) -> dict[str, Any]:
    if not factor.is_range:
        return {"values": [_encoded(level) for level in factor.levels]}
    whole = isinstance(factor.low, int) and isinstance(factor.high, int)
    kinds = {
        (False, False): "uniform", (False, True): "log_uniform_values", (True, False): "int_uniform",
        (True, True): "q_log_uniform_values",
    }  # fmt: skip
    return {"distribution": kinds[whole, factor.log], "min": factor.low, "max": factor.high}


def _encoded(value: Any) -> Any:
    """Return a value as the agent can pass it: its `str` must read as YAML, unlike that of None and of lists."""
    return value if isinstance(value, bool | int | float | str) else _flag_value(value)


def _order(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


def _flag_value(value: Any) -> str:
    return value if isinstance(value, str) else yaml_line(value)
