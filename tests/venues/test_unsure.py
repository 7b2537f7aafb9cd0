"""What later answers to the same bytes may say."""

from __future__ import annotations

from mm_bot.core.commands import Outcome, Verdict
from mm_bot.venues.unsure import KEPT, Unsure

ACCEPTED, REFUSED, UNKNOWN = (Outcome(verdict=verdict, detail="why") for verdict in Verdict)


def test_a_refusal_after_an_unknown_end_says_nothing() -> None:
    """The first sending may have been taken: only the first answer to bytes never sent before is
    believed where it refuses, and an acceptance ends the doubt."""
    unsure = Unsure()
    assert unsure.judged("a", REFUSED) is REFUSED
    assert unsure.judged("a", UNKNOWN) is UNKNOWN
    judged = unsure.judged("a", REFUSED)
    assert (judged.verdict, judged.detail) == (Verdict.UNKNOWN, "why")
    assert unsure.judged("b", REFUSED) is REFUSED
    assert unsure.judged("a", ACCEPTED) is ACCEPTED
    assert unsure.judged("a", REFUSED) is REFUSED


def test_it_does_not_grow_for_ever() -> None:
    """The oldest doubts are forgotten, long after their orders' lives."""
    unsure = Unsure()
    for number in range(KEPT + 1):
        unsure.judged(str(number), UNKNOWN)
    assert unsure.judged("0", REFUSED) is REFUSED
    assert unsure.judged("1", REFUSED).verdict is Verdict.UNKNOWN
