"""Claims about the guard; the numbers are the rules of `guarded`'s docstring."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Price
from mm_bot.prices.guarded import Guard, Guarded, GuardPolicy
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from tests.prices.support import NOW_MS, ManualClock, ScriptedSource, reading, run

POLICY = GuardPolicy(max_age_ms=60_000, max_deviation_bps=Decimal(500))


def admit(guard: Guard, price: str, *, age_ms: int | None = None, now_ms: int = NOW_MS) -> Reading:
    as_of_ms = None if age_ms is None else now_ms - age_ms
    return guard.admit(reading(price, as_of_ms), read_ms=now_ms - 5, now_ms=now_ms)


def refusal(guard: Guard, price: str, **when: int) -> RejectReason:
    with pytest.raises(AnchorError) as caught:
        admit(guard, price, **when)
    return caught.value.refusal


@pytest.mark.parametrize(
    ("price", "age_ms", "expected"),
    [
        ("0", 0, RejectReason.NOT_POSITIVE),
        ("-0", 0, RejectReason.NOT_POSITIVE),
        ("-1600", 0, RejectReason.NOT_POSITIVE),
        ("1e-7", 0, RejectReason.IMPLAUSIBLE),
        ("1e13", 0, RejectReason.IMPLAUSIBLE),
        ("1600", 60_001, RejectReason.STALE),
        ("1600", -5_001, RejectReason.FUTURE),
        ("1600", -(10**15), RejectReason.FUTURE),
        ("1600", 10**15, RejectReason.STALE),
    ],
)
def test_each_fault_has_its_own_reason(price: str, age_ms: int, expected: RejectReason) -> None:
    """Zero, negative, implausible, old, from the future."""
    assert refusal(Guard("s", POLICY), price, age_ms=age_ms) is expected


def test_the_limits_themselves_are_inside() -> None:
    """Exactly at the age limit and exactly as far ahead as allowed is still a price."""
    assert admit(Guard("s", POLICY), "1600", age_ms=60_000).as_of_ms == NOW_MS - 60_000
    assert admit(Guard("s", POLICY), "1600", age_ms=-5_000).as_of_ms == NOW_MS


def test_data_without_a_time_is_as_old_as_the_read_that_brought_it() -> None:
    """Rule 2: from the beginning of the read, which is the cautious end."""
    assert admit(Guard("s", POLICY), "1600").as_of_ms == NOW_MS - 5


def test_a_limit_of_none_is_off() -> None:
    """Old data and jumps pass where the operator turned the limit off."""
    guard = Guard("s", GuardPolicy(max_age_ms=None, max_deviation_bps=None))
    assert admit(guard, "1600", age_ms=10**12).price == Price.of("1600")
    assert admit(guard, "9", age_ms=0).price == Price.of("9")


def test_operator_bounds_refuse_what_no_jump_limit_sees() -> None:
    """A first reading in the wrong orientation has no base to jump from."""
    policy = GuardPolicy(
        max_age_ms=None, max_deviation_bps=None, low=Price.of(100), high=Price.of(10_000)
    )
    assert refusal(Guard("s", policy), "0.000625") is RejectReason.IMPLAUSIBLE


def test_a_jump_of_exactly_the_limit_is_none() -> None:
    """500 bps of 1600 is 80, in both directions."""
    guard = Guard("s", POLICY)
    admit(guard, "1600")
    admit(guard, "1680")
    assert refusal(guard, "1764.000001") is RejectReason.JUMP
    admit(guard, "1764")


def test_a_true_devaluation_rearms_after_three_confirmations() -> None:
    """Rule 3: two are refused, the third is the new base, and no restart was needed."""
    guard = Guard("s", POLICY)
    admit(guard, "1600")
    assert refusal(guard, "2400") is RejectReason.JUMP
    assert refusal(guard, "2410") is RejectReason.JUMP
    assert admit(guard, "2405").price == Price.of("2405")
    assert admit(guard, "2420").price == Price.of("2420")


def test_a_reading_near_the_base_ends_the_series() -> None:
    """Rule 3: a source that flickers never confirms its jump."""
    guard = Guard("s", POLICY)
    admit(guard, "1600")
    for _ in range(10):
        assert refusal(guard, "2400") is RejectReason.JUMP
        assert refusal(guard, "2400") is RejectReason.JUMP
        admit(guard, "1601")


def test_confirmations_must_agree_with_each_other() -> None:
    """Rule 3: noise beyond the limit is never a base, however often it is read."""
    guard = Guard("s", POLICY)
    admit(guard, "1600")
    for price in ("2400", "800", "3200", "400", "2400", "800"):
        assert refusal(guard, price) is RejectReason.JUMP
    assert refusal(guard, "820") is RejectReason.JUMP
    admit(guard, "810")


def test_a_creep_within_the_series_does_not_confirm_itself() -> None:
    """Rule 3: each confirmation agrees with all others, not only with the one before it."""
    guard = Guard("s", POLICY)
    admit(guard, "1600")
    assert refusal(guard, "2000") is RejectReason.JUMP
    assert refusal(guard, "2090") is RejectReason.JUMP
    assert refusal(guard, "2180") is RejectReason.JUMP  # near 2090, not near 2000
    assert refusal(guard, "2180") is RejectReason.JUMP
    admit(guard, "2180")


def test_stale_readings_neither_confirm_nor_end_a_series() -> None:
    """Rule 3: a lagging replica between two fresh ones does not keep the guard shut."""
    guard = Guard("s", POLICY)
    admit(guard, "1600", age_ms=0)
    for _ in range(2):
        assert refusal(guard, "2400", age_ms=0) is RejectReason.JUMP
        assert refusal(guard, "1600", age_ms=60_001) is RejectReason.STALE
        assert refusal(guard, "0", age_ms=0) is RejectReason.NOT_POSITIVE
    admit(guard, "2400", age_ms=0)


def test_confirmations_that_are_too_old_by_now_do_not_count() -> None:
    """Rule 3: the readings that confirm are all fresh at the same time."""
    guard = Guard("s", POLICY)
    admit(guard, "1600")
    assert refusal(guard, "2400") is RejectReason.JUMP
    assert refusal(guard, "2400") is RejectReason.JUMP
    assert refusal(guard, "2400", now_ms=NOW_MS + 60_000) is RejectReason.JUMP


def test_the_jump_guard_opens_after_an_outage_too() -> None:
    """Rule 4: an hour without data and a new price level is three readings, not a restart."""
    guard = Guard("s", POLICY)
    admit(guard, "1600")
    later_ms = NOW_MS + 3_600_000
    assert refusal(guard, "2400", now_ms=later_ms) is RejectReason.JUMP
    assert refusal(guard, "2400", now_ms=later_ms + 1) is RejectReason.JUMP
    admit(guard, "2400", now_ms=later_ms + 2)


steps = st.lists(
    st.tuples(
        st.one_of(
            st.decimals("1500", "1700", places=2),
            st.decimals("2400", "2500", places=2),
            st.decimals("-10", "10", places=9),
            st.decimals("1e-30", "1e30"),
        ),
        st.integers(-10_000, 120_000),
        st.integers(0, 30_000),
    ),
    max_size=60,
)


@given(steps)
def test_what_comes_out_is_what_went_in(script: list[tuple[Decimal, int, int]]) -> None:
    """Rule 1: an admitted price is the one just given, fresh, positive and within the bounds."""
    guard, now_ms = Guard("s", POLICY), NOW_MS
    for price, age_ms, passed_ms in script:
        now_ms += passed_ms
        given_reading = Reading(price=Price(price), as_of_ms=now_ms - age_ms)
        try:
            admitted = guard.admit(given_reading, read_ms=now_ms, now_ms=now_ms)
        except AnchorError:
            continue
        assert admitted.price is given_reading.price
        assert admitted.as_of_ms == min(now_ms - age_ms, now_ms)
        assert POLICY.low <= admitted.price <= POLICY.high
        assert -5_000 <= age_ms <= 60_000


@given(steps, st.decimals("500", "5000", places=2), st.integers(1, 6))
def test_a_level_that_stays_is_always_accepted(
    script: list[tuple[Decimal, int, int]], level: Decimal, confirmations: int
) -> None:
    """Rule 4: whatever happened before, N steady fresh readings of any level end in a price."""
    policy = GuardPolicy(
        max_age_ms=60_000, max_deviation_bps=Decimal(500), confirmations=confirmations
    )
    guard, now_ms = Guard("s", policy), NOW_MS
    for price, age_ms, passed_ms in script:
        now_ms += passed_ms
        with suppress(AnchorError):
            admit(guard, str(price), age_ms=age_ms, now_ms=now_ms)
    for _ in range(confirmations - 1):
        with suppress(AnchorError):
            admit(guard, str(level), now_ms=now_ms)
    assert admit(guard, str(level), now_ms=now_ms).price == Price(level)


def test_a_source_that_never_answers_is_a_timeout() -> None:
    """Every read has its limit, whatever the source does."""

    async def scenario() -> AnchorError:
        source = Guarded(ScriptedSource(), POLICY, timeout_ms=20, clock=ManualClock())
        with pytest.raises(AnchorError) as caught:
            await source.read()
        return caught.value

    error = run(scenario())
    assert error.refusal is RejectReason.TIMEOUT
    assert error.source == "scripted"


def test_cancelling_a_read_is_no_refusal() -> None:
    """Shutting down is not mistaken for a fault of the source."""

    async def scenario() -> None:
        source = Guarded(ScriptedSource(), POLICY, timeout_ms=5_000, clock=ManualClock())
        task = asyncio.create_task(source.read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario())
