"""The parser of configurations, with short errors in place of jsonargparse's."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from jsonargparse import DefaultHelpFormatter
from lightning.pytorch.cli import LightningArgumentParser

from hqlm.commands.messages import explain
from hqlm.errors import ConfigError, user_mistake


class _HelpFormatter(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the lines of descriptions as they are, so that examples stay examples."""


class HqlmParser(LightningArgumentParser):
    """A LightningArgumentParser that raises what is wrong instead of printing pages."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, formatter_class=_HelpFormatter, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise a ConfigError that says what was given and what is possible."""
        if not self.exit_on_error:  # parsers of parts: jsonargparse itself collects their errors
            super().error(message, ex)
        mistake = user_mistake(ex)
        if mistake is not None:
            raise mistake
        names = [option for action in self._actions for option in action.option_strings]
        options = [name.removeprefix("--") for name in names if name.startswith("--") and not name.endswith("+")]
        raise ConfigError(explain(message, options)) from ex
