"""`hqlm compare`: a hybrid model and its classical rivals on the same rows, in one table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import yaml
from lightning.pytorch.cli import LightningArgumentParser

from hqlm.commands.layers import Layer, differences
from hqlm.commands.quiet import quiet
from hqlm.commands.request import Config, Flag, Request, load_yaml, read_config
from hqlm.commands.runs import comparison_folder
from hqlm.commands.training_cli import HqlmCLI
from hqlm.commands.trials import Trial, Workshop
from hqlm.errors import ConfigError, RunError
from hqlm.files import LOCK, write_text
from hqlm.heads import KernelHead, QuantumHead
from hqlm.models import TextModel
from hqlm.studies.comparison import report
from hqlm.studies.comparison.compare import HYBRID, Comparison, check_draws, compare
from hqlm.studies.comparison.records import read_outcome, write_all_predictions
from hqlm.studies.comparison.rivals import CLASSIFIERS, HEADS, LEARNING_RATES, RIVALS, Fitted, check_rivals, fit_best
from hqlm.studies.study import MANY_TRIALS, check_trials

_DESCRIPTION: Final = """Train a hybrid model and classical rivals on the same embeddings and rows; print one table.

  hqlm compare --config configs/sst2.yaml
  hqlm compare --config configs/sst2.yaml --seeds=0,1,2,3,4 --rivals=logistic_regression,rbf_svc
  hqlm compare --config configs/sst2.yaml --data.samples_per_class=64 --draws=10

The table has accuracy, macro-F1, calibration error, parameters, times, and for each rival the paired difference to the
hybrid model with 95 % intervals and p-values: over test rows (permutation test, adjusted for the number of rivals), and
over seeds or draws (paired t test). Everything lies in runs/<name>/: every training run, predictions.tsv, table.md and
comparison.json. The same command goes on after Ctrl-C; more seeds, draws or rivals are added to what is there.

Epochs, and of rivals the learning rate or C, are chosen on the validation rows; test rows are predicted at the end.

Rivals:
""" + "\n".join(f"  {name:<20} {purpose}" for name, purpose in RIVALS.items())
_CONFIG: Final = "compare.yaml"


@quiet()
def main(args: list[str]) -> int:
    """Train, test, and print and write the table."""
    request = _listed(Request.read(args))
    request.load_plugins()
    cli = CompareCLI("compare", _DESCRIPTION, request.on({"trainer": {"devices": 1}}))
    config = load_yaml(cli.config_text())
    plan = Plan(*(config.pop(key) for key in ("seeds", "rivals", "draws")))
    is_confirmed = config.pop("yes")
    config.pop("seed_everything")
    _check(cli, plan, config)
    check_trials(plan.n_trials, is_confirmed)
    with comparison_folder(request) as folder:
        _check_folder(folder, config)
        workshop = Workshop(folder, config)
        check_draws({draw: workshop.check_rows(draw) for draw in range(plan.draws)})
        write_text(folder / _CONFIG, yaml.safe_dump(config, sort_keys=False))
        trials = _run(workshop, plan)
        folders = [folder / trial.folder for trial in trials]
        outcomes = [read_outcome(each) for each in folders]
        comparison = compare(outcomes)
        write_all_predictions(folder / "predictions.tsv", folders, outcomes)
        _publish(folder, comparison, plan)
    return 0


class CompareCLI(HqlmCLI):
    """The parser of `hqlm fit` with what is compared in place of a checkpoint."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Name, seeds, rivals and draws."""
        parser.add_argument(
            "--name", type=str | None, default=None, help="Name of the folder; by default that of the file, -compare."
        )
        parser.add_argument("--seeds", type=list[int], default=[0, 1, 2], help="One training run each.")
        parser.add_argument("--yes", action="store_true", help=f"Train more than {MANY_TRIALS:,} times.")
        parser.add_argument("--rivals", type=list[str], default=list(RIVALS), help=f"Of {', '.join(RIVALS)}.")
        parser.add_argument(
            "--draws",
            type=int,
            default=1,
            help="Repeat all on as many draws of the training rows: data.seed, data.seed + 1, ...",
        )


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Args:
        seeds: of initial values and order.
        rivals: by name.
        draws: how many draws of the training rows.
    """

    seeds: list[int]
    rivals: list[str]
    draws: int

    @property
    def heads(self) -> list[str]:
        """The rivals that torch trains."""
        return [name for name in self.rivals if name in HEADS]

    @property
    def n_trials(self) -> int:
        """How many training runs there are."""
        tuned = len(self.heads) * (len(LEARNING_RATES) + len(self.seeds) - 1)
        return self.draws * (len(self.seeds) + tuned + len(self.rivals) - len(self.heads))


def _listed(request: Request) -> Request:
    """The request with `--seeds=0,1` and `--rivals=mlp` as lists."""
    flags = [
        Flag(flag.key, f"[{flag.value}]")
        if flag.key in ("--seeds", "--rivals") and flag.value and not flag.value.startswith("[")
        else flag
        for flag in request.flags
    ]
    return replace(request, flags=flags)


def _check(cli: HqlmCLI, plan: Plan, config: Config) -> None:
    """Refuse what would fail or mislead only after hours of training."""
    if not plan.seeds or min(plan.seeds) < 0 or len(set(plan.seeds)) < len(plan.seeds):
        raise ConfigError(f"--seeds={_joined(plan.seeds):.80}: give one or more different seeds, 0 or larger")
    check_rivals(plan.rivals)
    if not plan.rivals:
        raise ConfigError(f"--rivals is empty: give some of {', '.join(RIVALS)}")
    if plan.draws < 1:
        raise ConfigError(f"--draws={plan.draws}: give 1 or more")
    if plan.draws > 1 and "seed" not in config["data"]["init_args"]:
        raise ConfigError(f"--draws={plan.draws}: {type(cli.datamodule).__name__} has no option seed to draw by")
    if not isinstance(cli.model, TextModel) or not isinstance(cli.model.recipe, QuantumHead | KernelHead):
        raise ConfigError(
            f"--model={type(cli.model).__name__}: the rivals stand beside a model of texts with a quantum head, "
            "such as model.head=QuantumHead"
        )
    if cli.model.stage == "end_to_end":
        raise ConfigError(
            "model.text_encoder.stage=end_to_end: every model would train a text encoder of its own, so there are no "
            "embeddings to compare heads on. Compare with stage=frozen or stage=contrastive, or train and test both "
            "models end to end: hqlm fit --model.head=LinearHead ..."
        )
    if cli.fast_dev_run:
        raise ConfigError("trainer.fast_dev_run keeps no checkpoint to test: try --trainer.max_epochs=1")


def _check_folder(folder: Path, config: Config) -> None:
    """Refuse a folder that holds a comparison of another configuration, or something else."""
    path = folder / _CONFIG
    if not any(path.name != LOCK for path in folder.iterdir()):
        return
    if not path.is_file():
        raise RunError(f"the folder {folder} exists and holds no comparison. Give another --name")
    before = read_config(path)
    if before != config:
        old, new = Layer.of(before), Layer.of(config)
        lacking = [f"{key}: only in one of the two" for key in sorted(set(old.options) ^ set(new.options))]
        raise RunError(
            f"the comparison {folder} was made with another configuration "
            f"({'; '.join(differences(old, new) or lacking)}). Give another --name, or remove that folder"
        )
    print(f"the comparison {folder} goes on")


def _run(workshop: Workshop, plan: Plan) -> list[Trial]:
    """Train everything, then test what was chosen; the hybrid model first, then its rivals."""
    print(f"{plan.n_trials} training runs below {workshop.folder}", flush=True)
    bench = _Bench(workshop, plan)
    for draw in range(plan.draws):
        bench.train(draw)
    bench.test()
    order = [HYBRID, *plan.rivals]
    return sorted(bench.trials, key=lambda trial: (order.index(trial.model), trial.draw, trial.seed or 0))


class _Bench:
    """Goes through the trials, choosing on the validation rows, and says how far it is."""

    def __init__(self, workshop: Workshop, plan: Plan) -> None:
        self.workshop = workshop
        self.plan = plan
        self.trials: list[Trial] = []
        self._fitted: dict[Trial, Fitted] = {}
        self._count = 0

    def train(self, draw: int) -> None:
        """Train the hybrid model and its rivals on one draw."""
        seeds = self.plan.seeds
        self.trials += [self._head(Trial(HYBRID, draw, seed))[0] for seed in seeds]
        for name in self.plan.heads:
            tried = [self._head(Trial(name, draw, seeds[0], lr)) for lr in LEARNING_RATES]
            best = max(tried, key=lambda pair: pair[1])[0]  # of equally good ones the first, that is the smallest
            self.trials += [best, *(self._head(replace(best, seed=seed))[0] for seed in seeds[1:])]
        for name in self.plan.rivals:
            if name in CLASSIFIERS:
                self.trials.append(self._classifier(Trial(name, draw)))

    def test(self) -> None:
        """Predict the test rows with every chosen model that has not."""
        for trial in self.trials:
            if self.workshop.is_tested(trial):
                continue
            if trial in self._fitted:
                self.workshop.test_classifier(trial, self._fitted[trial])
            else:
                self.workshop.test(trial)

    def _head(self, trial: Trial) -> tuple[Trial, float]:
        known = self.workshop.is_trained(trial)
        if not known:
            self.workshop.train(trial)
        summary = self.workshop.summary(trial)
        self._say(trial, summary["val_acc"], summary["training_seconds"], known)
        return trial, summary["val_acc"]

    def _classifier(self, trial: Trial) -> Trial:
        if self.workshop.is_tested(trial):
            self._count += 1
            return trial
        draw = self.workshop.draw(trial.draw)
        fitted = self._fitted[trial] = fit_best(trial.model, draw.train, draw.val)
        self._say(trial, fitted.val_acc, fitted.seconds, known=False)
        return trial

    def _say(self, trial: Trial, val_acc: float, seconds: float, known: bool) -> None:
        self._count += 1
        print(
            f"[{self._count}/{self.plan.n_trials}] {trial.folder}: validation accuracy {val_acc:.4f}, {seconds:.1f} s"
            f"{', kept from before' if known else ''}",
            flush=True,
        )


def _publish(folder: Path, comparison: Comparison, plan: Plan) -> None:
    title = f"{folder.name}: seeds {_joined(plan.seeds)}"
    text = report.markdown(comparison, title + (f", {plan.draws} draws" if plan.draws > 1 else ""))
    write_text(folder / "table.md", text)
    write_text(folder / "comparison.json", json.dumps(asdict(plan) | asdict(comparison), indent=2) + "\n")
    print(f"\n{text}\nthe table, comparison.json and predictions.tsv are in {folder}")


def _joined(values: Iterable[object]) -> str:
    return ",".join(map(str, values))
