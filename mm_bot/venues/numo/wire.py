"""Bodies of the markets API: strings in, exact types out.

Every member that is used is looked at before it is believed (`shapes`). Spot is flipped here, once:
an engine bid is a human ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import orjson

from mm_bot.core.exact import NO_SIZE, Amount, Price, floor_to_step, subtract
from mm_bot.core.instrument import Capabilities, Instrument, Kind, Margin, Side
from mm_bot.core.snapshot import Book, BookOrder, Trade
from mm_bot.errors import EdgeError, SettingsError
from mm_bot.io.shapes import Known, Members, Reader
from mm_bot.venues.numo import units

API: Final = "api"
_SPOT: Final = "spot"
_FUTURE: Final = "deliverable_fx_future"
SPOT_SPEC: Final = "usdc_cngn_spot_v1"
SPOT_PRICE_TICK: Final = Price(Decimal("0.01"))
"""The human tick of spot where the settings give none: the market's own is the engine's grid."""
CAPABILITIES: Final = Capabilities(resend_safe=True, book_depth=25)
"""No post-only, no replace, no dead man's switch but expiry. Owner and nonce are unique, so the
same bytes make one order. The book lists at most 25 orders a side."""

_read: Final = Reader(API)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One market as the API lists it; `symbol` says nothing of its kind."""

    symbol: str
    kind: Kind
    asset: str
    """Lower case."""
    sub_id: int
    tick: Decimal
    """The engine's price grid."""
    expiry_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The numbers of one order or row, engine side; `left` is what can still be filled."""

    price: Decimal
    desired: Decimal
    left: Decimal


def parse_listings(body: bytes) -> tuple[Listing, ...]:
    """The body of `/v1/markets`. Markets of a kind we know no units of are left out."""
    entries = _read.array(_read.json(body), "markets")
    parsed = (_listing(_read.members(entry, f"markets[{i}]")) for i, entry in enumerate(entries))
    return tuple(listing for listing in parsed if listing is not None)


def to_market(
    listing: Listing, *, price_tick: Price | None, contract_size: Decimal, margin_rate: Decimal
) -> Instrument:
    """The market in human units; `price_tick` None takes the market's own, 0.01 on spot.

    Raises:
        SettingsError: where the tick is off a future's own grid, so that orders would be refused.
    """
    spot = listing.kind is Kind.SPOT
    tick = price_tick or (SPOT_PRICE_TICK if spot else Price(listing.tick))
    if not spot and floor_to_step(tick.value, Decimal(1), listing.tick) != tick.value:
        theirs = f"no multiple of {listing.tick}, the tick of {listing.symbol}"
        raise SettingsError([f"MM_PRICE_TICK is {tick}, {theirs}: give one"])
    return Instrument(
        symbol=listing.symbol,
        base="USDC",
        quote="cNGN",
        kind=listing.kind,
        price_tick=tick,
        size_step=units.FINEST_SIZE if spot else units.FUTURE_LOT,
        notional_step=Amount(units.WHOLE_CNGN) if spot else None,
        multiplier=Decimal(1) if spot else contract_size,
        margin=Margin.FUNDED if spot else Margin.BASE,
        margin_rate=Decimal(0) if spot else margin_rate,
        collateral="cNGN" if spot else "USDC",
        expiry_ms=None if listing.expiry_s is None else listing.expiry_s * 1000,
        capabilities=CAPABILITIES,
        venue_ref=units.AssetRef(asset=listing.asset, sub_id=listing.sub_id),
    )


def parse_book(
    body: bytes, market: Instrument, owner: str | None, known: Known[BookOrder] | None = None
) -> Book:
    """The body of `/v1/book`, human side up; orders of `owner` (lower case) are `ours`.

    Anybody may place what no number can be read from: a stranger's order like that is left out and
    named; one of ours is a broken answer.
    """
    answer = _presented(body, market)
    known = known or Known()
    known.begin()
    orders, unreadable = [], []
    for name in ("bids", "asks"):
        for i, entry in enumerate(_read.array(_read.member(answer, name, "book"), name)):
            members = _read.members(entry, f"{name}[{i}]")
            try:
                named = members.get("order_id")
                orders.append(known.made(named, members, lambda e: _book_order(e, market, owner)))
            except EdgeError:
                if _read.text(members, "owner_address", "order").lower() == owner:
                    raise
                unreadable.append(_read.text(members, "order_id", "order"))
    return Book(
        bids=_best_first(orders, Side.BUY),
        asks=_best_first(orders, Side.SELL),
        unreadable=tuple(unreadable),
    )


def parse_trades(
    body: bytes, market: Instrument, known: Known[Trade] | None = None
) -> tuple[Trade, ...]:
    """The body of `/v1/trades`, human prices, newest first."""
    answer = _presented(body, market)
    known = known or Known()
    known.begin()
    entries = _read.array(_read.member(answer, "trades", "answer"), "trades")
    trades = []
    for i, entry in enumerate(entries):
        members = _read.members(entry, f"trades[{i}]")
        try:
            name = members.get("trade_id")
            trades.append(known.made(name, members, lambda entry: _trade(entry, market)))
        except EdgeError:
            continue  # two strangers' numbers are no reference; ours are read from the table
    return tuple(sorted(trades, key=lambda trade: -trade.trade_id))


def parse_error(body: bytes) -> str | None:
    """The text of an `{"error": ...}` body; None where it is anything else, or says nothing."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    text = answer.get("error") if isinstance(answer, dict) else None
    return text if isinstance(text, str) and text else None


def parse_order(body: bytes, market: Instrument | None) -> tuple[int, Amount | None]:
    """Of the `{"order": ...}` that an accepted place or cancel answers with: the nonce, and the
    cNGN of what is left unfilled, where the market is known."""
    answer = _read.members(_read.json(body), "answer")
    order = _read.members(_read.member(answer, "order", "answer"), "order")
    nonce, found = _read.integer(order, "nonce", "order"), read_numbers(_read, order, "order")
    if market is None:
        return nonce, None
    worth = _read.converted(
        lambda: units.human_notional(market, found.left, found.price), "order.limit_price"
    )
    return nonce, worth


def milliseconds(text: str) -> int:
    """Unix milliseconds of an RFC 3339 time; ValueError where it is none or has no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * 1000 + moment.microsecond // 1000


def engine_side(reader: Reader, entry: Members, where: str) -> units.EngineSide:
    """The member `side` of an order or row."""
    text = reader.text(entry, "side", where)
    if text not in ("buy", "sell"):
        raise reader.fault(f"{where}.side", text, "buy or sell")
    return units.EngineSide(text)


def read_numbers(reader: Reader, entry: Members, where: str) -> Numbers:
    """The numbers of an order or row."""
    desired = reader.number(entry, "desired_amount", where)
    filled = reader.number(entry, "filled_amount", where)
    if filled > desired:
        fault = f"{where}.filled_amount {filled} is above desired_amount {desired}"
        raise EdgeError(reader.source, fault)
    price = reader.number(entry, "limit_price", where)
    return Numbers(price=price, desired=desired, left=subtract(desired, filled))


def _listing(entry: Members) -> Listing | None:
    kind = _read.text(entry, "contract_type", "market")
    spec = entry.get("order_entry_spec")
    expiry_s: int | None = None
    if kind == _FUTURE and spec is None:
        # `last_trade_timestamp` is when it last traded, not when trading ends.
        expiry_s = _read.integer(entry, "expiry_timestamp", "market")
    elif kind != _SPOT or spec != SPOT_SPEC:
        return None
    tick = _read.number(entry, "tick_size", "market")
    if not tick:
        raise _read.fault("market.tick_size", tick, "positive")
    return Listing(
        symbol=_read.text(entry, "market", "market"),
        kind=Kind.FUTURE if kind == _FUTURE else Kind.SPOT,
        asset=_read.text(entry, "asset_address", "market").lower(),
        sub_id=_read.integer(entry, "sub_id", "market"),
        tick=tick,
        expiry_s=expiry_s,
    )


def _presented(body: bytes, market: Instrument) -> Members:
    """The answer, once it is certain to be of our market: a symbol that was never listed silently
    answers with another market's book."""
    answer = _read.members(_read.json(body), "answer")
    presentation = _read.member(answer, "market_presentation", "answer")
    shown = _read.members(presentation, "market_presentation")
    symbol = _read.text(shown, "market", "market_presentation")
    if symbol != market.symbol:
        raise EdgeError(API, f"asked for {market.symbol}, answered with {symbol}")
    return answer


def _book_order(entry: Members, market: Instrument, owner: str | None) -> BookOrder:
    found = read_numbers(_read, entry, "order")
    return BookOrder(
        order_id=_read.text(entry, "order_id", "order"),
        side=units.human_side(market, engine_side(_read, entry, "order")),
        price=_read.converted(lambda: units.human_price(market, found.price), "order.limit_price"),
        size=units.human_size(market, found.left, found.price),
        ours=_read.text(entry, "owner_address", "order").lower() == owner,
    )


def _trade(entry: Members, market: Instrument) -> Trade:
    price = _read.number(entry, "price", "trade")
    created = _read.text(entry, "created_at", "trade")
    return Trade(
        trade_id=_read.integer(entry, "trade_id", "trade"),
        price=_read.converted(lambda: units.human_price(market, price), "trade.price"),
        size=units.human_size(market, _read.number(entry, "size", "trade"), price),
        at_ms=_read.converted(lambda: milliseconds(created), "trade.created_at"),
        maker_order_id=_read.text(entry, "maker_order_id", "trade"),
        taker_order_id=_read.text(entry, "taker_order_id", "trade"),
    )


def _best_first(orders: list[BookOrder], side: Side) -> tuple[BookOrder, ...]:
    chosen = [order for order in orders if order.side is side and order.size > NO_SIZE]
    return tuple(sorted(chosen, key=lambda order: side.best_first(order.price)))
