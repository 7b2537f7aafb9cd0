"""Bodies of Coinbase: decimals as text and times of RFC 3339 in, exact types out. Pure.

1. Unknown members are ignored, there are often new ones. What an order's or a fill's money depends
   on is strict.
2. Sizes and prices off the grid are refused there, so nothing is rounded here.
3. Fees are in the quote, beside the price; a fill's notional is without them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from mm_bot.core.exact import NO_AMOUNT, Amount, Price, Size, add, subtract
from mm_bot.core.instrument import (
    Capabilities,
    Instrument,
    Kind,
    Margin,
    Side,
)
from mm_bot.core.orders import OrderId, OrderStatus, Ownership, RestingOrder, classify
from mm_bot.core.snapshot import Fill, Trade
from mm_bot.io.shapes import Members, Reader
from mm_bot.venues.fill_numbers import fill_number
from mm_bot.venues.names import FOREIGN

COINBASE: Final = "coinbase"
CAPABILITIES: Final = Capabilities(
    resend_safe=False,
    fills_with_orders=False,
    book_names_orders=False,
)
"""The same client id posted again is said to give the first order; nothing is sent twice until the
operator says that this is proven."""
_LIMITS: Final = ("limit_limit_gtd", "limit_limit_gtc", "limit_limit_fok", "sor_limit_ioc")
_FOR_EVER_MS: Final = 2**42
_LIVE: Final = ("PENDING", "OPEN", "QUEUED", "EDIT_QUEUED", "CANCEL_QUEUED")
_OVER: Final = {
    "FILLED": OrderStatus.FILLED,
    "CANCELLED": OrderStatus.CANCELLED,
    "FAILED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.EXPIRED,
}
_STOPPED: Final = ("is_disabled", "trading_disabled", "cancel_only", "view_only", "auction_mode")
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)", re.ASCII
)

read: Final = Reader(COINBASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The `venue_ref` of an instrument here."""

    stopped_by: str
    """Why it is not to be quoted; empty where it is."""
    names: frozenset[str]
    """Every name its data may come under: USD and USDC are one book."""


def listing(market: Instrument) -> Listing:
    assert isinstance(market.venue_ref, Listing), f"{market.symbol} is no product of Coinbase"
    return market.venue_ref


def instrument(
    product: object, *, price_tick: Price | None, resend_safe: bool = False
) -> Instrument:
    """A product as it is listed; raises EdgeError for anything but spot."""
    entry = read.members(product, "product")
    kind = read.text(entry, "product_type", "product")
    if kind != "SPOT":
        raise read.fault("product.product_type", kind, "SPOT: only spot is quoted")
    quote = read.text(entry, "quote_currency_id", "product")
    return Instrument(
        symbol=read.text(entry, "product_id", "product"),
        base=read.text(entry, "base_currency_id", "product"),
        quote=quote,
        kind=Kind.SPOT,
        price_tick=price_tick or Price(read.step(entry, "price_increment", "product")),
        size_step=Size(read.step(entry, "base_increment", "product")),
        least_size=Size(read.number(entry, "base_min_size", "product")),
        multiplier=Decimal(1),
        margin=Margin.FUNDED,
        margin_rate=Decimal(0),
        collateral=quote,
        expiry_ms=None,
        capabilities=replace(CAPABILITIES, resend_safe=resend_safe),
        venue_ref=Listing(stopped_by=_stopped_by(entry), names=_names(entry)),
    )


def _stopped_by(entry: Members) -> str:
    if entry.get("status") != "online":
        return f"status {entry.get('status')!r}"
    return ", ".join(name for name in _STOPPED if entry.get(name) is True)


def _names(entry: Members) -> frozenset[str]:
    others = entry.get("alias_to")
    also = others if isinstance(others, list) else []
    found = (entry.get("product_id"), entry.get("alias"), *also)
    return frozenset(name for name in found if isinstance(name, str) and name)


def time_ms(text: object, where: str) -> int:
    """Unix milliseconds of a time in UTC, finer digits cut."""
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise read.fault(where, text, "a time in UTC")
    try:
        whole = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        raise read.fault(where, text, "a time in UTC") from None
    return int(whole.timestamp()) * 1000 + int((found[2] or "").ljust(3, "0")[:3])


def time_text(at_ms: int) -> str:
    """Whole seconds, as orders want them."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """How rows are seen: of which market, which ids are protected, and how far the exchange's clock
    is ahead of ours."""

    market: Instrument
    protected: tuple[str, ...]
    ahead_ms: int

    def our_ms(self, text: object, where: str) -> int:
        return time_ms(text, where) - self.ahead_ms


def order(entry: object, lens: Lens) -> RestingOrder:
    """An order object as the core sees it."""
    market, protected = lens.market, lens.protected
    members = read.members(entry, "order")
    side = _side(members, "order")
    terms = _terms(members)
    price = Price(read.number(terms, "limit_price", "order"))
    quantity = read.number(terms, "base_size", "order")
    filled = read.number(members, "filled_size", "order")
    left = Size(max(Decimal(0), subtract(quantity, filled)))
    order_id = known_id(members)
    parts = OrderId.parse(order_id)
    nonce = 0 if parts is None else parts.nonce
    end = terms.get("end_time")
    reason = members.get("reject_message") or members.get("cancel_message")
    return RestingOrder(
        order_id=order_id,
        side=side,
        price=price,
        size=left,
        notional=market.notional(price, left),
        original_size=Size(quantity),
        lot=market.size_step,
        status=_status(members),
        nonce=nonce,
        created_ms=lens.our_ms(members.get("created_time"), "order.created_time"),
        expiry_ms=lens.our_ms(end, "order.end_time") if end else _FOR_EVER_MS,
        ownership=classify(order_id, side, nonce, market.symbol, protected)
        if not order_id.startswith(FOREIGN)
        else Ownership.AMBIGUOUS,
        cancel_reason=reason if isinstance(reason, str) else "",
        filled_steps=market.steps(Size(filled)),
    )


def known_id(members: Members) -> str:
    """Our id of an order, which is its client id; the exchange's where it has none."""
    client = members.get("client_order_id")
    if isinstance(client, str) and client:
        return client
    return FOREIGN + read.text(members, "order_id", "order")


def _terms(members: Members) -> Members:
    """What a limit order was placed with. The members echo what was sent, by kind of order."""
    kinds = read.members(read.member(members, "order_configuration", "order"), "configuration")
    for kind in _LIMITS:
        if isinstance(kinds.get(kind), dict):
            return read.members(kinds[kind], kind)
    raise read.fault("order.order_configuration", sorted(kinds), "a limit order")


def _status(members: Members) -> OrderStatus:
    status = read.text(members, "status", "order")
    if status in _LIVE:
        return OrderStatus.ACTIVE
    if status not in _OVER:
        raise read.fault("order.status", status, "a known status")
    return _OVER[status]


def _side(members: Members, where: str) -> Side:
    side = read.text(members, "side", where)
    if side not in ("BUY", "SELL"):
        raise read.fault(f"{where}.side", side, "BUY or SELL")
    return Side(side.lower())


def fill(entry: object, lens: Lens, ours: Mapping[str, str]) -> Fill | None:
    """A fill of ours; None for what is no trade, such as a correction. `ours` are our ids by the
    exchange's; `answers.completing` tells which fills complete an order."""
    members, market = read.members(entry, "fill"), lens.market
    if members.get("trade_type", "FILL") != "FILL":
        return None
    at_ms = time_ms(members.get("trade_time"), "fill.trade_time")
    price, size = read.number(members, "price", "fill"), read.number(members, "size", "fill")
    if members.get("size_in_quote") is True:
        raise read.fault("fill.size_in_quote", True, "false: our orders are in the base")
    theirs = read.text(members, "order_id", "fill")
    order_id = ours.get(theirs, FOREIGN + theirs)
    return Fill(
        trade_id=fill_number(read.text(members, "entry_id", "fill"), at_ms),
        order_id=order_id,
        side=_side(members, "fill"),
        price=Price(price),
        size=Size(size),
        notional=market.notional(Price(price), Size(size)),
        at_ms=at_ms - lens.ahead_ms,
        is_maker=members.get("liquidity_indicator") == "MAKER",
        completes_order=False,
        steps=market.steps(Size(size)),
        fee=_fee(members),
    )


def _fee(fill: Members) -> Amount:
    """Its commission, in the quote, beside the price; none where none is told."""
    if not fill.get("commission"):
        return NO_AMOUNT
    return Amount(read.signed(fill, "commission", "fill"))


def trade(entry: object, lens: Lens) -> Trade:
    """A public trade, of the stream or of the list."""
    members = read.members(entry, "trade")
    at_ms = time_ms(members.get("time"), "trade.time")
    return Trade(
        trade_id=fill_number(read.text(members, "trade_id", "trade"), at_ms),
        price=Price(read.number(members, "price", "trade")),
        size=Size(read.number(members, "size", "trade")),
        at_ms=at_ms - lens.ahead_ms,
        maker_order_id="",
        taker_order_id="",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """One currency: all of it, and what any order holds of it."""

    total: Decimal = Decimal(0)
    held: Decimal = Decimal(0)


def wallets(entries: list[object]) -> dict[str, Wallet]:
    """By currency, over all accounts."""
    found: dict[str, Wallet] = {}
    for entry in entries:
        members = read.members(entry, "account")
        currency = read.text(members, "currency", "account")
        free, held = (
            read.number(read.members(members.get(name), name), "value", f"account.{name}")
            for name in ("available_balance", "hold")
        )
        known = found.get(currency, Wallet())
        found[currency] = Wallet(
            total=add(known.total, add(free, held)), held=add(known.held, held)
        )
    return found


def reason(answer: Mapping[str, Any]) -> str:
    """Why a place failed: the first of the places it may stand in that says something."""
    error = answer.get("error_response")
    said: Mapping[str, Any] = error if isinstance(error, dict) else {}
    for value in (
        said.get("error"),
        said.get("preview_failure_reason"),
        said.get("new_order_failure_reason"),
        answer.get("failure_reason"),
    ):
        if isinstance(value, str) and value and not value.startswith("UNKNOWN"):
            return value.removeprefix("PREVIEW_")[:100]
    return "no reason given"


def held_elsewhere(wallet: Wallet, ours: Amount | Size) -> Decimal:
    """What orders that are not these hold of a currency; fees held for ours are among it."""
    return max(Decimal(0), subtract(wallet.held, ours.value))
