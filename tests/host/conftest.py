"""What all of these tests have in common."""

from __future__ import annotations

import pytest

from mm_bot.host import state_file


@pytest.fixture(autouse=True)
def patient_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still is no broken disk."""
    monkeypatch.setattr(state_file, "WRITE_WITHIN_S", 60.0)
