"""The reference price is what the market is worth without us."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.reference import (
    Reference,
    ReferenceSource,
    as_of_ms,
    choose,
    deviation_bps,
    others,
    price_with_size,
    reaches,
)
from mm_bot.core.snapshot import AnchorQuote, BookOrder, OwnOrders, Trade
from tests.core.builders import NOW_MS, REFERENCES, anchor, observation, own_orders, snapshot, trade
from tests.core.builders import book as book_of
from tests.core.builders import others as order

BOOTSTRAP = replace(REFERENCES, bootstrap=True)
EXTERNAL_FIRST = replace(BOOTSTRAP, bootstrap_only=False)
NO_ANCHOR = anchor(None, as_of_ms=None)
MID = (order(Side.BUY, "1590"), order(Side.SELL, "1612"))


def _choose(
    *shown: BookOrder,
    trades: tuple[Trade, ...] = (),
    read: OwnOrders | None = None,
    quote: AnchorQuote | None = NO_ANCHOR,
    external: AnchorQuote | None = None,
    policy: object = REFERENCES,
) -> Reference:
    venue = observation(read or own_orders(), shown=book_of(*shown), trades=trades)
    seen = replace(snapshot(venue=venue, external=external), anchor=quote)
    assert isinstance(policy, type(REFERENCES))
    return choose(seen, others(venue), policy)


@pytest.mark.parametrize(
    ("quote", "shown", "trades", "price", "source"),
    [
        (anchor("1700"), MID, (trade(1, "1605"),), "1700", ReferenceSource.ANCHOR),
        (NO_ANCHOR, MID, (trade(1, "1605"),), "1601", ReferenceSource.BOOK),
        (NO_ANCHOR, MID[:1], (trade(1, "1605"),), "1605", ReferenceSource.TRADE),
        (None, (), (), None, ReferenceSource.NONE),
    ],
)
def test_general_order(
    quote: AnchorQuote | None,
    shown: tuple[BookOrder, ...],
    trades: tuple[Trade, ...],
    price: str | None,
    source: ReferenceSource,
) -> None:
    """Invariant 4: anchor, else local mid, else last trade, else none."""
    found = _choose(*shown, trades=trades, quote=quote)
    assert (found.price, found.source) == (Price.of(price) if price else None, source)


@pytest.mark.parametrize(
    ("policy", "shown", "age_ms", "source"),
    [
        (BOOTSTRAP, MID, 0, ReferenceSource.BOOK),
        (BOOTSTRAP, (), 0, ReferenceSource.EXTERNAL),
        (BOOTSTRAP, (), 30_001, ReferenceSource.NONE),
        (BOOTSTRAP, (), 30_000, ReferenceSource.EXTERNAL),
        (EXTERNAL_FIRST, MID, 0, ReferenceSource.EXTERNAL),
        (EXTERNAL_FIRST, MID, 30_001, ReferenceSource.BOOK),
    ],
)
def test_bootstrap_order(
    policy: object, shown: tuple[BookOrder, ...], age_ms: int, source: ReferenceSource
) -> None:
    """Invariant 4: local first and the external anchor last; with bootstrap-only off, the external
    anchor is first while it is fresh."""
    external = anchor("1500", as_of_ms=NOW_MS - age_ms)
    assert _choose(*shown, external=external, policy=policy).source is source


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1500, 1700)), max_size=10))
def test_own_orders_never_move_the_mid(own: list[tuple[Side, int]]) -> None:
    """Invariants 1 and 3: whatever we quote, the local mid is that of others alone."""
    mine = [order(side, str(p), order_id=f"o{i}", ours=True) for i, (side, p) in enumerate(own)]
    assert _choose(*MID, *mine).price == Price.of(1601)
    assert _choose(*mine).source is ReferenceSource.NONE


def test_the_matchers_blink_does_not_move_it() -> None:
    """Others' orders that the matcher holds are missing in the book and come from the rows."""
    read = own_orders(others=MID)
    behind = (order(Side.BUY, "1500"), order(Side.SELL, "1800"))
    assert _choose(*behind, read=read).price == Price.of(1601)
    assert others(observation(read, shown=book_of(*behind)))[Side.BUY][0].price == Price.of(1590)


def test_own_trades_are_the_very_last_resort() -> None:
    """Invariant 2: a trade of ours is used only where nothing else is left."""
    read = own_orders(own_trade_ids=frozenset({2}))
    both = (trade(2, "1700"), trade(1, "1605"))
    assert _choose(trades=both, read=read).price == Price.of(1605)
    alone = _choose(trades=both[:1], read=read)
    assert alone.source is ReferenceSource.OWN_TRADE
    external = anchor("1600")
    outside = _choose(trades=both[:1], read=read, external=external, policy=BOOTSTRAP)
    assert outside.source is ReferenceSource.EXTERNAL


def test_a_trade_nobody_could_classify_yet_is_no_reference() -> None:
    """A trade newer than the read of the order table may be ours, so it waits for the next."""
    read = own_orders(newest_trade_id=1)
    newer = (trade(2, "1700"), trade(1, "1605"))
    assert _choose(trades=newer, read=read).price == Price.of(1605)
    none_told = own_orders(newest_trade_id=None)
    assert _choose(trades=newer, read=none_told).source is ReferenceSource.NONE


def test_an_old_trade_is_no_reference() -> None:
    """A last trade older than the maximum age is not used."""
    assert _choose(trades=(trade(1, "1605", age_ms=300_001),)).source is ReferenceSource.NONE
    assert _choose(trades=(trade(1, "1605", age_ms=300_000),)).price == Price.of(1605)


def test_a_crossed_book_has_no_mid() -> None:
    """Where others cross each other for a moment, the mid says nothing."""
    for bid, ask in (("1612", "1590"), ("1600", "1600")):
        crossed = _choose(order(Side.BUY, bid), order(Side.SELL, ask))
        assert crossed.source is ReferenceSource.NONE
        assert crossed.candidates[1].why_not == f"crossed: bid {bid}, ask {ask}"


def test_each_source_says_why_it_is_none() -> None:
    """The operator reads it where no reference is found."""
    old, own = trade(1, "1605", age_ms=300_001), own_orders(own_trade_ids=frozenset({1}))
    none_of_ours = "no trade of ours within the maximum age"
    for found, book, others_trade, own_trade in (
        (_choose(MID[0]), "no ask of others", "no trade of others", none_of_ours),
        (_choose(MID[1]), "no bid of others", "no trade of others", none_of_ours),
        (_choose(trades=(old,)), "no bid of others", "none of others within the maximum age",
         none_of_ours),
        (_choose(*MID, trades=(trade(1, "1605"),), read=own), "",
         "none of others within the maximum age", ""),
        (_choose(*MID, trades=(trade(1, "1605"),)), "", "", none_of_ours),
    ):  # fmt: skip
        told = [candidate.why_not for candidate in found.candidates]
        assert told == ["no reading yet", book, others_trade, own_trade]


def test_every_source_has_its_own_time() -> None:
    """A price of the book or of a trade that of its read; an anchor's is its own."""
    venue = observation(own_orders())
    venue = replace(
        venue,
        book=replace(venue.book, as_of_ms=1),
        trades=replace(venue.trades, as_of_ms=2),
    )
    seen = snapshot(venue=venue, quote=anchor(as_of_ms=3), external=anchor(as_of_ms=4))
    assert {source: as_of_ms(seen, source) for source in ReferenceSource} == {
        ReferenceSource.BOOK: 1,
        ReferenceSource.TRADE: 2,
        ReferenceSource.OWN_TRADE: 2,
        ReferenceSource.ANCHOR: 3,
        ReferenceSource.EXTERNAL: 4,
        ReferenceSource.NONE: None,
    }
    bare = replace(seen, anchor=None, external=None)
    assert as_of_ms(bare, ReferenceSource.ANCHOR) is None
    assert as_of_ms(bare, ReferenceSource.EXTERNAL) is None


@pytest.mark.parametrize(
    ("local", "outside", "bps"),
    [
        ("1680", "1600", "500.0000"),
        ("1520", "1600", "500.0000"),
        ("1600.08", "1600", "0.5000"),
        ("1600.0001", "1600", "0.0006"),  # of 0.000625
        ("0.6", "0.5", "2000.0000"),
    ],
)
def test_deviation(local: str, outside: str, bps: str) -> None:
    """|local - anchor| / anchor in basis points."""
    assert deviation_bps(Price.of(local), Price.of(outside)) == Decimal(bps)
    assert deviation_bps(None, Price.of(outside)) is None
    assert deviation_bps(Price.of(local), None) is None
    assert deviation_bps(Price.of(local), Price.of(0)) is None


SIZED = replace(REFERENCES, min_size=Size.of(10))
EXACT = replace(SIZED, lot=Amount.of(0))
DUST = (order(Side.BUY, "1676", "0.001"), order(Side.SELL, "1678", "0.001"))
ABSURD = (order(Side.BUY, "0.0000000000001", "0.001"), order(Side.SELL, "99999999999999", "0.001"))


def test_dust_moves_no_mid() -> None:
    """Invariant 5: 0.001 at 1676/1678 leaves the mid where others' size is, or leaves none."""
    assert _choose(*MID, *DUST, policy=REFERENCES).source is ReferenceSource.NONE, "crossed by dust"
    assert _choose(*MID, *DUST[:1], policy=SIZED).price == Price.of(1601)
    alone = _choose(*DUST, policy=SIZED)
    assert alone.source is ReferenceSource.NONE
    assert alone.candidates[1].why_not == "too small: bid size of others 0.001, needs 10"


def test_sizes_add_up_from_the_best() -> None:
    """The price of a side is where the size is reached, and at the limit it is."""
    steps = [order(Side.SELL, str(1600 + i), "2.5") for i in range(4)]
    needs = {text: replace(EXACT, min_size=Size.of(text)) for text in ("10", "10.000001", "0")}
    assert price_with_size(steps, needs["10"]) == Price.of(1603)
    assert price_with_size(steps, needs["10.000001"]) is None
    assert price_with_size(steps, needs["0"]) == Price.of(1600)


def test_an_order_of_whole_cngn_may_fall_one_short_of_its_size() -> None:
    """10 USDC at 1676.33 is 16763 cNGN, which is 9.99982 USDC; two short of 10 is short."""
    assert price_with_size([order(Side.BUY, "1676.33", "9.99982")], SIZED) == Price.of("1676.33")
    assert price_with_size([order(Side.BUY, "1676.33", "9.999")], SIZED) is None
    meant = replace(trade(1, "1676.33"), size=Size.of("9.99982"))
    assert _choose(trades=(meant,), policy=SIZED).price == Price.of("1676.33")


def test_at_least_half_of_the_size_is_there_whatever_falls_short() -> None:
    """A lot of the quote may be worth more than the whole size."""
    price, least, lot = Price.of(10), Size.of(10), Amount.of(1_000)
    assert reaches(Size.of(5), price, least, lot)
    assert not reaches(Size.of("4.999"), price, least, lot)
    assert not reaches(Size.of("9.9"), price, least, Amount.of("0.99"))
    assert reaches(Size.of("9.9"), price, least, Amount.of(1))


def test_a_small_trade_is_no_reference() -> None:
    """A stranger's trade with himself of 0.001 at 2000 is passed over for the last one with size;
    one of ours is as small."""
    small = replace(trade(2, "2000"), size=Size.of("0.001"))
    large = replace(trade(1, "1605"), size=Size.of(10))
    assert _choose(trades=(small, large), policy=SIZED).price == Price.of(1605)
    larger = replace(trade(1, "2000"), size=Size.of(5))
    (_, _, told, _) = _choose(trades=(small, larger), policy=SIZED).candidates
    assert told.why_not == "too small: largest of others 5, needs 10"
    alone = _choose(trades=(small,), policy=SIZED)
    assert alone.source is ReferenceSource.NONE
    assert alone.candidates[2].why_not == "too small: largest of others 0.001, needs 10"
    own = own_orders(own_trade_ids=frozenset({2}))
    assert _choose(trades=(small,), read=own, policy=SIZED).source is ReferenceSource.NONE


def test_absurd_dust_makes_no_deviation() -> None:
    """A dust order at an absurd price moves neither mid nor guard, so it halts nobody."""
    cheap = (order(Side.BUY, "0.01", "0.5"), order(Side.SELL, "1612"))
    assert _choose(*cheap, quote=anchor("1600"), policy=SIZED).deviation_bps is None
    found = _choose(*ABSURD, quote=anchor("1600"), policy=SIZED)
    assert (found.price, found.deviation_bps) == (Price.of(1600), None)
    among = _choose(*MID, *ABSURD, quote=anchor("1600"), policy=SIZED)
    assert among.deviation_bps == Decimal("6.2500")


def test_an_implausible_order_counts_for_no_side() -> None:
    """A bid of 10 at 1 costs next to nothing: with real asks its mid would pass for plausible."""
    bounded = replace(SIZED, low=Price.of(100), high=Price.of(100_000))
    shown = (order(Side.BUY, "1", "10"), order(Side.SELL, "1612"))
    assert _choose(*shown, policy=SIZED).price == Price.of("806.5")
    assert _choose(*shown, policy=bounded).source is ReferenceSource.NONE
    behind = [*shown[:1], order(Side.BUY, "1500", "10")]
    assert price_with_size(behind, bounded) == Price.of(1500)


@pytest.mark.parametrize(
    ("low", "high", "why"),
    [
        ("100", "100000", "implausible: 99 outside 100 .. 100000"),
        ("100", None, "implausible: 99 outside 100 .. any"),
        (None, "98", "implausible: 99 outside 0 .. 98"),
    ],
)
def test_a_price_at_a_bound_is_taken_and_one_beyond_says_so(
    low: str | None, high: str | None, why: str
) -> None:
    """Invariant 6, with the bounds in words; one that is not set bounds nothing."""
    lowest, highest = (None if text is None else Price.of(text) for text in (low, high))
    bounded = replace(REFERENCES, low=lowest, high=highest)
    assert _choose(quote=anchor("99"), policy=bounded).candidates[0].why_not == why
    for bound in filter(None, (low, high)):
        assert _choose(quote=anchor(bound), policy=bounded).price == Price.of(bound)


@pytest.mark.parametrize("price", ["0.000625", "99.999999", "100000.000001", "1600000"])
def test_bounds_hold_for_every_source(price: str) -> None:
    """Invariant 6: anchor, external, book, trade and own trade outside of them are none."""
    bounded = replace(REFERENCES, low=Price.of(100), high=Price.of(100_000))
    around = (
        order(Side.BUY, str(Decimal(price) * Decimal("0.9999999"))),
        order(Side.SELL, str(Decimal(price) * Decimal("1.0000001"))),
    )
    assert _choose(*around, policy=bounded).source is ReferenceSource.NONE
    quote = anchor(price)
    own = own_orders(own_trade_ids=frozenset({1}))
    for found in (
        _choose(quote=quote, policy=bounded),
        _choose(external=quote, policy=replace(bounded, bootstrap=True)),
        _choose(trades=(trade(1, price),), policy=bounded),
        _choose(trades=(trade(1, price),), read=own, policy=bounded),
    ):
        assert found.price is None
        assert any("implausible" in candidate.why_not for candidate in found.candidates)
