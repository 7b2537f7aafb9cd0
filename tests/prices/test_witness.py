"""Claims about time and unit: what no repetition makes true."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from mm_bot.core.exact import Price
from mm_bot.core.memory import Accepted
from mm_bot.host.accepted_file import HOLDS_MS, AcceptedFile
from mm_bot.prices.guarded import Guard, GuardPolicy
from mm_bot.prices.source import AnchorError, RejectReason
from mm_bot.prices.witness import DAY_MS, Witnesses
from tests.prices.support import NOW_MS, reading

POLICY = GuardPolicy(
    max_age_ms=60_000,
    max_deviation_bps=Decimal(500),
    hard_jump_bps=Decimal(2000),
    low=Price.of(100),
    high=Price.of(100_000),
)
LATER_MS = NOW_MS + 1_000


def price(guard: Guard, text: str, *, at_ms: int = NOW_MS, told_ms: int | None = None) -> str:
    """What comes out of the guard: a price, or why there is none."""
    try:
        return str(guard.admit(reading(text, told_ms), read_ms=at_ms, now_ms=at_ms).price)
    except AnchorError as error:
        return error.refusal.value


def at_1600(witnesses: Witnesses, policy: GuardPolicy = POLICY) -> Guard:
    guard = Guard("http", policy, witnesses)
    assert price(guard, "1600") == "1600"
    return guard


@pytest.mark.parametrize("jump", ["1920.01", "1279.99", "16000"])
def test_no_number_of_readings_confirms_a_hard_jump(jump: str) -> None:
    """Beyond 2000 bps the same source may say it as often as it likes."""
    guard = at_1600(Witnesses())
    assert {price(guard, jump) for _ in range(20)} == {RejectReason.UNCONFIRMED.value}
    assert price(guard, "1601") == "1601", "and nothing needs a restart"


def test_a_refused_hard_jump_names_its_numbers_and_the_remedy() -> None:
    """From, to, how far, the limit, and the command that accepts it."""
    with pytest.raises(AnchorError) as caught:
        at_1600(Witnesses()).admit(reading("16000"), read_ms=NOW_MS, now_ms=NOW_MS)
    assert str(caught.value) == (
        "http: unconfirmed jump: 1600 -> 16000, 90000 bps, limit 2000; no other source and no "
        "local price agrees: if it is true, `mm-bot accept-reference 16000`"
    )


def test_repetition_still_confirms_a_smaller_jump() -> None:
    """At the hard limit itself, 1920, three readings are enough."""
    guard = at_1600(Witnesses())
    assert [price(guard, "1920") for _ in range(3)] == ["jump", "jump", "1920"]


def test_another_source_confirms_and_the_same_one_does_not() -> None:
    """Of two sources the second that says so is believed at once, and then the first as well."""
    witnesses = Witnesses()
    one, two = at_1600(witnesses), Guard("pyth", POLICY, witnesses)
    assert price(two, "1600") == "1600"
    assert price(one, "2400") == "unconfirmed jump"
    assert price(two, "2420") == "2420"
    assert price(one, "2400") == "2400"


def test_what_a_source_said_long_ago_confirms_nothing() -> None:
    """A minute later it would have to say it again."""
    witnesses = Witnesses()
    one = at_1600(witnesses)
    witnesses.said("pyth", Price.of(2400), NOW_MS)
    assert price(one, "2400", at_ms=NOW_MS + 60_001) == "unconfirmed jump"
    assert price(one, "2400", at_ms=NOW_MS + 60_000) == "2400"


@pytest.mark.parametrize(("local", "expected"), [("2520", "2400"), ("2521", "unconfirmed jump")])
def test_the_local_price_confirms_within_the_deviation_limit(local: str, expected: str) -> None:
    """500 bps of 2520 are 126: 2400 is within them. Of 2521 and a limit of 475 it is not."""
    witnesses = Witnesses(agreement_bps=Decimal(500) if local == "2520" else Decimal(475))
    guard = at_1600(witnesses)
    witnesses.hear_local(Price.of(local), NOW_MS)
    assert price(guard, "2400") == expected
    witnesses.hear_local(None, NOW_MS)
    assert price(guard, "5000") == "unconfirmed jump"


def test_the_limit_can_be_off() -> None:
    """Then repetition confirms any plausible jump, as before."""
    guard = at_1600(Witnesses(), replace(POLICY, hard_jump_bps=None))
    assert [price(guard, "16000") for _ in range(3)] == ["jump", "jump", "16000"]


def test_an_earlier_process_is_a_witness_for_a_day() -> None:
    """The first reading of a process is held against what the state file remembers."""
    earlier = {"http": Accepted(price=Price.of(1600), at_ms=NOW_MS - DAY_MS)}
    assert price(Guard("http", POLICY, Witnesses(earlier=earlier)), "2400") == "unconfirmed jump"
    assert price(Guard("http", POLICY, Witnesses(earlier=earlier)), "1900") == "1900"
    assert price(Guard("pyth", POLICY, Witnesses(earlier=earlier)), "2400") == "2400"
    late = Guard("http", POLICY, Witnesses(earlier=earlier))
    assert price(late, "2400", at_ms=NOW_MS + 1) == "2400"


def test_the_operator_confirms_by_a_file(tmp_path: Path) -> None:
    """For ten minutes, near his price only, and without a restart."""
    file = AcceptedFile(tmp_path / "state.json")
    guard = at_1600(Witnesses(operator=file.read))
    assert price(guard, "2400") == "unconfirmed jump"
    file.write(Price.of(2400), NOW_MS, reader="bot")
    assert price(guard, "5000") == "unconfirmed jump"
    assert price(guard, "2401") == "2401"
    assert file.read(NOW_MS + HOLDS_MS) == Price.of(2400)
    assert file.read(NOW_MS + HOLDS_MS + 1) is None


@pytest.mark.parametrize(
    "content", ["", "2400", "2400 x", "nan 1777000000000", "1e9 1777000000000", "0 1777000000000"]
)
def test_an_unreadable_word_of_the_operator_is_none(tmp_path: Path, content: str) -> None:
    """Torn, no number, not positive: it accepts nothing and ends nothing."""
    file = AcceptedFile(tmp_path / "state.json")
    file.path.write_text(content)
    assert file.read(NOW_MS) is None


def test_time_only_goes_forward() -> None:
    """Two backends out of step: the older one's readings are refused, the newer one's are taken."""
    guard = Guard("http", POLICY)
    assert price(guard, "1600", told_ms=NOW_MS) == "1600"
    assert price(guard, "1500", told_ms=NOW_MS - 1) == "older than accepted"
    assert price(guard, "1601", told_ms=NOW_MS) == "1601"
    assert price(guard, "1602", at_ms=LATER_MS, told_ms=LATER_MS) == "1602"
    assert price(guard, "1603", at_ms=LATER_MS, told_ms=NOW_MS) == "older than accepted"


def test_an_older_reading_ends_no_series_of_confirmations() -> None:
    """One backend has moved, the other lags behind: the move is confirmed all the same."""
    guard = Guard("http", POLICY)
    assert price(guard, "1600", told_ms=NOW_MS - 5) == "1600"
    seen = [
        price(guard, text, told_ms=told)
        for text, told in (
            ("1700", NOW_MS - 3),
            ("1600", NOW_MS - 5),
            ("1700", NOW_MS - 2),
            ("1600", NOW_MS - 5),
            ("1700", NOW_MS - 1),
        )
    ]
    older = "older than accepted"
    assert seen == ["jump", older, "jump", older, "1700"]


def test_an_answer_from_a_cache_is_as_old_as_the_cache_says() -> None:
    """Where the data tells no time, the HTTP age counts, for the limit too."""
    aged = replace(reading("1600"), age_ms=59_000)
    assert Guard("s", POLICY).admit(aged, read_ms=NOW_MS, now_ms=NOW_MS).as_of_ms == NOW_MS - 59_000
    late = replace(aged, age_ms=61_000)
    with pytest.raises(AnchorError, match="61000 ms, limit 60000 ms"):
        Guard("s", POLICY).admit(late, read_ms=NOW_MS, now_ms=NOW_MS)
