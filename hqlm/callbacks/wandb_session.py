"""Runs on W&B that can never stop a training: a server that does not answer costs seconds and a line of text."""

from __future__ import annotations

import logging
import netrc
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from lightning.pytorch.utilities import rank_zero_info

from hqlm.errors import ConfigError, MissingDependency

if TYPE_CHECKING:
    from wandb import Run

Mode = Literal["auto", "online", "offline"]
_ENVIRONMENT: Final = "WANDB_MODE"
_unreachable: set[str] = set()  # servers that did not answer this process; later runs do not wait for them again


class Session:
    """One run on W&B.

    Whatever the client raises is told once, and then nothing more is sent: the caller goes on.

    Args:
        folder: an existing one, as an absolute path, where its records lie in `wandb/`.
        mode: `online`, `offline`, or `auto`: what WANDB_MODE says, else online with an account and offline without.
        timeout: seconds that its start, and again its end, may wait for the server.
        settings: what else `wandb.init` takes: project, entity, group, job_type, name, tags, config, id.

    Attributes:
        is_online: whether records are sent as they come.

    Raises:
        ConfigError: for `online` without an account.
        MissingDependency: without wandb.
    """

    def __init__(self, folder: Path, mode: Mode, timeout: float, **settings: Any) -> None:
        self.folder = folder
        self.is_online = False
        self._run: Run | None = None
        check(mode)
        chosen = _resolved(mode)
        if chosen == "online" and _server() in _unreachable:
            chosen = "offline"
        if chosen == "online":
            try:
                self._run = _start(folder, "online", timeout, settings)
                self.is_online = True
                rank_zero_info(f"W&B: {self._run.url}")
            except Exception as err:
                _unreachable.add(_server())
                rank_zero_info(
                    f"W&B did not answer ({_first_line(err)}): training goes on, and what would be sent is written to "
                    f"{folder / 'wandb'}; `wandb sync` sends it later"
                )
                chosen = "offline"
        if self._run is None:
            self.try_to(lambda: setattr(self, "_run", _start(folder, chosen, timeout, settings)))
        if self._run is not None and chosen == "offline":
            rank_zero_info(f"W&B is offline: {folder / 'wandb'}; `wandb sync` sends it")

    @property
    def id(self) -> str | None:
        """Of the run, or None when there is none."""
        return None if self._run is None else self._run.id

    def log(self, values: Mapping[str, Any]) -> None:
        """Add a row to the history."""
        self.try_to(lambda: self._run and self._run.log(dict(values)))

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Set figures of the summary."""
        self.try_to(lambda: self._run and self._run.summary.update(dict(values)))

    def finish(self, failed: bool) -> None:
        """End the run; waits for the server as long as the timeout says."""
        self.try_to(lambda: self._run and self._run.finish(exit_code=int(failed)))
        self._run = None

    def try_to(self, action: Callable[[], object]) -> None:
        """Do something that W&B may fail at, which then ends the reporting and nothing else."""
        try:
            action()
        except Exception as err:
            self._run = None
            rank_zero_info(f"W&B failed ({_first_line(err)}): training goes on, and nothing more is sent to it")


def check(mode: Mode) -> None:
    """Refuse what cannot work, before anything is trained.

    Raises:
        ConfigError: for `online` without an account.
        MissingDependency: without wandb.
    """
    if find_spec("wandb") is None:
        raise MissingDependency("a W&B run needs wandb: pip install 'hqlm[wandb]'")
    if mode == "online" and not _has_account():
        raise ConfigError("mode: online needs an account of W&B: run `wandb login`, or set mode: auto or offline")


def _resolved(mode: Mode) -> str:
    if mode != "auto":
        return mode
    return os.environ.get(_ENVIRONMENT) or ("online" if _has_account() else "offline")


def _server() -> str:
    import wandb

    return str(wandb.setup().settings.base_url)


def _has_account() -> bool:
    """Whether there is a key in the environment, in W&B's settings or in the file that `wandb login` writes."""
    import wandb

    if wandb.setup().settings.api_key or os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
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
