"""What a command is given: its arguments, the environment, and where to print."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from mm_bot.cli.output import Output
from mm_bot.settings import Settings, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One command as it was asked for."""

    arguments: argparse.Namespace
    environment: Mapping[str, str]
    output: Output

    def settings(self) -> Settings:
        """The settings as a whole.

        Raises:
            SettingsError: with every fault.
        """
        return load(self.environment)

    def text(self, name: str) -> str | None:
        value = getattr(self.arguments, name)
        assert value is None or isinstance(value, str), name
        return value

    def number(self, name: str) -> float:
        value = getattr(self.arguments, name)
        assert isinstance(value, int | float), name
        return value

    def flag(self, name: str) -> bool:
        value = getattr(self.arguments, name)
        assert isinstance(value, bool), name
        return value
