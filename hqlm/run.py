"""Run folders: what is in them, how they are made and held, and what else can be measured of the model in one.

This is the only module that knows the names of the files in a run folder:

    runs/<name>/config.yaml      the resolved configuration
                checkpoints/     best-*.ckpt by the score on the validation data, last.ckpt of the last finished epoch
                metrics.csv      a row for every logged step and every validation
                summary.json     what was reached
                body/            the text encoder, where it was trained
                <command>-<k>/   config.yaml, metrics.json and predictions.tsv of each later test or prediction
"""

from __future__ import annotations

import html
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml
from lightning.pytorch import Callback
from lightning.pytorch.utilities import rank_zero_only

from hqlm.callbacks import ConfigFile, MetricsFile, PredictionsFile, SolutionFile, TimeEstimate, WandbReport
from hqlm.config.build import Parts, Resolved, interruptible, resolve
from hqlm.config.merge import differences
from hqlm.config.sources import Config, Sources, read_config
from hqlm.errors import CheckpointError, FolderInUse, MissingDependency, RunError
from hqlm.files import (
    LOCK,
    list_leftovers,
    lock_folder,
    parse_json,
    recover_folder,
    remove_leftovers,
    write_text,
)
from hqlm.io import restoring
from hqlm.models import HqlmModule, TextModel
from hqlm.models.base import show_score
from hqlm.models.pretrained import WEIGHTS
from hqlm.models.reading import read_checkpoint
from hqlm.models.restoring import check_model, import_plugin, model_settings, restored
from hqlm.models.trust import check_run
from hqlm.quiet import quiet
from hqlm.registry import suggestion

if TYPE_CHECKING:
    import pandas

RUNS: Final = Path("runs")  # where runs lie, below the working directory
CONFIG: Final = "config.yaml"
PREDICTIONS: Final = "predictions.tsv"
TEST: Final = "test"  # folder of the one test of a trial of a study
SUMMARY: Final = "summary.json"
_CHECKPOINTS: Final = "checkpoints"
_LAST: Final = "last"  # stem of the checkpoint of the last finished epoch
_BEST: Final = "best"  # how names of checkpoints chosen on the validation data start
_METRICS: Final = "metrics.csv"
_MEASURED: Final = "metrics.json"  # of a test or a validation
_SOLUTION: Final = "solution.json"
_BODY: Final = "body"
_BEFORE_AN_EPOCH: Final = re.compile(
    rf"config\.yaml|metrics\.csv|{_CHECKPOINTS}|wandb(/((offline-)?run-\d[^/]*(/.*)?|latest-run|debug[^/]*\.log))?"
)
_BEFORE_RESULTS: Final = re.compile(r"config\.yaml")
_MAX_NAME: Final = 200  # letters; file systems allow 255, and temporary names are longer
_MEASURES_WITH: Final = (  # options of the trainer of a run that its tests have too
    "accelerator", "precision", "deterministic", "benchmark", "inference_mode", "detect_anomaly",
    "limit_val_batches", "limit_test_batches", "limit_predict_batches", "enable_progress_bar", "logger",
)  # fmt: skip
Command = Literal["validate", "test", "predict"]


class Run:
    """A trained model and all that is kept of its training.

    Reading it imports nothing on the word of its files: components that are no part of hqlm or of an installed plugin
    need `plugins`.

    Args:
        path: folder of the run, its name below `runs/`, one of its checkpoints, or a folder of `save_pretrained`.
        plugins: modules to import first.

    Attributes:
        folder: the folder.

    Raises:
        CheckpointError: when there is none.
        PluginError: when a plugin cannot be imported.
    """

    def __init__(self, path: str | os.PathLike[str], plugins: Sequence[str] = ()) -> None:
        given = Path(path)
        recover_folder(given)
        self.plugins = tuple(plugins)
        for plugin in plugins:
            import_plugin(plugin)
        self._given: Path | None = None  # the checkpoint that was named, if one was
        if given.is_file() or (given / WEIGHTS).is_file():
            self._given = given if given.is_file() else given / WEIGHTS
            self.folder = run_folder(self._given)
            return
        # a folder of data may have the run's name
        self.folder = given if (given / _CHECKPOINTS).is_dir() else RUNS / given
        if not self.folder.is_dir():
            raise CheckpointError(f"no checkpoint '{path}': there is no such file, folder or run. {_known_runs(path)}")

    @classmethod
    def at(cls, folder: Path) -> Run:
        """Return the run of a folder that may still be empty."""
        run = cls.__new__(cls)
        run.folder, run.plugins, run._given = folder, (), None
        return run

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.folder.name

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that was named, or the best one of the run.

        Raises:
            CheckpointError: when there is none.
        """
        return self._given or self._find(_BEST)

    @property
    def last(self) -> Path:
        """The checkpoint that was named, or that of the last finished epoch.

        Raises:
            CheckpointError: when there is none.
        """
        return self._given or self._find(_LAST)

    @property
    def has_begun(self) -> bool:
        """Whether an epoch is finished, from which training can resume."""
        return (self.checkpoints / f"{_LAST}.ckpt").is_file()

    @property
    def checkpoints(self) -> Path:
        """Folder of its checkpoints."""
        return self.folder / _CHECKPOINTS

    @property
    def files(self) -> dict[str, Path]:
        """Paths that a training writes to: config, metrics, summary, best, last and body."""
        folder, kept = self.folder, self.checkpoints
        return {
            "config": folder / CONFIG, "metrics": folder / _METRICS, "summary": folder / SUMMARY, "best": kept / _BEST,
            "last": kept / _LAST, "body": folder / _BODY,
        }  # fmt: skip

    @property
    def config(self) -> Config:
        """The resolved configuration; empty for a checkpoint that lies elsewhere.

        Raises:
            CheckpointError: when it names what is not known.
        """
        path = self.folder / CONFIG
        if not path.is_file() or (self._given and self._given.name == WEIGHTS):  # a saved model names no plugins
            return {}
        config = read_config(path)
        check_run(config, path, self.plugins)
        return config

    @property
    def summary(self) -> dict[str, Any]:
        """Result of the training: score, parameters, epochs, seconds, seed; empty before the training has ended.

        Raises:
            DocumentError: when the file is damaged.
        """
        path = self.folder / SUMMARY
        if not path.is_file():
            return {}
        summary: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"), str(path))
        return summary

    @property
    def metrics(self) -> pandas.DataFrame:
        """A row for every logged step and every validation, a column for every metric.

        Raises:
            MissingDependency: without pandas.
            RunError: when nothing was logged yet.
        """
        try:
            import pandas
        except ImportError as err:
            raise MissingDependency("metrics as a table need pandas: pip install pandas") from err
        path = self.folder / _METRICS
        if not path.is_file():
            raise RunError(f"the run {self.folder} has no {_METRICS}: nothing was logged yet")
        return pandas.read_csv(path)

    @cached_property
    def model(self) -> HqlmModule:
        """The trained model, on the CPU and ready for `predict`.

        Raises:
            CheckpointError: when there is no checkpoint, it is corrupt, or it names classes that are not known.
        """
        file = self.checkpoint
        checkpoint = read_checkpoint(file)
        check_model(checkpoint["hyper_parameters"], file, self.plugins)
        model = restored(checkpoint, file, self.folder / _BODY)
        model.checkpoint, model.run_folder = file, self.folder.absolute()
        return model

    def test(self, overrides: Mapping[str, Any] | None = None) -> dict[str, float]:
        """Measure the checkpoint on the test data, and keep metrics and predictions in `test-<k>/`.

        The trainer is that of the run (precision, accelerator, limits), on one device.

        Args:
            overrides: dotted keys of the configuration with other values for this test.

        Returns:
            Metrics by name, such as `test/acc`.

        Raises:
            HqlmError: for overrides that there are not, or data that cannot be read.
        """
        return self.evaluate("test", Sources.from_python((), overrides or {}))[0]

    def validate(self, overrides: Mapping[str, Any] | None = None) -> dict[str, float]:
        """Measure the checkpoint on the validation data, as `test`, in `validate-<k>/`."""
        return self.evaluate("validate", Sources.from_python((), overrides or {}))[0]

    def predict(self, texts: Sequence[str]) -> list[Any]:
        """Return what the task of the model says of texts, such as a `Prediction` each.

        Raises:
            CheckpointError: for a model that reads no texts.
            ConfigError: for anything but a list of strings.
        """
        if not isinstance(self.model, TextModel):
            raise CheckpointError(f"{self.checkpoint} is a {type(self.model).__name__}, which predicts no texts")
        return self.model.predict(texts)

    def evaluate(self, command: Command, sources: Sources) -> tuple[dict[str, float], Path | None]:
        """Run the checkpoint over a split, under files and values of the user.

        Returns:
            The metrics, and the folder where they and all predictions are kept; None in a `fast_dev_run`.

        Raises:
            HqlmError: for configurations or data that cannot be used.
        """
        sources.load_plugins()
        self.plugins = tuple(dict.fromkeys([*self.plugins, *sources.plugins]))
        checkpoint = self.checkpoint
        base = self._settings(checkpoint, keeps_data=sources["data"] is None)
        resolved = resolve(sources, base, checkpoint)
        print(f"checkpoint {checkpoint}")
        for line in (*resolved.notes, *(f"overrides the run: {line}" for line in differences(base, resolved.config))):
            print(line)
        if resolved.fast_dev_run:
            return measure(resolved, command, checkpoint, None), None
        with numbered_folder(self.folder, command) as folder:
            return measure(resolved, command, checkpoint, folder), folder

    def _settings(self, checkpoint: Path, keeps_data: bool) -> Config:
        """Return the model of a checkpoint, and of its run the seed, the trainer and, if wanted, the data."""
        path = self.folder / CONFIG
        found = read_config(path) if path.is_file() and checkpoint.name != WEIGHTS else {}
        run = {key: found[key] for key in ("plugins", "seed_everything", "data") if found.get(key) is not None}
        if not keeps_data:
            run.pop("data", None)
        trainer = found.get("trainer")
        options = trainer if isinstance(trainer, dict) else {}
        kept = {key: options[key] for key in _MEASURES_WITH if options.get(key) is not None}
        check_run({**run, "trainer": kept}, path, self.plugins)
        hparams = read_checkpoint(checkpoint)["hyper_parameters"]
        check_model(hparams, checkpoint, self.plugins)
        kept["devices"] = 1  # starting processes takes longer than most evaluations
        return {"plugins": [], "seed_everything": 0, **run, "model": model_settings(hparams), "trainer": kept}

    def _find(self, choose: str) -> Path:
        recover_folder(self.folder)
        found = sorted(self.checkpoints.glob(f"{choose}*.ckpt"), key=lambda file: file.stat().st_mtime)
        if not found:
            raise CheckpointError(f"the run {self.folder} has no checkpoint {_CHECKPOINTS}/{choose}*.ckpt")
        return found[-1]

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """Return the summary and the last metrics as small tables."""
        rows = {key: value for key, value in self.summary.items() if key not in ("checkpoint", "config")}
        with suppress(MissingDependency, RunError):
            rows |= {name: show_score(float(column.dropna().iloc[-1])) for name, column in self.metrics.items()}
        cells = "".join(
            f"<tr><th>{html.escape(str(key))}</th><td>{html.escape(str(value))}</td></tr>"
            for key, value in rows.items()
        )
        return f"<b>{html.escape(repr(self))}</b><table>{cells}</table>"


def measure(
    resolved: Resolved, command: Command, checkpoint: Path, folder: Path | None, watching: Sequence[Callback] = ()
) -> dict[str, float]:
    """Run a checkpoint over the split of a command.

    Of several processes rank 0 alone has a folder, and so cannot but be the one that writes.

    Args:
        resolved: the configuration to run it with.
        command: what to do.
        checkpoint: the checkpoint.
        folder: where metrics, predictions and the configuration are kept; None for nowhere.
        watching: further callbacks.

    Returns:
        The metrics.
    """
    parts = Parts(resolved)
    run = Run.at(run_folder(checkpoint))
    callbacks: list[Callback] = [TimeEstimate(), *watching]
    if folder is not None:
        before = MetricsFile(run.files["metrics"], sys.maxsize)  # a test is part of the run that it tests
        callbacks += [WandbReport(each, before, run.files["config"]) for each in parts.wandb_loggers]
        config = yaml.safe_dump({**resolved.config, "ckpt_path": str(checkpoint)}, sort_keys=False, allow_unicode=True)
        callbacks += [PredictionsFile(folder / PREDICTIONS), SolutionFile(folder / _SOLUTION)]
        callbacks.append(ConfigFile(config, folder / CONFIG))
    with quiet():
        trainer = parts.make_trainer(callbacks, None, None)
        parts.model.find_body(run.files["body"])
        options: dict[str, Any] = {"return_predictions": False} if command == "predict" else {"verbose": False}
        with restoring(trainer, checkpoint), interruptible(trainer):
            getattr(trainer, command)(parts.model, datamodule=parts.data, ckpt_path=checkpoint, **options)
    metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
    if folder is not None and metrics and trainer.is_global_zero:
        write_text(folder / _MEASURED, json.dumps(metrics, indent=2) + "\n")
    return metrics


def load(path: str | os.PathLike[str], *, plugins: Sequence[str] = ()) -> HqlmModule:
    """Return a trained model (a `TextModel`, if nothing else was trained), on the CPU and ready for `predict`.

    Args:
        path: as for `Run`.
        plugins: modules to import first, where the model has components that are no part of hqlm or of an installed
            plugin. Nothing is imported on the word of the file.

    Raises:
        CheckpointError: when there is no such checkpoint, it is corrupt or not one of hqlm, or it names classes that
            are not known.
        PluginError: when a plugin cannot be imported.
    """
    return Run(path, plugins).model


def find_checkpoint(path: str | os.PathLike[str], choose: Literal["best", "last"] = "best") -> Path:
    """Return the checkpoint file that `path` means, as for `Run`.

    Raises:
        CheckpointError: when there is none.
    """
    run = Run(path)
    return run.checkpoint if choose == _BEST else run.last


def run_folder(checkpoint: Path) -> Path:
    """Return the folder of the run that a checkpoint file belongs to: the one above `checkpoints`, else its own."""
    parent = checkpoint.absolute().parent
    return parent.parent if parent.name == _CHECKPOINTS else parent


@contextmanager
def new_run(explicit: str | None, stem: str) -> Iterator[Path]:
    """Make the folder of a new run and hold it; it is removed when training failed before the first logged step.

    A run whose process was killed in its first epoch starts again in its folder, unless anything else lies there.

    Args:
        explicit: name that the user gave, if one was given.
        stem: name otherwise, with a number behind it where there is such a run.

    Raises:
        RunError: when the name was given and the run exists, or another process is training it.
    """
    with ExitStack() as held:
        if explicit is not None:
            check_name(explicit)
            folder = RUNS / explicit
            if not _claim(folder, held, _BEFORE_AN_EPOCH):
                has_last = (folder / _CHECKPOINTS / f"{_LAST}.ckpt").is_file()
                go_on = f", or go on from it with --name={explicit} --ckpt_path=last" if has_last else ""
                raise RunError(f"the run {folder} exists. Give another --name, or remove that folder{go_on}")
        else:
            names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
            folder = _claim_first((RUNS / name for name in names), held, _BEFORE_AN_EPOCH)
            if folder.name != stem:
                print(f"the run {RUNS / stem} exists; this one is {folder}")
        try:
            yield folder
        finally:
            if _writes() and {path.name for path in folder.glob("*")} <= {"config.yaml", LOCK}:
                (folder / "config.yaml").unlink(missing_ok=True)


def discard_unfinished(run: Path) -> None:
    """Remove what an interrupted new run has written, unless it has finished an epoch."""
    if _writes():
        remove_leftovers(list_leftovers(run, _BEFORE_AN_EPOCH, True) or [])


@contextmanager
def hold_run(folder: Path) -> Iterator[None]:
    """Hold the folder of a run for this process, or for those that train together with it.

    Raises:
        FolderInUse: when another process does.
    """
    with lock_folder(folder) if _writes() else nullcontext():
        yield


@contextmanager
def numbered_folder(run: Path, command: str) -> Iterator[Path | None]:
    """Make the next free folder `<run>/<command>-<k>` and hold it; it is removed when nothing was written.

    One that a killed process left without results is used again. Of several processes rank 0 alone gets one.
    """
    if not _writes():
        yield None
        return
    with ExitStack() as held:
        yield _claim_first((run / f"{command}-{number}" for number in count(1)), held, _BEFORE_RESULTS)


def last_checkpoint(name: str | None, stem: str | None) -> Path:
    """Return `last.ckpt` of the run of a name, else of the newest run of a configuration.

    Runs of a configuration are called as its file, or that and a number.

    Args:
        name: of the run; None for the newest.
        stem: of the configuration; None for any.

    Raises:
        CheckpointError: when there is none.
    """
    if name is not None:
        check_name(name)
        run = Run.at(RUNS / name)
        if run.folder.is_dir() and not run.has_begun:
            best = next(run.checkpoints.glob(f"{_BEST}*.ckpt"), None)
            if best is not None:
                raise CheckpointError(f"the run {run.folder} has no {_LAST}.ckpt. Resume with --ckpt_path={best}")
            raise CheckpointError(
                f"the run {run.folder} has finished no epoch to resume from. Leave --ckpt_path out to start it"
            )
        return Run(run.folder).last
    pattern = re.compile(".*" if stem is None else re.escape(stem) + r"(-\d+)?")
    found = [file for file in RUNS.glob(f"*/{_CHECKPOINTS}/{_LAST}.ckpt") if pattern.fullmatch(file.parent.parent.name)]
    if not found:
        which = "run" if stem is None else f"run '{stem}'"
        raise CheckpointError(
            f"ckpt_path=last: no {which} below {RUNS.absolute()} has a checkpoint. Leave --ckpt_path out to start one"
        )
    return max(found, key=lambda file: file.stat().st_mtime)


def _known_runs(given: str | os.PathLike[str]) -> str:
    names = sorted(folder.parent.name for folder in RUNS.glob(f"*/{_CHECKPOINTS}"))
    return suggestion(str(given), names) if names else f"There are no runs below {RUNS.absolute()}"


def _claim_first(folders: Iterable[Path], held: ExitStack, unfinished: re.Pattern[str]) -> Path:
    for folder in folders:
        with suppress(FolderInUse):
            if _claim(folder, held, unfinished):
                return folder
    raise AssertionError("there is always another number")


def _claim(folder: Path, held: ExitStack, unfinished: re.Pattern[str]) -> bool:
    """Make a folder, or take over what a killed process left there, and hold it; False when it holds anything else.

    Args:
        folder: what to claim.
        held: closed when the folder is no longer needed.
        unfinished: names of what a killed process may have left, which are removed.

    Raises:
        FolderInUse: when another process holds it.
    """
    if not _writes():  # rank 0 claims it for all
        return True
    with suppress(FileNotFoundError):  # removed by the process that held it
        if os.path.lexists(folder) and list_leftovers(folder, unfinished, (folder / LOCK).exists()) is None:
            return False
    was_killed = held.enter_context(lock_folder(folder))
    leftovers = list_leftovers(folder, unfinished, was_killed)
    if leftovers is None:  # another process was faster
        held.close()
        return False
    remove_leftovers(leftovers)
    return True


def _writes() -> bool:
    """Return whether this is the only process of a run, or the one of several that writes."""
    return int(rank_zero_only.rank) == 0  # type: ignore[attr-defined]


def check_name(name: object) -> None:
    """Refuse what is no name of a folder.

    Raises:
        RunError: saying what names are made of.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[\w.=,+-]+", name) or name.startswith("."):
        raise RunError(f"--name={name}: a run is named with letters, digits and - _ . = , +")
    if len(os.fsencode(name)) > _MAX_NAME:
        raise RunError(f"--name={name}: a run is named with at most {_MAX_NAME} letters, not {len(name)}")
