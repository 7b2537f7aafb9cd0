"""Bodies of the toy exchange: its JSON in, the core's types out. Pure."""

from __future__ import annotations

from typing import Any, Final

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Capabilities, Instrument, Kind, Margin, Side
from mm_bot.core.orders import OrderStatus, RestingOrder, classify
from mm_bot.core.snapshot import Balances, BookOrder, Fill, Trade
from mm_bot.io.shapes import Members, Reader

TOY: Final = "toy"
read: Final = Reader(TOY)


def instrument(listing: Members, symbol: str) -> Instrument:
    """The market as it is listed."""
    return Instrument(
        symbol=symbol,
        base=read.text(listing, "base", "market"),
        quote=read.text(listing, "quote", "market"),
        kind=Kind.PERPETUAL,
        price_tick=Price(read.number(listing, "tick", "market")),
        size_step=Size(read.number(listing, "step", "market")),
        multiplier=Size.of(1).value,
        margin=Margin.QUOTE,
        margin_rate=read.number(listing, "margin_rate", "market"),
        collateral=read.text(listing, "quote", "market"),
        expiry_ms=None,
        capabilities=Capabilities(resend_safe=True),
    )


def order(entry: object, market: Instrument, protected: tuple[str, ...]) -> RestingOrder:
    """An order of ours, live or ended."""
    members = read.members(entry, "order")
    order_id, side = read.text(members, "id", "order"), _side(members)
    price, left = Price(read.number(members, "price", "order")), _size(members, "left")
    nonce = read.integer(members, "nonce", "order")
    status = read.text(members, "status", "order")
    return RestingOrder(
        order_id=order_id,
        side=side,
        price=price,
        size=left,
        notional=market.notional(price, left),
        original_size=_size(members, "size"),
        lot=market.size_step,
        status=read.converted(lambda: OrderStatus(status), "order.status"),
        nonce=nonce,
        created_ms=read.integer(members, "created_ms", "order"),
        expiry_ms=read.integer(members, "expires_s", "order") * 1000,
        ownership=classify(order_id, side, nonce, market.symbol, protected),
    )


def fill(entry: object, market: Instrument) -> Fill:
    """A fill of ours."""
    row = read.members(entry, "fill")
    price, size = Price(read.number(row, "price", "fill")), _size(row, "size")
    return Fill(
        trade_id=read.integer(row, "number", "fill"),
        order_id=read.text(row, "order_id", "fill"),
        side=_side(row),
        price=price,
        size=size,
        notional=market.notional(price, size),
        at_ms=read.integer(row, "at_ms", "fill"),
        is_maker=read.truth(row, "maker", "fill"),
        completes_order=read.truth(row, "completes", "fill"),
        steps=0,
    )


def _side(row: Members) -> Side:
    text = read.text(row, "side", "side")
    return read.converted(lambda: Side(text), "side")


def _size(row: Members, name: str) -> Size:
    return Size(read.number(row, name, "row"))


def levels(book: Members, side: Side) -> tuple[BookOrder, ...]:
    name = {Side.BUY: "bids", Side.SELL: "asks"}[side]
    return tuple(
        BookOrder(
            order_id=read.text(entry, "id", name),
            side=side,
            price=Price(read.number(entry, "price", name)),
            size=_size(entry, "left"),
            ours=read.truth(entry, "mine", name),
        )
        for entry in read.array(book.get(name), name)
    )


def trade(entry: Any) -> Trade:
    row = read.members(entry, "trade")
    return Trade(
        trade_id=read.integer(row, "number", "trade"),
        price=Price(read.number(row, "price", "trade")),
        size=_size(row, "size"),
        at_ms=read.integer(row, "at_ms", "trade"),
        maker_order_id="",
        taker_order_id="",
    )


def balances(account: Members, began_ms: int) -> Balances:
    position = read.number(account, "position_size", "account")
    sign = -1 if read.truth(account, "short", "account") else 1
    return Balances(
        base=Size(sign * position),
        quote=Amount(read.number(account, "cash", "account")),
        block_number=began_ms,
        block_time_ms=began_ms,
    )
