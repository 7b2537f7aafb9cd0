"""Waiting for a process to do something, and its log where it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def wait_until(
    happened: Callable[[], bool], what: str, log: Path, deadline_seconds: float = 20
) -> None:
    """Returns once it has; fails with the end of the log."""
    give_up_at = time.monotonic() + deadline_seconds
    while not happened():
        assert time.monotonic() < give_up_at, f"not {what}:\n{log.read_text()[-3000:]}"
        time.sleep(0.05)
