"""Lightning's logger of Weights & Biases, made harmless: a server that does not answer costs seconds and a sentence.

Lightning's `WandbLogger` starts the run when it is first used, waits for the server as long as W&B likes, sets
WANDB_MODE for the whole process, and raises what W&B raises. So the run is started here, and all calls go through
`attempt`; what is logged, and how, is Lightning's.
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
STEP: Final = "trainer/global_step"  # as Lightning calls the horizontal axis
_UNREACHABLE: Final = "HQLM_WANDB_UNREACHABLE"  # the server that did not answer, told to workers as well
_open: list[WandbRun] = []  # the logger whose run this process has open; a test after a training adds to it


class WandbRun(WandbLogger):
    """Reports a run to W&B through Lightning's logger, on rank 0, and never fails it.

    Sent are the resolved configuration, once; every metric that is logged; the circuits of the model; the numbers of
    trained parameters; after a test the confusion matrix. Checkpoints, texts, printed lines and code are not sent. A
    trial of a study has the study as its group and its factors as tags; what is ablated is a tag of every run. A test
    is part of the run that it tests.

    Args:
        project: on W&B.
        entity: user or team; None for the default of the account.
        group: of the run; None for that of the study, if it is a trial of one.
        tags: beside those for what is ablated or varied.
        mode: `online`, `offline` (records lie in the run's folder until `wandb sync`), or `auto`: what WANDB_MODE
            says, else online with an account and offline without.
        timeout: seconds that the start, and again the end, may wait for the server; then records are kept offline.

    Raises:
        ConfigError: for `online` without an account, and for settings that W&B itself refuses.
        MissingDependency: without wandb.
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
            raise ConfigError("mode: online needs an account of W&B: run `wandb login`, or set mode: auto or offline")
        _settings()
        self.project, self.entity, self.group, self.tags = project, entity, group, tuple(tags)
        self.mode = mode
        self.timeout = timeout
        self.takes_config = True  # of the next call of log_hyperparams
        self.step: int | None = None  # at which the metrics of an evaluation stand
        self.unharmed = "training goes on"
        self.folder: Path | None = None
        self._is_online = False

    @property
    def experiment(self) -> Any:
        """The run of wandb; a dummy before `begin`, on other ranks, and when W&B has failed."""
        return self._experiment or DummyExperiment()

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Send the configuration, unless the run has it already."""
        if self.takes_config:
            self.attempt(lambda run: super(WandbRun, self).log_hyperparams(params))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row to the history; those of an evaluation stand at the last step of its training."""
        if self.step is not None:
            metrics, step = {name: value for name, value in metrics.items() if name != "epoch"}, self.step
        self.attempt(lambda run: super(WandbRun, self).log_metrics(metrics, step))

    def attempt(self, action: Callable[[Any], object]) -> None:
        """Do something with the run that W&B may fail at, which then ends the reporting and nothing else."""
        if self._experiment is None:
            return
        try:
            action(self._experiment)
        except Exception as err:  # whatever the client raises
            self._experiment = None
            rank_zero_info(f"W&B failed ({_first_line(err)}): {self.unharmed}, and nothing more is sent to it")

    def begin(self, folder: Path, **settings: Any) -> bool:
        """Start the run of a folder, or go on with it; offline records of the folder are replaced.

        Args:
            folder: an existing one; records lie in `wandb/` below it, and their names say which run it is.
            settings: what else `wandb.init` takes: group, job_type, name, tags, notes.

        Returns:
            Whether what came before is to be recorded, too, since the server does not have it.
        """
        self.folder = folder = folder.resolve()
        if _open and _open[-1].folder == folder:  # the training before this test
            self._experiment, self._is_online = _open[-1]._experiment, _open[-1]._is_online
            _open[:] = [self]
            return False
        finish_open_run()
        run_id, was_sent = _recorded(folder)
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
        """End the run; waits for the server as long as the timeout says."""
        started = time.monotonic()
        self.attempt(lambda run: run.finish(exit_code=int(failed)))
        self._experiment = None
        if self._is_online and time.monotonic() - started > self.timeout:
            _remember_silence(TimeoutError("it did not take the end of the run"), self.unharmed)

    def ask_server(self, unharmed: str) -> bool:
        """Return whether records are to be sent and the server answers; one that does not is not asked again.

        Neither is it by workers that are started later.

        Args:
            unharmed: what goes on when it does not answer, as the user is told.
        """
        server = _server()
        if self._resolved_mode() != "online" or os.environ.get(_UNREACHABLE) == server:
            return False
        answers: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        threading.Thread(target=lambda: answers.put(_request(server, self.timeout)), daemon=True).start()
        try:
            err = answers.get(timeout=self.timeout)  # the request has timeouts, the look-up of its address has none
        except queue.Empty:
            err = TimeoutError(f"nothing came within {self.timeout:g} s")
        if err is not None:
            _remember_silence(err, unharmed)
        return err is None

    def _start(self, folder: Path, was_sent: bool, settings: Mapping[str, Any]) -> None:
        """Start the run online where the server answers in time, else offline."""
        started, mode = time.monotonic(), self._resolved_mode()
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
                except Exception as err:  # whatever the client raises
                    _remember_silence(err, kept)
            mode = "offline"
        try:
            self._experiment = _init(folder, mode, self.timeout, **settings)
            if mode == "offline":
                rank_zero_info(f"W&B is offline: {folder / 'wandb'}; `wandb sync` sends it")
        except Exception as err:  # whatever the client raises
            rank_zero_info(f"W&B failed ({_first_line(err)}): {self.unharmed}, and nothing is sent to it")

    def _resolved_mode(self) -> str:
        if self.mode != "auto":
            return self.mode
        return os.environ.get("WANDB_MODE") or ("online" if _has_account() else "offline")


def finish_open_run(failed: bool = False) -> None:
    """End the W&B run of this process, if there is one: after a training and the test that belongs to it."""
    while _open:
        _open.pop().finish(failed)


def _init(folder: Path, mode: Any, timeout: float, **settings: Any) -> Any:
    import wandb

    quiet = wandb.Settings(
        init_timeout=timeout,
        finish_timeout=timeout,
        silent=True,  # we say what there is to say
        console="off",  # what is printed stays here
        disable_git=True,  # addresses of repositories may hold passwords
        disable_code=True,
    )
    _settings().mode = mode  # also of W&B's own telemetry, which would wait for a silent server at the exit
    logger = logging.getLogger("wandb")
    before, logger.disabled = logger.disabled, True
    try:
        return wandb.init(dir=folder, mode=mode, settings=quiet, **settings)
    finally:
        logger.disabled = before


def _request(server: str, seconds: float) -> Exception | None:
    """Send a server the smallest request that W&B knows, and return what went wrong."""
    import requests

    question = {"query": "query { __typename }"}
    try:
        answer = requests.post(f"{server}/graphql", json=question, timeout=seconds, stream=True, allow_redirects=False)
    except requests.exceptions.SSLError:  # it is there; which certificates are good is for W&B to say
        return None
    except requests.exceptions.Timeout:
        return TimeoutError(f"nothing came within {seconds:g} s")
    except Exception as err:
        return ConnectionError(_first_line(err).rpartition(": ")[2].rstrip("')\""))
    with answer:
        return ConnectionError(f"HTTP {answer.status_code}") if answer.status_code >= 500 else None


def _remember_silence(err: Exception, unharmed: str) -> None:
    os.environ[_UNREACHABLE] = _server()
    rank_zero_info(f"W&B did not answer ({_first_line(err)}): {unharmed}; `wandb sync` sends it later")


def _recorded(folder: Path) -> tuple[str | None, bool]:
    """Return the identity of the run whose records lie in a folder, and whether they were sent as they came."""
    folders = (folder / "wandb").glob("*run-*-*")  # [offline-]run-<time>-<id>
    newest = max((path.name for path in folders), key=lambda name: name.removeprefix("offline-"), default="")
    return newest.rpartition("-")[2] or None, newest.startswith("run-")


def _settings() -> Any:
    import wandb

    try:
        return wandb.setup().settings
    except Exception as err:  # whatever a variable or file of settings makes it raise
        words = " ".join(str(err).split())
        raise ConfigError(f"W&B refuses its settings ({words[:200]}). Correct the WANDB_ variable or the file") from err


def _server() -> str:
    return str(_settings().base_url)


def _has_account() -> bool:
    """Return whether there is a key in the environment, in W&B's settings or in the file that `wandb login` writes."""
    from requests.utils import get_netrc_auth  # wandb needs requests

    given = _settings().api_key or os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE")
    return bool(given or get_netrc_auth(_server()))


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
