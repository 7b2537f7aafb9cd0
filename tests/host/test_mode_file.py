"""Claims about the file of the operator mode: an empty one counts once nobody is writing it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mm_bot.core.policy import OperatorMode
from mm_bot.host.mode_file import ModeFile
from tests.prices.support import ManualClock

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("empty_for_ms", "expected"),
    [
        (0, OperatorMode.ASK_ONLY),
        (99, OperatorMode.ASK_ONLY),
        (100, OperatorMode.NORMAL),
        (-100, OperatorMode.NORMAL),  # by a clock that was set back since
    ],
)
def test_a_file_that_is_being_written_changes_nothing(
    tmp_path: Path, empty_for_ms: int, expected: OperatorMode
) -> None:
    """`echo mode > file` empties it first: a look in between keeps the mode, a later one not."""
    path = tmp_path / "mode"
    clock = ManualClock(NOW_MS)
    file = ModeFile(path, OperatorMode.NORMAL, clock=clock)
    path.write_text("ask-only\n")
    assert file.look() is OperatorMode.ASK_ONLY
    path.write_text("")
    os.utime(path, ns=(0, (NOW_MS - empty_for_ms) * 1_000_000))
    assert file.look() is expected
    assert file.named_by_file is (expected is OperatorMode.ASK_ONLY)
    path.write_text("bid-only")
    assert file.look() is OperatorMode.BID_ONLY


def test_without_the_file_the_mode_of_the_settings_is_back_at_once(tmp_path: Path) -> None:
    """What is not there is not being written."""
    path = tmp_path / "mode"
    file = ModeFile(path, OperatorMode.NORMAL, clock=ManualClock(NOW_MS))
    path.write_text("ask-only")
    assert file.look() is OperatorMode.ASK_ONLY
    path.unlink()
    assert file.look() is OperatorMode.NORMAL
