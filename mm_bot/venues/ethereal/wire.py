"""Bodies of Ethereal: human decimals as text in, exact types out. Pure.

1. Numbers have at most `DECIMALS` decimals and no exponent; what is signed and what is said are the
   same numbers.
2. Times are the exchange's, in milliseconds, except `expiresAt` in seconds; a `Lens` puts them on
   our clock.
3. Our own rows are strict: one that cannot be read fails the read. A stranger's is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mm_bot.core.exact import NO_AMOUNT, Amount, Price, Size, multiply, plain, subtract
from mm_bot.core.instrument import (
    Capabilities,
    Instrument,
    Kind,
    Margin,
    Side,
)
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder, classify
from mm_bot.core.snapshot import Fill, Trade
from mm_bot.io.shapes import Members, Reader
from mm_bot.venues.ethereal import codec
from mm_bot.venues.fill_numbers import fill_number
from mm_bot.venues.names import FOREIGN

ETHEREAL: Final = "ethereal"
DECIMALS: Final = 9
CAPABILITIES: Final = Capabilities(
    reduce_only=True,
    resend_safe=True,
    fills_with_orders=False,
    book_names_orders=False,
    nonce_is_time_ns=True,
)
SIDES: Final = (Side.BUY, Side.SELL)
"""By the exchange's number."""
_BILLION: Final = Decimal(10**DECIMALS)
_STATUSES: Final = {
    "NEW": OrderStatus.ACTIVE,
    "PENDING": OrderStatus.ACTIVE,
    "FILLED_PARTIAL": OrderStatus.ACTIVE,
    "FILLED": OrderStatus.FILLED,
    "REJECTED": OrderStatus.CANCELLED,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.EXPIRED,
}

read: Final = Reader(ETHEREAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The `venue_ref` of an instrument here: the names of one product in the three places."""

    product_id: str
    """In reads."""
    onchain_id: int
    """In orders."""
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """How rows are seen: of which market, which ids are protected, and how far the exchange's clock
    is ahead of ours."""

    market: Instrument
    protected: tuple[str, ...]
    ahead_ms: int

    def our_ms(self, theirs_ms: int) -> int:
        return theirs_ms - self.ahead_ms


def listing(market: Instrument) -> Listing:
    assert isinstance(market.venue_ref, Listing), f"{market.symbol} is no product of Ethereal"
    return market.venue_ref


def instrument(product: object, *, price_tick: Price | None, margin_rate: Decimal) -> Instrument:
    """A product as it is listed; raises EdgeError for anything that is no perpetual."""
    entry = read.members(product, "product")
    engine = read.integer(entry, "engineType", "product")
    if engine:
        raise read.fault("product.engineType", engine, "0: only perpetuals are quoted")
    quote = read.text(entry, "quoteTokenName", "product")
    return Instrument(
        symbol=read.text(entry, "ticker", "product"),
        base=read.text(entry, "baseTokenName", "product"),
        quote=quote,
        kind=Kind.PERPETUAL,
        price_tick=price_tick or Price(read.step(entry, "tickSize", "product")),
        size_step=Size(read.step(entry, "lotSize", "product")),
        least_size=Size(read.number(entry, "minQuantity", "product")),
        multiplier=Decimal(1),
        margin=Margin.QUOTE,
        margin_rate=margin_rate,
        collateral=quote,
        expiry_ms=None,
        capabilities=CAPABILITIES,
        venue_ref=Listing(
            product_id=read.text(entry, "id", "product"),
            onchain_id=read.integer(entry, "onchainId", "product"),
            is_active=read.text(entry, "status", "product") == "ACTIVE",
        ),
    )


def text(value: Decimal) -> str:
    """A number as the exchange takes it; raises ValueError for one finer than it keeps."""
    billionths(value)
    return plain(value)


def billionths(value: Decimal) -> int:
    """The same number as it is signed."""
    scaled = multiply(value, _BILLION)
    if scaled != int(scaled):
        raise ValueError(f"{plain(value)} has more than {DECIMALS} decimals")
    return int(scaled)


def order(entry: object, lens: Lens) -> RestingOrder:
    """An order object as the core sees it."""
    members, market = read.members(entry, "order"), lens.market
    side = _side(members, "order")
    price = Price(read.number(members, "price", "order"))
    quantity = read.number(members, "quantity", "order")
    filled = read.number(members, "filled", "order")
    left = Size(max(Decimal(0), subtract(quantity, filled)))
    order_id = known_id(members, market.symbol, "id", "clientOrderId")
    nonce = codec.nonce_of(order_id)
    reason = members.get("rejectedReason")
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
        created_ms=lens.our_ms(read.integer(members, "createdAt", "order")),
        expiry_ms=lens.our_ms(1000 * read.integer(members, "expiresAt", "order")),
        ownership=_ownership(order_id, side, nonce, lens),
        cancel_reason=reason if isinstance(reason, str) else "",
        filled_steps=market.steps(Size(filled)),
    )


def known_id(members: Members, ticker: str, id_name: str, client_name: str) -> str:
    """Our id of an order that a body names; that of a stranger's where it is one."""
    client = members.get(client_name)
    if isinstance(client, str) and client:
        return codec.order_id(client, ticker)
    return FOREIGN + read.text(members, id_name, "order")


def _ownership(order_id: str, side: Side, nonce: int, lens: Lens) -> Ownership:
    client = codec.client_prefix(lens.market.symbol)
    found = classify(order_id, side, nonce, lens.market.symbol, lens.protected)
    is_like_ours = found is Ownership.AMBIGUOUS and order_id.startswith(client)
    return Ownership.MALFORMED if is_like_ours else found


def _status(members: Members) -> OrderStatus:
    status = read.text(members, "status", "order")
    if status not in _STATUSES:
        raise read.fault("order.status", status, "a known status")
    return _STATUSES[status]


def _side(members: Members, where: str, name: str = "side") -> Side:
    number = read.integer(members, name, where)
    if number >= len(SIDES):
        raise read.fault(f"{where}.{name}", number, "0 or 1")
    return SIDES[number]


def fill(entry: object, lens: Lens, names: dict[str, str]) -> Fill:
    """A fill of ours. `names` are our ids by the exchange's, for fills without a client id;
    `answers.completing` tells which fills complete an order."""
    members, market = read.members(entry, "fill"), lens.market
    at_ms = read.integer(members, "createdAt", "fill")
    price = Price(read.number(members, "price", "fill"))
    size = Size(read.number(members, "filled", "fill"))
    order_id = known_id(members, market.symbol, "orderId", "clientOrderId")
    order_id = names.get(order_id.removeprefix(FOREIGN), order_id)
    return Fill(
        trade_id=fill_number(read.text(members, "id", "fill"), at_ms),
        order_id=order_id,
        side=_side(members, "fill"),
        price=price,
        size=size,
        notional=market.notional(price, size),
        at_ms=lens.our_ms(at_ms),
        is_maker=read.truth(members, "isMaker", "fill"),
        completes_order=False,
        steps=market.steps(size),
        fee=Amount(read.signed(members, "feeUsd", "fill")) if members.get("feeUsd") else NO_AMOUNT,
    )


def trade(entry: object, *, price: str, size: str, at_ms: int) -> Trade:
    """A public trade; its price and size are members of these names."""
    members = read.members(entry, "trade")
    return Trade(
        trade_id=fill_number(read.text(members, "id", "trade"), at_ms),
        price=Price(read.number(members, price, "trade")),
        size=Size(read.number(members, size, "trade")),
        at_ms=at_ms,
        maker_order_id="",
        taker_order_id="",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Our signed size in one product; `updated_ms` is the exchange's time, 0 where it is flat."""

    size: Size
    updated_ms: int


def position(entries: list[object], product_id: str) -> Position:
    """The one of our product among all open positions."""
    for entry in entries:
        members = read.members(entry, "position")
        if read.text(members, "productId", "position") == product_id:
            size = Size(read.number(members, "size", "position"))
            is_long = _side(members, "position") is Side.BUY
            return Position(
                size=size if is_long else -size,
                updated_ms=read.integer(members, "updatedAt", "position"),
            )
    return Position(size=Size(Decimal(0)), updated_ms=0)


def collateral(entries: list[object], token: str) -> Amount:
    """What of the collateral is free for orders. Whether that counts the margin of our own resting
    orders as used is not documented, so they may be counted twice: never too little."""
    for entry in entries:
        members = read.members(entry, "balance")
        if read.text(members, "tokenName", "balance") == token:
            return Amount(read.signed(members, "available", "balance"))
    return Amount(Decimal(0))
