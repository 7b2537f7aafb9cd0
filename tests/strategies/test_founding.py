"""The ladder: its prices, and the bounds on what a side may rest."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.balances import Holdings
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.policy import OperatorMode, QuotePolicy
from mm_bot.core.quoting import NONE_HANGS, Kept, Ladder, MissingReason, View
from mm_bot.core.reference import ReferenceSource
from mm_bot.strategies import founding, options
from tests.core.builders import FUTURE, LADDER_OF_THREE, POLICY, QUOTES, SPOT
from tests.strategies.founding_formula import founding_formula


def _holdings(base: str, cash: str) -> Holdings:
    return Holdings(
        base_total=Size.of(base),
        base_reserved=NO_SIZE,
        base_available=max(Size.of(base), NO_SIZE),
        quote_total=Amount.of(cash),
        quote_reserved=NO_AMOUNT,
        quote_available=Amount.of(cash),
        base_highest=Size.of(base),
        base_lowest=Size.of(base),
    )


def _given(
    market: Instrument = SPOT,
    *,
    reference: str = "1600",
    base: str = "10000",
    cash: str = "100000000",
    touch: dict[Side, Price] | None = None,
    widened: bool = False,
    mode: OperatorMode = OperatorMode.NORMAL,
) -> View:
    return View(
        market=market,
        now_ms=0,
        mode=mode,
        reference=Price.of(reference),
        source=ReferenceSource.EXTERNAL if widened else ReferenceSource.ANCHOR,
        holdings=_holdings(base, cash),
        touch=touch or {},
        resting={},
    )


def quote(view: View, policy: QuotePolicy) -> Ladder:
    return founding(replace(POLICY, quote=policy)).quote(view, Kept()).ladder


def _prices(ladder: Ladder) -> tuple[list[str], list[str]]:
    return [str(x.price) for x in ladder.bids], [str(x.price) for x in ladder.asks]


def _sizes(ladder: Ladder, side: Side) -> list[str]:
    return [str(x.size) for x in ladder.side(side)]


@pytest.mark.parametrize(
    ("skew_bps", "caps", "base", "bid", "ask"),
    [
        (0, (1_000, -1_000), "0", "1596", "1604"),
        (15, (1_000, -1_000), "500", "1594.8", "1602.8"),
        (15, (1_000, -1_000), "-500", "1597.2", "1605.2"),
        (15, (500, -1_000), "250", "1595.4", "1603.4"),
        (15, (1_000, -1_000), "1000", None, "1601.6"),
        (15, (1_000, -1_000), "5000", None, "1601.6"),
        (15, (1_000, -1_000), "-5000", "1598.4", None),
        (15, (0, 0), "0", None, None),
    ],
)
def test_the_formula(
    skew_bps: int, caps: tuple[int, int], base: str, bid: str | None, ask: str | None
) -> None:
    """ref x (1 -+ half spread - skew): the skew is clamped to the larger cap, and a side that
    could pass its cap is gone."""
    market = replace(FUTURE, price_tick=Price.of("0.01"))
    policy = replace(
        QUOTES,
        skew_bps=Decimal(skew_bps),
        max_long=Size.of(caps[0]),
        max_short=Size.of(caps[1]),
    )
    ladder = quote(_given(market, base=base, cash="1000000000"), policy)
    assert _prices(ladder) == ([bid] if bid else [], [ask] if ask else [])


def test_levels_step_outwards_and_grow() -> None:
    """Level k is k steps further out and multiple^k as large."""
    ladder = quote(_given(), replace(LADDER_OF_THREE, level_size_mult=Decimal("1.5")))
    assert _prices(ladder) == (["1596", "1592.8", "1589.6"], ["1604", "1607.2", "1610.4"])
    assert _sizes(ladder, Side.SELL) == ["100", "150", "225"]


def test_the_external_anchor_quotes_wider_and_smaller() -> None:
    """With the bootstrap anchor as reference: spread x 2, size x 0.5."""
    ladder = quote(_given(widened=True), QUOTES)
    assert _prices(ladder) == (["1592"], ["1608"])
    assert _sizes(ladder, Side.BUY) == ["50"]


policies = st.builds(
    lambda half, step, skew, levels, size, long, notional: replace(
        QUOTES,
        half_spread_bps=Decimal(half),
        level_step_bps=Decimal(step),
        skew_bps=Decimal(skew),
        levels=levels,
        order_size=Size(size),
        max_long=Size.of(long),
        max_short=Size.of(-long),
        max_notional_per_side=None if notional is None else Amount.of(notional),
    ),
    st.integers(1, 500),
    st.integers(1, 100),
    st.integers(0, 300),
    st.integers(1, 4),
    st.decimals("0.001", "500", places=3),
    st.integers(0, 600),
    st.none() | st.integers(0, 1_000_000),
)
cents = st.integers(1, 400_000).map(lambda n: str(Decimal(n) / 100))
inputs = st.builds(
    lambda market, reference, base, cash, bid, ask: _given(
        market,
        reference=reference,
        base=str(base),
        cash=str(cash),
        touch={Side.BUY: Price.of(bid), Side.SELL: Price.of(ask)},
    ),
    st.sampled_from((SPOT, FUTURE)),
    cents,
    st.integers(-700, 700),
    st.integers(0, 1_000_000),
    cents,
    cents,
)


@given(inputs, policies)
def test_prices_are_on_the_tick_passive_and_not_crossed(seen: View, policy: QuotePolicy) -> None:
    """Invariants 1, 2, 3: rounded outwards, own bid < own ask, behind every wall."""
    ladder = quote(seen, policy)
    tick = seen.market.price_tick.value
    for side in Side:
        for wanted in ladder.side(side):
            assert wanted.price.value % tick == 0
            assert wanted.price.value > 0
            assert not side.reaches(wanted.price, seen.touch[side.opposite])
            assert seen.reference is not None
            exact = wanted.price <= seen.reference
            assert exact or side is Side.SELL or policy.skew_bps
    if ladder.bids and ladder.asks:
        assert ladder.bids[0].price < ladder.asks[0].price


@given(inputs, policies)
def test_a_side_stays_within_every_bound(seen: View, policy: QuotePolicy) -> None:
    """Invariant 4: capacity, notional limit and headroom hold for the sum of a side."""
    ladder = quote(seen, policy)
    market, money = seen.market, seen.holdings
    assert money is not None
    for side in Side:
        levels = ladder.side(side)
        size = sum((x.size for x in levels), NO_SIZE)
        worth = sum((x.notional for x in levels), NO_AMOUNT)
        room = (
            policy.max_long - money.base_total
            if side is Side.BUY
            else money.base_total - policy.max_short
        )
        assert not levels or size <= room
        if policy.max_notional_per_side is not None:
            assert worth <= policy.max_notional_per_side
        if not market.is_spot:
            assert market.margin_of(size) <= money.quote_available
        elif side is Side.BUY:
            assert worth <= money.quote_available
        else:
            assert size <= money.base_available


@given(inputs, policies)
def test_bounds_are_used_up_from_the_best_outwards(seen: View, policy: QuotePolicy) -> None:
    """Invariant 5: every level but the last has its full size, and where one is missing so are all
    outer ones."""
    ladder = quote(seen, policy)
    for side in Side:
        levels = ladder.side(side)
        assert [x.index for x in levels] == list(range(len(levels)))
        for wanted in levels[:-1]:
            full = seen.market.floor_size(policy.order_size)
            assert wanted.size == full


@given(inputs, policies, st.sampled_from(OperatorMode))
def test_a_side_is_quoted_or_says_why_not(
    seen: View, policy: QuotePolicy, mode: OperatorMode
) -> None:
    """Invariant 6: a missing level has a reason, one-sided modes their own."""
    ladder = quote(replace(seen, mode=mode), policy)
    for side in Side:
        gaps = [m for m in ladder.missing if m.side is side]
        assert len(ladder.side(side)) == policy.levels or gaps
        if not mode.wants(side):
            assert not ladder.side(side)
            assert gaps[0].reason is MissingReason.OPERATOR_MODE


@pytest.mark.parametrize(
    ("base", "cash", "policy", "side", "sizes", "reason"),
    [
        ("10000", "239520", LADDER_OF_THREE, Side.BUY, 2, MissingReason.QUOTE_BALANCE),
        ("150", "1", LADDER_OF_THREE, Side.SELL, 2, MissingReason.BASE_BALANCE),
        ("0", "1", QUOTES, Side.SELL, 0, MissingReason.BASE_BALANCE),
        (
            "99999.5",
            "100000000",
            LADDER_OF_THREE,
            Side.BUY,
            1,
            MissingReason.INVENTORY_LIMIT,
        ),
        (
            "10000",
            "100000000",
            replace(LADDER_OF_THREE, max_notional_per_side=Amount.of(160_000)),
            Side.BUY,
            2,
            MissingReason.NOTIONAL_LIMIT,
        ),
    ],
)
def test_what_bounds_a_side(
    base: str, cash: str, policy: QuotePolicy, side: Side, sizes: int, reason: MissingReason
) -> None:
    """The first level that does not fit names the bound that took its room."""
    ladder = quote(_given(base=base, cash=cash), policy)
    assert len(ladder.side(side)) == sizes
    assert [m.reason for m in ladder.missing if m.side is side] == [reason]


def test_a_future_needs_cash_on_both_sides_and_no_base() -> None:
    """3,000 USDC of cash margin one and a half contracts a side, short or long."""
    policy = replace(QUOTES, order_size=Size.of(2))
    ladder = quote(_given(FUTURE, base="0", cash="3000"), policy)
    assert _sizes(ladder, Side.BUY) == _sizes(ladder, Side.SELL) == ["1.5"]


def test_a_target_that_would_take_rests_one_tick_behind() -> None:
    """The wall at 1596 moves the bid of 1596 to 1595.99, an ask wall likewise."""
    touch = {Side.SELL: Price.of("1596"), Side.BUY: Price.of("1610")}
    assert _prices(quote(_given(touch=touch), QUOTES)) == (["1595.99"], ["1610.01"])


def test_a_closed_market_is_not_quoted() -> None:
    """At expiry of the future both sides fall away."""
    assert FUTURE.expiry_ms is not None
    ladder = quote(replace(_given(FUTURE), now_ms=FUTURE.expiry_ms), QUOTES)
    assert {m.reason for m in ladder.missing} == {MissingReason.MARKET_CLOSED}


widenings = st.sampled_from(("0", "0.5", "40"))


@given(
    inputs,
    policies,
    widenings,
    st.booleans(),
    st.sampled_from(OperatorMode),
    st.sampled_from(("1", "1.5", "0.25")),
)
def test_with_every_feature_off_the_ladder_is_the_founding_formula(
    seen: View,
    policy: QuotePolicy,
    widening: str,
    bootstrap: bool,
    mode: OperatorMode,
    size_mult: str,
) -> None:
    """The steps give what the one formula gave, to the byte: levels, gaps, skew and bounds."""
    seen = replace(
        seen,
        widening_bps=Decimal(widening),
        source=ReferenceSource.EXTERNAL if bootstrap else ReferenceSource.ANCHOR,
        mode=mode,
    )
    policy = replace(policy, level_size_mult=Decimal(size_mult))
    assert repr(quote(seen, policy)) == repr(founding_formula(seen, policy))


@given(inputs, policies)
def test_with_every_feature_off_nothing_else_is_said(seen: View, policy: QuotePolicy) -> None:
    """No halt, no reduction, nothing that hangs or is remembered, no gauge but the half-spread, and
    only the founding steps speak: with options that leave every feature off as with none."""
    strategy = founding(replace(POLICY, quote=policy))
    quotes = strategy.quote(seen, Kept())
    assert (quotes.halts, quotes.reduction, quotes.hanging) == ((), None, NONE_HANGS)
    assert quotes.kept == Kept(value={})
    assert {m.name for m in quotes.measures} == {"mm_bot_half_spread_bps"}
    spoke = {e.step.split()[0] for e in quotes.explanations}
    assert spoke <= {"bootstrap", "widening", "spread", "skew", "price", "passive", "bound", "size"}
    defaults = {option.name: option.default for option in options() if option.default is not None}
    written = founding(replace(POLICY, quote=policy, options=defaults))
    assert [type(s) for s in written.steps] == [type(s) for s in strategy.steps]


@given(inputs, policies)
def test_the_explanation_carries_the_numbers_of_the_ladder(seen: View, policy: QuotePolicy) -> None:
    """Price and size of every level are those of the last steps that speak of it."""
    quotes = founding(replace(POLICY, quote=policy)).quote(seen, Kept())
    for side in Side:
        said = {e.step: e.texts for e in quotes.explanations if e.side is side}
        for level in quotes.ladder.side(side):
            sized = said[f"size level {level.index}"]
            assert (sized["price"], sized["size"]) == (str(level.price), str(level.size))


def test_a_widened_half_spread_is_told_as_decided() -> None:
    """With 40 bps of disagreement the bid is 1589.6, and that is what is told."""
    seen = replace(_given(), widening_bps=Decimal(40))
    quotes = founding(replace(POLICY, quote=QUOTES)).quote(seen, Kept())
    told = [e.sentence for e in quotes.explanations]
    assert _prices(quotes.ladder) == (["1589.6"], ["1610.4"])
    assert "half-spread 25 + 40 (sources disagree) = 65 bps" in told
    assert "floor(1600 x (1 - 65 bps - 0 bps)) = 1589.6" in told
