"""How a command can end."""

from __future__ import annotations

import pytest

from mm_bot.core.commands import Outcome, Replaced, Verdict


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.UNKNOWN])
def test_a_replace_that_did_neither_ends_twice_alike(verdict: Verdict) -> None:
    """Only of the place it may be told that its nonce is taken, and only where that was said."""
    plain = Outcome(verdict=verdict, detail="why")
    assert Replaced.neither(verdict, "why") == Replaced(cancel=plain, place=plain)
    taken = Replaced.neither(verdict, "why", conflict=True)
    assert (taken.cancel.conflict, taken.place.conflict) == (False, True)
