"""Bodies of Coinbase as the core sees them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_bot.core.exact import Price, Size
from mm_bot.core.orders import OrderStatus, Ownership
from mm_bot.errors import EdgeError
from mm_bot.venues.coinbase import wire
from mm_bot.venues.coinbase.stream import book_after
from mm_bot.venues.coinbase.wire import Lens, Wallet

PRODUCT = {
    "product_id": "BTC-USD",
    "product_type": "SPOT",
    "status": "online",
    "base_currency_id": "BTC",
    "quote_currency_id": "USD",
    "price_increment": "0.01",
    "quote_increment": "0.001",
    "base_increment": "0.00000001",
    "base_min_size": "0.0001",
    "cancel_only": False,
    "alias_to": ["BTC-USDC"],
}
MARKET = wire.instrument(PRODUCT, price_tick=None)
LENS = Lens(market=MARKET, protected=("manual:",), ahead_ms=60_000)
OURS = "mm:BTC-USD:buy:1795600000000001"
ORDER = {
    "order_id": "1111",
    "client_order_id": OURS,
    "product_id": "BTC-USD",
    "side": "BUY",
    "status": "OPEN",
    "created_time": "2026-11-25T16:00:00.123456Z",
    "filled_size": "0.0002",
    "order_configuration": {
        "limit_limit_gtd": {
            "base_size": "0.0012",
            "limit_price": "64990.01",
            "end_time": "2026-11-25T16:05:00Z",
            "post_only": True,
        }
    },
    "something_new": {"is": "ignored"},
}


def test_a_market_is_read_with_its_own_grids() -> None:
    """The tick is `price_increment`; data may come under the name of the alias."""
    assert (str(MARKET.price_tick), str(MARKET.size_step)) == ("0.01", "0.00000001")
    assert str(MARKET.least_size) == "0.0001"
    assert wire.listing(MARKET).names == {"BTC-USD", "BTC-USDC"}
    assert wire.listing(MARKET).stopped_by == ""


@pytest.mark.parametrize("flag", ["is_disabled", "trading_disabled", "cancel_only", "view_only"])
def test_a_flag_that_stops_a_market_is_named(flag: str) -> None:
    """Each of them by itself, and any status but online."""
    stopped = wire.instrument({**PRODUCT, flag: True}, price_tick=None)
    assert wire.listing(stopped).stopped_by == flag
    gone = wire.instrument({**PRODUCT, "status": "delisted"}, price_tick=None)
    assert wire.listing(gone).stopped_by == "status 'delisted'"


def test_an_order_is_read_on_our_clock() -> None:
    """What is left and what it is worth, whose it is, and the exchange's times less what its clock
    is ahead."""
    seen = wire.order(ORDER, LENS)
    assert (str(seen.size), str(seen.notional), seen.filled_steps) == ("0.001", "64.99001", 20_000)
    assert (seen.ownership, seen.nonce) == (Ownership.MANAGED, 1795600000000001)
    assert seen.created_ms == wire.time_ms("2026-11-25T15:59:00.123Z", "x")
    assert seen.expiry_ms - seen.created_ms == 299_877


@pytest.mark.parametrize(
    ("status", "seen"),
    [
        ("PENDING", OrderStatus.ACTIVE),
        ("QUEUED", OrderStatus.ACTIVE),
        ("CANCEL_QUEUED", OrderStatus.ACTIVE),
        ("FILLED", OrderStatus.FILLED),
        ("FAILED", OrderStatus.CANCELLED),
        ("EXPIRED", OrderStatus.EXPIRED),
    ],
)
def test_what_may_still_trade_is_live(status: str, seen: OrderStatus) -> None:
    """A cancel that is queued is no cancel yet."""
    assert wire.order({**ORDER, "status": status}, LENS).status is seen


@pytest.mark.parametrize(
    "change",
    [
        {"status": "UNKNOWN_ORDER_STATUS"},
        {"filled_size": "1e-4"},
        {"side": "HOLD"},
        {"created_time": "yesterday"},
        {"created_time": "2026-11-25T16:00:00+02:00"},
        {"order_configuration": {"market_market_ioc": {"quote_size": "10"}}},
    ],
)
def test_an_order_that_is_not_as_documented_fails_the_read(change: dict[str, object]) -> None:
    """Our own rows are strict: a guess about one would be a guess about money."""
    with pytest.raises(EdgeError):
        wire.order({**ORDER, **change}, LENS)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01T00:00:01.5Z", 1_500),
        ("1970-01-01T00:00:01.123456789Z", 1_123),
        ("1970-01-01T00:00:01.1+00:00", 1_100),
    ],
)
def test_times_are_read_to_the_millisecond(text: str, ms: int) -> None:
    """With up to nine digits, the finer ones cut."""
    assert wire.time_ms(text, "x") == ms


FILL = {
    "entry_id": "e1",
    "trade_id": "t1",
    "order_id": "1111",
    "side": "BUY",
    "price": "64990.01",
    "size": "0.0002",
    "size_in_quote": False,
    "liquidity_indicator": "MAKER",
    "trade_time": "2026-11-25T16:00:01Z",
    "trade_type": "FILL",
}


def test_a_fill_is_known_by_its_entry_and_a_correction_is_none() -> None:
    """The same entry has the same number, whatever else is said of it."""
    names = {"1111": OURS}
    seen = wire.fill(FILL, LENS, names)
    assert seen is not None
    assert (seen.order_id, str(seen.notional), seen.is_maker) == (OURS, "12.998002", True)
    assert seen.steps == seen.size.value / LENS.market.size_step.value > 0
    again = wire.fill({**FILL, "commission": "0.1"}, LENS, {})
    assert again is not None
    assert (again.trade_id, again.order_id) == (seen.trade_id, "venue:1111")
    assert (str(seen.fee), str(again.fee)) == ("0", "0.1")
    assert wire.fill({**FILL, "trade_type": "CORRECTION"}, LENS, names) is None
    with pytest.raises(EdgeError):
        wire.fill({**FILL, "size_in_quote": True}, LENS, names)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"error": "INSUFFICIENT_FUND"}, "INSUFFICIENT_FUND"),
        (
            {"error": "UNKNOWN_FAILURE_REASON", "preview_failure_reason": "PREVIEW_TOO_SMALL"},
            "TOO_SMALL",
        ),
        ({"new_order_failure_reason": "INVALID_SIDE"}, "INVALID_SIDE"),
        ({}, "no reason given"),
    ],
)
def test_the_reason_of_a_failure_is_found_wherever_it_stands(
    error: dict[str, str], reason: str
) -> None:
    """The first that says something."""
    answer = {"success": False, "failure_reason": "UNKNOWN_X", "error_response": error}
    assert wire.reason(answer) == reason


def test_wallets_add_up_over_all_accounts() -> None:
    """Total is what is free and what is held; what is held beside our orders is theirs."""

    def account(currency: str, free: str, held: str) -> dict[str, object]:
        return {"currency": currency, "available_balance": {"value": free}, "hold": {"value": held}}

    found = wire.wallets([account("USD", "1.5", "2"), account("USD", "1", "0")])
    assert found == {"USD": Wallet(total=Decimal("4.5"), held=Decimal(2))}
    assert wire.held_elsewhere(
        found["USD"], MARKET.notional(Price.of("1.5"), Size.of("1"))
    ) == Decimal("0.5")


def test_a_book_follows_its_snapshot_with_absolute_quantities() -> None:
    """Zero removes; a change before any snapshot cannot be."""

    def update(side: str, price: str, size: str) -> dict[str, str]:
        return {"side": side, "price_level": price, "new_quantity": size}

    snapshot = {
        "type": "snapshot",
        "updates": [update("bid", "10", "1"), update("offer", "11", "2")],
    }
    book = book_after(None, snapshot, 5)
    change = {"type": "update", "updates": [update("bid", "10", "0.0000"), update("bid", "9", "3")]}
    book = book_after(book, change, 6)
    assert (dict(book.bids), book.best(), book.at_ms) == (
        {Decimal(9): Decimal(3)},
        (Decimal(9), Decimal(11)),
        6,
    )
    for wrong in (None, {"updates": [update("middle", "1", "1")]}):
        with pytest.raises(EdgeError):
            book_after(book if wrong else None, wrong or change, 7)
