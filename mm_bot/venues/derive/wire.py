"""Bodies of Derive: human decimals as text in, exact types out. Pure.

Numbers go out in plain notation, never with an exponent, and with at most `ENGINE_DECIMALS`: the
engine refuses what is finer. What is signed and what is said are the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mm_bot.core.exact import (
    NO_AMOUNT,
    NO_SIZE,
    Amount,
    Price,
    Size,
    add,
    ceil_to_step,
    multiply,
    plain,
    subtract,
)
from mm_bot.core.instrument import (
    Capabilities,
    Instrument,
    Kind,
    Margin,
    Side,
)
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder, classify
from mm_bot.core.snapshot import Fill
from mm_bot.errors import EdgeError
from mm_bot.io.shapes import Members, Reader
from mm_bot.venues.derive.api import DERIVE
from mm_bot.venues.derive.their_clock import TheirClock
from mm_bot.venues.fill_numbers import fill_number

ENGINE_DECIMALS: Final = 12
LEAST_LIFE_MS: Final = 300_000
"""Signatures that expire sooner are refused (11011)."""
CAPABILITIES: Final = Capabilities(
    atomic_replace=True,
    least_order_life_ms=LEAST_LIFE_MS,
    resend_safe=True,
    fills_with_orders=False,
    book_names_orders=False,
    nonce_is_time_ns=True,
)
_ONE: Final = Decimal(1)
_CHAIN: Final = Decimal(10**18)
_FINEST: Final = Decimal(1).scaleb(-ENGINE_DECIMALS)
_FEE_MARGIN: Final = Decimal("1.1")
_TERMINAL: Final = {
    "filled": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELLED,
    "rejected": OrderStatus.CANCELLED,
    "expired": OrderStatus.EXPIRED,
}
_LIVE: Final = ("open", "untriggered", "algo_active")

read: Final = Reader(DERIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Perpetual:
    """The `venue_ref` of an instrument here: what signing and fees need of its listing."""

    asset: str
    """Lower case."""
    sub_id: int
    taker_fee_rate: Decimal
    base_fee: Decimal
    """USD that a taker pays an order, whatever its size."""

    def max_fee(self, price: Decimal, amount: Decimal) -> Decimal:
        """USDC a unit of size that an order must allow for, a tenth above the published fees."""
        percent = multiply(multiply(price, self.taker_fee_rate), _FEE_MARGIN)
        flat = ceil_to_step(self.base_fee, amount, _FINEST)
        return ceil_to_step(add(percent, flat), _ONE, _FINEST)


def perpetual(market: Instrument) -> Perpetual:
    assert isinstance(market.venue_ref, Perpetual), f"{market.symbol} is no instrument of Derive"
    return market.venue_ref


def instrument(listing: object, *, price_tick: Price | None, margin_rate: Decimal) -> Instrument:
    """A perpetual as `public/get_instrument` lists it; raises EdgeError for anything else."""
    entry = read.members(listing, "instrument")
    kind = read.text(entry, "instrument_type", "instrument")
    if kind != "perp":
        raise read.fault("instrument.instrument_type", kind, "perp: only perpetuals are quoted")
    return Instrument(
        symbol=read.text(entry, "instrument_name", "instrument"),
        base=read.text(entry, "base_currency", "instrument"),
        quote=read.text(entry, "quote_currency", "instrument"),
        kind=Kind.PERPETUAL,
        price_tick=price_tick or Price(read.step(entry, "tick_size", "instrument")),
        size_step=Size(read.step(entry, "amount_step", "instrument")),
        least_size=Size(read.number(entry, "minimum_amount", "instrument")),
        multiplier=_ONE,
        margin=Margin.QUOTE,
        margin_rate=margin_rate,
        collateral=read.text(entry, "quote_currency", "instrument"),
        expiry_ms=None,
        capabilities=CAPABILITIES,
        venue_ref=Perpetual(
            asset=read.text(entry, "base_asset_address", "instrument").lower(),
            sub_id=read.integer(entry, "base_asset_sub_id", "instrument"),
            taker_fee_rate=read.number(entry, "taker_fee_rate", "instrument"),
            base_fee=read.number(entry, "base_fee", "instrument"),
        ),
    )


def text(value: Decimal) -> str:
    """A number as the engine takes it; raises ValueError for one finer than it keeps."""
    exponent = value.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    if -exponent > ENGINE_DECIMALS:
        raise ValueError(f"{value} has more than {ENGINE_DECIMALS} decimals")
    return plain(value)


def chain(value: Decimal) -> int:
    """The same number as it is signed."""
    scaled = multiply(value, _CHAIN)
    assert scaled == int(scaled), f"{value} has more than 18 decimals"
    return int(scaled)


def open_orders(account: object) -> list[object]:
    """Of `private/get_subaccount`; one that has no list of them is no answer."""
    members = read.members(account, "subaccount")
    return read.array(read.member(members, "open_orders", "subaccount"), "open_orders")


def order(
    entry: object, market: Instrument, protected: tuple[str, ...], clock: TheirClock
) -> RestingOrder | None:
    """An order object as the core sees it; None for one of another instrument."""
    members = read.members(entry, "order")
    if read.text(members, "instrument_name", "order") != market.symbol:
        return None
    side = _side(members)
    price = Price(read.number(members, "limit_price", "order"))
    amount = read.number(members, "amount", "order")
    left = Size(subtract(amount, read.number(members, "filled_amount", "order")))
    label, nonce = read.text(members, "label", "order"), read.integer(members, "nonce", "order")
    status = read.text(members, "order_status", "order")
    return RestingOrder(
        order_id=label or f"venue:{read.text(members, 'order_id', 'order')}",
        side=side,
        price=price,
        size=left,
        notional=market.notional(price, left),
        original_size=Size(amount),
        lot=market.size_step,
        status=OrderStatus.ACTIVE if status in _LIVE else _terminal(status),
        nonce=nonce,
        created_ms=clock.ours(read.integer(members, "creation_timestamp", "order")),
        expiry_ms=clock.ours(read.integer(members, "signature_expiry_sec", "order") * 1000),
        ownership=classify(label, side, nonce, market.symbol, protected)
        if label
        else Ownership.AMBIGUOUS,
        cancel_reason=read.text(members, "cancel_reason", "order"),
    )


def _terminal(status: str) -> OrderStatus:
    if status not in _TERMINAL:
        raise read.fault("order.order_status", status, "a known status")
    return _TERMINAL[status]


def _side(members: Members) -> Side:
    direction = read.text(members, "direction", "order")
    if direction not in ("buy", "sell"):
        raise read.fault("direction", direction, "buy or sell")
    return Side(direction)


def fill(entry: object, market: Instrument, clock: TheirClock) -> Fill | None:
    """A private trade; None for one of another instrument. Its number is by the exchange's own
    time, whatever our clock does; `answers.completing` tells which fills complete an order."""
    members = read.members(entry, "trade")
    if read.text(members, "instrument_name", "trade") != market.symbol:
        return None
    at_ms = read.integer(members, "timestamp", "trade")
    price = Price(read.number(members, "trade_price", "trade"))
    size = Size(read.number(members, "trade_amount", "trade"))
    order_id = read.text(members, "label", "trade")
    return Fill(
        trade_id=fill_number(read.text(members, "trade_id", "trade"), at_ms),
        order_id=order_id or f"venue:{read.text(members, 'order_id', 'trade')}",
        side=_side(members),
        price=price,
        size=size,
        notional=market.notional(price, size),
        at_ms=clock.ours(at_ms),
        is_maker=read.text(members, "liquidity_role", "trade") == "maker",
        completes_order=False,
        steps=0,
        fee=Amount(read.signed(members, "trade_fee", "trade")),
    )


def unsettled(entry: object) -> Iterator[str]:
    """Of a private trade whose settlement failed, which and how. It is final for trading all the
    same: only a person can find out what became of it."""
    members = read.members(entry, "trade")
    status = members.get("batch_status")
    if isinstance(status, str) and status.endswith("Error"):
        trade_id, label = (read.text(members, name, "trade") for name in ("trade_id", "label"))
        yield f"trade {trade_id[:64]} of {label[:80] or 'an order without a label'}: {status[:40]}"


def pushed_unsettled(data: object) -> Iterator[str]:
    """The same of a list of them; what is pushed and cannot be read is no news."""
    for entry in data if isinstance(data, list) else ():
        with suppress(EdgeError):
            yield from unsettled(entry)


def holdings(account: object, market: Instrument) -> tuple[Size, Amount]:
    """Of `private/get_subaccount`: our signed position here, and the collateral in its currency."""
    members = read.members(account, "subaccount")
    position = NO_SIZE
    for entry in read.array(read.member(members, "positions", "subaccount"), "positions"):
        held = read.members(entry, "position")
        if read.text(held, "instrument_name", "position") == market.symbol:
            position = Size(read.signed(held, "amount", "position"))
    cash = NO_AMOUNT
    for entry in read.array(read.member(members, "collaterals", "subaccount"), "collaterals"):
        held = read.members(entry, "collateral")
        if read.text(held, "asset_name", "collateral") == market.collateral:
            cash = Amount(read.signed(held, "amount", "collateral"))
    return position, cash
