"""The operator mode of a running bot: where it comes from, and how it is changed in flight.

A process that began in `dry-run-health` never took the one-writer lock, so no other mode may be
reached from there: that needs a restart. One that holds the lock may go anywhere, also into
`dry-run-health` and back. With `MM_DRY_RUN` nothing is ever sent, so every mode may be tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from mm_bot.bot import Bot
from mm_bot.core.policy import OperatorMode
from mm_bot.host.mode_file import ModeFile
from mm_bot.observe.log import Log
from mm_bot.settings import Settings

NEEDS_RESTART = (
    "this process began in dry-run-health and does not hold the one-writer lock: "
    "restart it to leave that mode"
)


class ModeControl:
    """`start` is the mode to begin with: the control file's, else that of the settings."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._file = ModeFile(settings.operator_mode_file, settings.mode)
        self._log = log
        self._dry_run = settings.dry_run
        self.start = self._file.look()
        self._refused: str | None = None
        if self._file.problem is not None:
            log.warning("operator_mode.invalid", note=self._file.problem)

    def describe(self) -> Mapping[str, object]:
        """For the status."""
        return {
            "mode_file": None if self._file.path is None else str(self._file.path),
            "mode_from": "control file" if self._file.named_by_file else "settings",
            "problem": self._file.problem or self._refused,
        }

    @contextmanager
    def following(self, bot: Bot) -> Iterator[None]:
        """While inside, the file's mode becomes the bot's in its next cycle, which starts at
        once."""

        def changed(mode: OperatorMode) -> None:
            self._apply(bot, mode)

        def problem(note: str) -> None:
            self._log.warning("operator_mode.invalid", note=note)

        watching = asyncio.create_task(self._file.watch(changed, problem), name="mode-file")
        try:
            yield
        finally:
            watching.cancel()

    def _apply(self, bot: Bot, mode: OperatorMode) -> None:
        old = bot.policy.mode
        self._refused = None
        if mode is old:
            return
        if self.start is OperatorMode.DRY_RUN_HEALTH and not self._dry_run:
            self._refused = f"{mode.value} is refused: {NEEDS_RESTART}"
            self._log.warning("operator_mode.refused", old=old, new=mode, note=NEEDS_RESTART)
            return
        bot.policy = replace(bot.policy, mode=mode)
        self._log.info("operator_mode", old=old, new=mode)
        bot.wake()
