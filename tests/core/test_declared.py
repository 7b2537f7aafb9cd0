"""What a strategy declares and measures, and how its explanations read."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mm_bot.core.declared import Declared, Measure, Measured, MeasureKind, StepReason
from mm_bot.core.exact import Price, Size
from mm_bot.core.explained import Explained, said, said_later

WIDE, LOST = (MeasureKind(name=name, help=name) for name in ("wide", "lost"))
DULL, SHARP = (StepReason(value=name, means=name) for name in ("dull", "sharp"))


def test_what_two_steps_declare_is_declared_once() -> None:
    """In the order in which it was declared first."""
    both = Declared(measures=(WIDE,), reasons=(DULL,)) + Declared(
        measures=(WIDE, LOST), reasons=(SHARP, DULL)
    )
    assert both == Declared(measures=(WIDE, LOST), reasons=(DULL, SHARP))


def test_reasons_are_the_same_by_their_word() -> None:
    """Whatever their sentence is."""
    assert StepReason(value="dull", means="other words") == DULL


def test_measures_are_made_once_and_when_they_are_read() -> None:
    """They equal others that say the same, and nothing else."""
    made: list[str] = []

    def make(value: int) -> Iterator[Measure]:
        made.append("made")
        yield Measure(name="wide", value=Decimal(value))

    one, same, other = (
        Measured(lambda: make(1)),
        Measured(lambda: make(1)),
        Measured(lambda: make(2)),
    )
    assert made == []
    assert [m.value for m in one] == [m.value for m in one] == [Decimal(1)]
    assert made == ["made"]
    assert one == same
    assert one != other
    assert one != tuple(one)


def test_explanations_are_read_in_their_order() -> None:
    """Those that are there and those that are made when read; numbers read plainly, whatever their
    exponent. They equal others that say the same, and nothing else."""
    first = said("skew", "{bps} bps of {size}", bps=Decimal("1E+2"), size=Size.of("2.50"))
    told = Explained((first, lambda: said_later("mid", "around {mid}", None, {"mid": Price.of(7)})))
    assert [e.sentence for e in told] == ["100 bps of 2.5", "around 7"]
    assert told == Explained(tuple(told))
    assert told != Explained((first,))
    assert told != tuple(told)
