"""Lightning's logger of Weights & Biases, made fail-safe: a server that does not answer costs seconds and a message.

Lightning's `WandbLogger` starts the run at its first use, waits for the server as long as W&B does, sets WANDB_MODE for
the whole process, and raises W&B's exceptions. So the run is started here, and all calls go through `attempt`; what is
logged, and how, is Lightning's.
"""

from __future__ import annotations

import logging
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.loggers.logger import DummyExperiment  # type: ignore[attr-defined]
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only

from hqlm.errors import ConfigError, MissingDependency

Mode = Literal["auto", "online", "offline"]
STEP: Final = "trainer/global_step"  # Lightning's name of the horizontal axis
_UNREACHABLE: Final = "HQLM_WANDB_UNREACHABLE"  # the server that did not answer, passed on to workers
_open: list[WandbRun] = []  # the logger with the open run of this process; a test after a training adds to it


class WandbRun(WandbLogger):
    """Reports a run to W&B through Lightning's logger, on rank 0, and never makes it fail.

    It sends the resolved configuration, once; every logged metric; the circuits of the model; the numbers of trained
    parameters; and after a test the confusion matrix. It does not send checkpoints, texts, printed lines or code. A
    trial of a study has the study as its group and its factors as tags; ablations are tags of every run. A test is
    part of the run that it tests.

    Args:
        project: name of the project on W&B.
        entity: user or team; None for the default of the account.
        group: group of the run; None for that of the study, if it is a trial of one.
        tags: further tags besides those for ablations and factors.
        mode: `online`, `offline` (records stay in the run's folder until `wandb sync`), or `auto`: the value of
            WANDB_MODE if set, else online with an account and offline without.
        timeout: seconds to wait for the server at the start, and again at the end; then records stay offline.

    Raises:
        ConfigError: for `online` without an account, and for settings that W&B itself rejects.
        MissingDependency: if wandb is not installed.
    """

    def __init__(
        self,
        project: str = "hqlm",
        entity: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        mode: Mode = "auto",
        timeout: float = 10.0,
    ) -> None:
        if find_spec("wandb") is None:
            raise MissingDependency("a W&B run needs wandb: pip install 'hqlm[wandb]'")
        super().__init__(project=project)
        if mode == "online" and not _has_account():
            raise ConfigError("mode: online needs a W&B account. Run `wandb login`, or set mode: auto or offline")
        _settings()
        self.project, self.entity, self.group, self.tags = project, entity, group, tuple(tags)
        self.mode = mode
        self.timeout = timeout
        self.takes_config = True  # whether the next call of log_hyperparams sends it
        self.step: int | None = None  # step of the metrics of an evaluation
        self.unharmed = "training goes on"
        self.folder: Path | None = None
        self._is_online = False

    @property
    def experiment(self) -> Any:
        """The run of wandb; a dummy before `begin`, on other ranks, and after W&B has failed."""
        return self._experiment or DummyExperiment()

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Send the configuration, unless the run already has it."""
        if self.takes_config:
            self.attempt(lambda run: super(WandbRun, self).log_hyperparams(params))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row to the history; those of an evaluation get the last step of its training."""
        if self.step is not None:
            metrics, step = {name: value for name, value in metrics.items() if name != "epoch"}, self.step
        self.attempt(lambda run: super(WandbRun, self).log_metrics(metrics, step))

    def attempt(self, action: Callable[[Any], object]) -> None:
        """Call W&B with the run; if it fails, stop the reporting and nothing else."""
        if self._experiment is None:
            return
        try:
            action(self._experiment)
        except Exception as err:  # the client may raise anything
            self._experiment = None
            rank_zero_info(f"W&B failed ({_first_line(err)}): {self.unharmed}, and nothing more is sent to it")

    def begin(self, folder: Path, **settings: Any) -> bool:
        """Start the run of a folder, or resume it; offline records of the folder are replaced.

        Args:
            folder: an existing folder; records are in `wandb/` below it, and their names identify the run.
            settings: further arguments of `wandb.init`: group, job_type, name, tags, notes.

        Returns:
            Whether earlier records must be sent again, since the server does not have them.
        """
        self.folder = folder = folder.resolve()
        if _open and _open[-1].folder == folder:  # the training before this test
            self._experiment, self._is_online = _open[-1]._experiment, _open[-1]._is_online
            _open[:] = [self]
            return False
        finish_open_run()
        run_id, was_sent = _find_record(folder)
        self._start(folder, was_sent, {"project": self.project, "entity": self.entity, "id": run_id, **settings})
        if self._experiment is None or self._experiment.disabled:
            return False
        _open.append(self)
        goes_on = was_sent and self._is_online
        for old in (folder / "wandb").glob(f"offline-run-*-{self._experiment.id}"):
            if not goes_on and old != Path(self._experiment.dir).parent:
                shutil.rmtree(old)
        self.attempt(lambda run: (run.define_metric(STEP), run.define_metric("*", step_metric=STEP, step_sync=True)))
        return not goes_on

    def finish(self, failed: bool) -> None:
        """End the run; wait for the server up to the timeout."""
        started = time.monotonic()
        self.attempt(lambda run: run.finish(exit_code=int(failed)))
        self._experiment = None
        if self._is_online and time.monotonic() - started > self.timeout:
            _remember_silence(TimeoutError("it did not take the end of the run"), self.unharmed)

    def ask_server(self, unharmed: str) -> bool:
        """Return whether records should be sent and the server answers; one that does not is not asked again.

        Workers that are started later do not ask it either.

        Args:
            unharmed: what continues without the server, for the message.
        """
        server = _server()
        if self._resolve_mode() != "online" or os.environ.get(_UNREACHABLE) == server:
            return False
        answers: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        threading.Thread(target=lambda: answers.put(_request(server, self.timeout)), daemon=True).start()
        try:
            err = answers.get(timeout=self.timeout)  # the request has a timeout, the look-up of its address has none
        except queue.Empty:
            err = TimeoutError(f"no answer within {self.timeout:g} s")
        if err is not None:
            _remember_silence(err, unharmed)
        return err is None

    def _start(self, folder: Path, was_sent: bool, settings: Mapping[str, Any]) -> None:
        """Start the run online if the server answers in time, else offline."""
        started, mode = time.monotonic(), self._resolve_mode()
        kept = f"{self.unharmed}, and what would be sent is written to {folder / 'wandb'}"
        if mode == "online":
            if self.ask_server(kept):
                left = max(1.0, self.timeout - (time.monotonic() - started))
                try:
                    resume = "allow" if was_sent else None
                    self._experiment = _init(folder, mode, left, resume=resume, **settings)
                    self._is_online = True
                    rank_zero_info(f"W&B: {self._experiment.url}")
                    return
                except Exception as err:  # the client may raise anything
                    _remember_silence(err, kept)
            mode = "offline"
        try:
            self._experiment = _init(folder, mode, self.timeout, **settings)
            if mode == "offline":
                rank_zero_info(f"W&B is offline: {folder / 'wandb'}; `wandb sync` sends it")
        except Exception as err:  # the client may raise anything
            rank_zero_info(f"W&B failed ({_first_line(err)}): {self.unharmed}, and nothing is sent to it")

    def _resolve_mode(self) -> str:
        if self.mode != "auto":
            return self.mode
        return os.environ.get("WANDB_MODE") or ("online" if _has_account() else "offline")


def finish_open_run(failed: bool = False) -> None:
    """End the W&B run of this process, if there is one: after a training and its test."""
    while _open:
        _open.pop().finish(failed)


def _init(folder: Path, mode: Any, timeout: float, **settings: Any) -> Any:
    import wandb

    quiet = wandb.Settings(
        init_timeout=timeout,
        finish_timeout=timeout,
        silent=True,  # we print our own messages
        console="off",  # printed text is not sent
        disable_git=True,  # addresses of repositories may hold passwords
        disable_code=True,
    )
    _settings().mode = mode  # also of W&B's own telemetry, which would wait for a silent server on exit
    logger = logging.getLogger("wandb")
    before, logger.disabled = logger.disabled, True
    try:
        return wandb.init(dir=folder, mode=mode, settings=quiet, **settings)
    finally:
        logger.disabled = before


def _request(server: str, seconds: float) -> Exception | None:
    """Send a server the smallest request that W&B knows, and return the error, if any."""
    import requests

    question = {"query": "query { __typename }"}
    try:
        answer = requests.post(f"{server}/graphql", json=question, timeout=seconds, stream=True, allow_redirects=False)
    except requests.exceptions.SSLError:  # the server is there; W&B decides about its certificate
        return None
    except requests.exceptions.Timeout:
        return TimeoutError(f"no answer within {seconds:g} s")
    except Exception as err:
        return ConnectionError(_first_line(err).rpartition(": ")[2].rstrip("')\""))
    with answer:
        return ConnectionError(f"HTTP {answer.status_code}") if answer.status_code >= 500 else None


def _remember_silence(err: Exception, unharmed: str) -> None:
    os.environ[_UNREACHABLE] = _server()
    rank_zero_info(f"W&B did not answer ({_first_line(err)}): {unharmed}; `wandb sync` sends it later")


def _find_record(folder: Path) -> tuple[str | None, bool]:
    """Return the id of the run whose records are in a folder, and whether they were sent online."""
    folders = (folder / "wandb").glob("*run-*-*")  # [offline-]run-<time>-<id>
    newest = max((path.name for path in folders), key=lambda name: name.removeprefix("offline-"), default="")
    return newest.rpartition("-")[2] or None, newest.startswith("run-")


def _settings() -> Any:
    import wandb

    try:
        return wandb.setup().settings
    except Exception as err:  # invalid settings may raise anything
        words = " ".join(str(err).split())
        raise ConfigError(f"W&B rejects its settings ({words[:200]}). Fix the WANDB_ variable or the file") from err


def _server() -> str:
    return str(_settings().base_url)


def _has_account() -> bool:
    """Return whether there is a key in the environment, in W&B's settings or in the file that `wandb login` writes."""
    from requests.utils import get_netrc_auth  # wandb needs requests

    given = _settings().api_key or os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE")
    return bool(given or get_netrc_auth(_server()))


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
