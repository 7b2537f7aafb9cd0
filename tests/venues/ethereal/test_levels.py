"""The book from a snapshot and its changes, without us; and what a position contains."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from mm_bot.core.commands import Outcome, Verdict
from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder
from mm_bot.core.snapshot import Fill
from mm_bot.errors import EdgeError
from mm_bot.venues.contained import WAIT_MS, Contained
from mm_bot.venues.ethereal import wire
from mm_bot.venues.ethereal.levels import GapError, followed
from mm_bot.venues.ethereal.wire import Lens, Position
from mm_bot.venues.levels import LINGER_MS, OwnLevels
from tests.venues.desk import new_order
from tests.venues.ethereal.test_vectors import PRODUCT

MARKET = wire.instrument(PRODUCT, price_tick=None, margin_rate=Decimal("0.2"))
LENS = Lens(market=MARKET, protected=("manual",), ahead_ms=60_000)
NONCE = 1764897077655477722
OURS = f"mm:BTCUSD:buy:{NONCE}"
FULL = {"s": "BTCUSD", "t": 1000, "a": [["65001", "0.5"]], "b": [["64999", "1.2"], ["64998", "2"]]}


def change(previous_ms: int, at_ms: int, *bids: list[str]) -> dict[str, object]:
    return {"s": "BTCUSD", "t": at_ms, "pt": previous_ms, "a": [], "b": list(bids)}


def test_changes_follow_a_snapshot_and_a_gap_is_seen() -> None:
    """Absolute quantities replace, zero removes; a change whose `pt` is not the last time is a gap,
    and nothing is known before the first snapshot."""
    assert followed(None, change(1, 2)) is None
    book = followed(None, FULL)
    book = followed(book, change(1000, 1200, ["64999", "0"], ["64998", "3"]))
    assert book is not None
    assert book.bids == {Decimal(64998): Decimal(3)}
    assert book.best() == (Decimal(64998), Decimal(65001))
    with pytest.raises(GapError):
        followed(book, change(1100, 1400))
    again = followed(book, {**FULL, "t": 1600})
    assert again is not None
    assert again.best()[0] == Decimal(64999)


@pytest.mark.parametrize(
    "wrong",
    [
        {**FULL, "b": [["64999"]]},
        {**FULL, "b": [["64999", "-1"]]},
        {**FULL, "b": [[64999, "1"]]},
        {**FULL, "a": None},
        {**FULL, "t": "soon"},
        [],
    ],
)
def test_a_book_that_cannot_be_read_is_none(wrong: object) -> None:
    """Numbers are plain decimals in text; anything else is an error of the exchange's."""
    with pytest.raises(EdgeError):
        followed(None, wrong)


def order(size: str, *, live: bool = True, filled: str = "0") -> RestingOrder:
    return RestingOrder(
        order_id=OURS,
        side=Side.BUY,
        price=Price.of("64999"),
        size=Size.of(size),
        notional=MARKET.notional(Price.of("64999"), Size.of(size)),
        original_size=Size.of("1"),
        lot=MARKET.size_step,
        status=OrderStatus.ACTIVE if live else OrderStatus.CANCELLED,
        nonce=NONCE,
        created_ms=0,
        expiry_ms=10**9,
        ownership=Ownership.MANAGED,
        filled_steps=int(Decimal(filled) // MARKET.size_step.value),
    )


def test_what_is_ours_never_looks_like_somebody_else_s() -> None:
    """From before it is sent until a second after it became less, an order of ours is taken out of
    the levels, whether or not a read has shown it."""
    book, own = followed(None, FULL), OwnLevels()
    assert book is not None

    def others(now_ms: int) -> str:
        at_best = [o.size for o in own.without(book, now_ms).bids if o.price == Price.of("64999")]
        return str(at_best[0]) if at_best else "none"

    order_of_ours = replace(new_order(MARKET, Side.BUY, "64999", "1"), order_id=OURS)

    async def sending(verdict: Verdict) -> Outcome:
        assert others(9_000) == "0.2", "it may rest from before its first byte"
        return Outcome(verdict=verdict)

    def place(verdict: Verdict) -> None:
        outcome = asyncio.run(own.placing(order_of_ours, sending(verdict)))
        assert outcome.verdict is verdict

    assert others(0) == "1.2"
    place(Verdict.UNKNOWN)
    assert others(0) == "0.2"
    own.seen([], [OURS], 100)  # not listed yet, and asked for
    assert others(100) == "0.2"
    own.seen([order("0.4")], [OURS], 200)
    assert (others(200), others(200 + LINGER_MS)) == ("0.2", "0.8")
    own.seen([order("0.4", live=False)], [OURS], 2_000)
    assert (others(2_000), others(2_000 + LINGER_MS)) == ("0.8", "1.2")
    place(Verdict.REFUSED)
    assert others(9_000) == "1.2"


def fill(size: str, at_ms: int) -> Fill:
    price = Price.of("64999")
    return Fill(
        trade_id=at_ms << 64,
        order_id=OURS,
        side=Side.BUY,
        price=price,
        size=Size.of(size),
        notional=MARKET.notional(price, Size.of(size)),
        at_ms=at_ms,
        is_maker=True,
        completes_order=False,
        steps=0,
    )


def test_a_position_contains_a_fill_once_that_is_proven() -> None:
    """Not while fills of the order are unknown, nor while the position is older than the last of
    them, on the exchange's clock; after a bound it is believed, and more fills begin anew."""
    contained, ahead_ms = Contained(), 60_000
    row, steps = order("0.7", filled="0.3"), 30_000
    then = Position(size=Size.of("0.3"), updated_ms=500 + ahead_ms)

    def settled(fills: list[Fill], position: Position, now_ms: int) -> int:
        return contained.of([row], fills, position.updated_ms, ahead_ms, now_ms)[OURS]

    assert settled([], then, 0) == 0
    assert settled([fill("0.1", 400)], then, 10) == 0
    both = [fill("0.1", 400), fill("0.2", 500)]
    assert settled(both, replace(then, updated_ms=499 + ahead_ms), 20) == 0
    assert settled(both, then, 30) == steps
    row = order("0.6", filled="0.4")
    assert settled(both, then, 1_000) == steps
    assert settled(both, then, 1_000 + WAIT_MS) == 40_000


ROW = {
    "id": "5a8f",
    "clientOrderId": f"mmBTCUSDb{NONCE}",
    "quantity": "0.00123",
    "filled": "0.00023",
    "side": 0,
    "productId": PRODUCT["id"],
    "status": "FILLED_PARTIAL",
    "createdAt": 1764897077700,
    "price": "65000",
    "expiresAt": 1764897137,
}


def test_an_order_is_read_on_our_clock() -> None:
    """What is left, whose it is, and the exchange's times less what its clock is ahead."""
    seen = wire.order(ROW, LENS)
    assert (seen.order_id, seen.nonce) == (OURS, NONCE)
    assert (str(seen.size), seen.filled_steps, seen.live) == ("0.001", 23, True)
    assert seen.expiry_ms == 1764897137_000 - 60_000
    assert seen.ownership is Ownership.MANAGED


@pytest.mark.parametrize(
    ("change", "ownership"),
    [
        ({"clientOrderId": "manual7"}, Ownership.PROTECTED),
        ({"clientOrderId": None}, Ownership.AMBIGUOUS),
        ({"clientOrderId": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"}, Ownership.AMBIGUOUS),
        ({"clientOrderId": "mmBTCUSDb17"}, Ownership.MALFORMED),
        ({"side": 1}, Ownership.MALFORMED),  # the id says buy
    ],
)
def test_only_what_is_exactly_ours_is_managed(
    change: dict[str, object], ownership: Ownership
) -> None:
    """An id of another form, or one that contradicts its order, is nobody's to keep."""
    assert wire.order({**ROW, **change}, LENS).ownership is ownership


@pytest.mark.parametrize(
    "change",
    [{"status": "NAPPING"}, {"price": "1e3"}, {"filled": 1}, {"side": 2}, {"expiresAt": None}],
)
def test_an_order_that_is_not_as_documented_fails_the_read(change: dict[str, object]) -> None:
    """Our own rows are strict: a guess about one would be a guess about money."""
    with pytest.raises(EdgeError):
        wire.order({**ROW, **change}, LENS)
