"""Runs on W&B that can never stop a training: a server that does not answer costs seconds and a line of text."""

from __future__ import annotations

import json
import logging
import netrc
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from lightning.pytorch.utilities import rank_zero_info

from hqlm.errors import ConfigError, MissingDependency
from hqlm.files import write_text

if TYPE_CHECKING:
    from wandb import Run

Mode = Literal["auto", "online", "offline"]
_ENVIRONMENT: Final = "WANDB_MODE"
_ID: Final = "wandb.json"  # in the folder of a run
_UNREACHABLE: Final = (
    "HQLM_WANDB_UNREACHABLE"  # a server that did not answer: neither this process nor its workers wait again
)


class Session:
    """One run on W&B.

    Whatever the client raises is told once, and then nothing more is sent: the caller goes on. The folder keeps the
    identity of the run, so that what is recorded there later belongs to the same run on W&B.

    Args:
        folder: an existing one, as an absolute path, where its records lie in `wandb/`.
        mode: `online`, `offline`, or `auto`: what WANDB_MODE says, else online with an account and offline without.
        timeout: seconds that its start, and again its end, may wait for the server.
        is_part: whether only a part of the run is recorded now, which is added to what the server has of it, and is a
            run of its own where it has nothing. Otherwise the whole run is recorded, which replaces offline records of
            the folder from before.
        unharmed: what goes on when W&B fails, as the user is told.
        settings: what else `wandb.init` takes: project, entity, group, job_type, name, tags, notes, config.

    Attributes:
        is_online: whether records are sent as they come.
        is_known: whether the server has what the folder recorded before, to which this is added.

    Raises:
        ConfigError: for `online` without an account.
        MissingDependency: without wandb.
    """

    def __init__(
        self,
        folder: Path,
        mode: Mode,
        timeout: float,
        is_part: bool = False,
        unharmed: str = "training goes on",
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.is_online = self.is_known = False
        self._unharmed = unharmed
        self._timeout = timeout
        self._run: Run | None = None
        check(mode)
        known = _identity(folder)
        chosen = _resolved(mode)
        if chosen == "online":
            self.is_known = known.get("online", False)
            self.is_online = self._start_online(timeout, settings | _same(known, self.is_known, is_part))
            chosen = "online" if self.is_online else "offline"
        if not self.is_online:
            self.is_known = False
            self.try_to(lambda: self._start(chosen, timeout, settings | _same(known, False, is_part)))
        if self._run is not None and chosen == "offline":
            rank_zero_info(f"W&B is offline: {folder / 'wandb'}; `wandb sync` sends it")
        if not is_part:
            self.try_to(self._keep_identity)

    def _start_online(self, timeout: float, settings: Mapping[str, Any]) -> bool:
        """Whether the server answered; one that did not is not waited for again."""
        started = time.monotonic()
        kept = f"{self._unharmed}, and what would be sent is written to {self.folder / 'wandb'}"
        if not ask_server(timeout, kept):
            return False
        try:
            self._start("online", max(1.0, timeout - (time.monotonic() - started)), settings)
        except Exception as err:
            _remember_silence(err, kept)
            return False
        assert self._run is not None
        rank_zero_info(f"W&B: {self._run.url}")
        return True

    def _start(self, mode: str, timeout: float, settings: Mapping[str, Any]) -> None:
        self._run = _start(self.folder, mode, timeout, settings)

    def _keep_identity(self) -> None:
        """Write it down, and remove what this run records again."""
        if self._run is None or self._run.disabled:
            return
        write_text(self.folder / _ID, json.dumps({"id": self._run.id, "online": self.is_online}) + "\n")
        for old in (self.folder / "wandb").glob(f"offline-run-*-{self._run.id}"):
            if old != Path(self._run.dir).parent and not self.is_known:
                shutil.rmtree(old)

    @property
    def id(self) -> str | None:
        """Of the run, or None when there is none, or one that records nothing (WANDB_MODE=disabled)."""
        return None if self._run is None or self._run.disabled else self._run.id

    def log(self, values: Mapping[str, Any]) -> None:
        """Add a row to the history."""
        self.try_to(lambda: self._run and self._run.log(dict(values)))

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Set figures of the summary."""
        self.try_to(lambda: self._run and self._run.summary.update(dict(values)))

    def plot_against(self, key: str) -> None:
        """Make a logged figure the horizontal axis of all others; rows without it have its last value."""
        self.try_to(lambda: self._run and self._run.define_metric(key))
        self.try_to(lambda: self._run and self._run.define_metric("*", step_metric=key, step_sync=True))

    def finish(self, failed: bool) -> None:
        """End the run; waits for the server as long as the timeout says."""
        started = time.monotonic()
        self.try_to(lambda: self._run and self._run.finish(exit_code=int(failed)))
        self._run = None
        if self.is_online and time.monotonic() - started > self._timeout:
            _remember_silence(TimeoutError("it did not take the end of the run"), self._unharmed)

    def try_to(self, action: Callable[[], object]) -> None:
        """Do something that W&B may fail at, which then ends the reporting and nothing else."""
        try:
            action()
        except Exception as err:
            self._run = None
            rank_zero_info(f"W&B failed ({_first_line(err)}): {self._unharmed}, and nothing more is sent to it")


def ask_server(seconds: float, kept: str) -> bool:
    """Return whether the server answers a request; one that did not is remembered, also for processes started later.

    Args:
        seconds: how long to wait at most.
        kept: what becomes of the records when it does not answer, as the user is told.
    """
    server = _server()
    if os.environ.get(_UNREACHABLE) == server:
        return False
    answers: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_request(server, seconds)), daemon=True).start()
    try:
        err = answers.get(timeout=seconds)  # the request has timeouts, the look-up of its address has none
    except queue.Empty:
        err = TimeoutError(f"nothing came within {seconds:g} s")
    if err is not None:
        _remember_silence(err, kept)
    return err is None


def _request(server: str, seconds: float) -> Exception | None:
    """Send the smallest request that W&B knows, without a key; what went wrong."""
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


def _remember_silence(err: Exception, kept: str) -> None:
    os.environ[_UNREACHABLE] = _server()
    rank_zero_info(f"W&B did not answer ({_first_line(err)}): {kept}; `wandb sync` sends it later")


def _identity(folder: Path) -> dict[str, Any]:
    """Of the run that was recorded in a folder: `id`, and whether it was `online`; empty where there was none."""
    path = folder / _ID
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"id": str(found["id"]), "online": bool(found["online"])}
    except (ValueError, KeyError, TypeError) as err:
        rank_zero_info(f"{path} cannot be read ({_first_line(err)}), so what is recorded now is a run of its own")
        return {}


def _same(known: Mapping[str, Any], is_there: bool, is_part: bool) -> dict[str, Any]:
    """What makes a run the one that is known: the server has it, or offline records of it are replaced."""
    if is_there:
        return {"id": known["id"], "resume": "allow"} | ({"config": None} if is_part else {})
    return {"id": known["id"]} if known and not is_part else {}


def page(content: str) -> Any:
    """Elements of HTML, such as a vector drawing, as a picture of W&B."""
    import wandb

    return wandb.Html(f"<!doctype html><meta charset='utf-8'>{content}", inject=False)


def check(mode: Mode) -> None:
    """Refuse what cannot work, before anything is trained.

    Raises:
        ConfigError: for `online` without an account, and for settings that W&B itself refuses.
        MissingDependency: without wandb.
    """
    if find_spec("wandb") is None:
        raise MissingDependency("a W&B run needs wandb: pip install 'hqlm[wandb]'")
    _settings()
    if mode == "online" and not _has_account():
        raise ConfigError("mode: online needs an account of W&B: run `wandb login`, or set mode: auto or offline")


def _resolved(mode: Mode) -> str:
    if mode != "auto":
        return mode
    return os.environ.get(_ENVIRONMENT) or ("online" if _has_account() else "offline")


def is_online(mode: Mode) -> bool:
    """Return whether records are meant to be sent as they come."""
    return _resolved(mode) == "online"


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
    """Whether there is a key in the environment, in W&B's settings or in the file that `wandb login` writes."""
    if _settings().api_key or os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    places = [os.environ.get("NETRC"), "~/.netrc", "~/_netrc"]
    path = next((p for p in (Path(place).expanduser() for place in places if place) if p.is_file()), None)
    if path is None:
        return False
    try:
        return netrc.netrc(path).authenticators(urlsplit(_server()).netloc) is not None
    except (netrc.NetrcParseError, OSError) as err:
        rank_zero_info(f"{path} cannot be read ({_first_line(err)}), so there is no account of W&B: offline")
        return False


def _start(folder: Path, mode: Any, timeout: float, settings: Mapping[str, Any]) -> Run:
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
    with _no_logging("wandb"):
        run: Run = wandb.init(dir=folder, mode=mode, settings=quiet, **settings)
    return run


@contextmanager
def _no_logging(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
