"""What `order_queries.OBSERVE` answers, as the core's types. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mm_bot.core.commands import Watch
from mm_bot.core.exact import Amount, Size, add, subtract
from mm_bot.core.instrument import Instrument
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder, classify
from mm_bot.core.snapshot import BookOrder, Fill, IdLookup, OwnOrders, Reserved, SignedElsewhere
from mm_bot.io.postgres import POSTGRES
from mm_bot.io.postgres_link import Row
from mm_bot.io.shapes import Known, Members, Reader
from mm_bot.venues.numo import units
from mm_bot.venues.numo.order_queries import FILLS_LIMIT
from mm_bot.venues.numo.wire import engine_side, read_numbers

_read: Final = Reader(POSTGRES)
FILLS_COLUMN: Final = 6
"""Where `OBSERVE` has the first page of fills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAccount:
    """Who we are and where: what makes a row ours."""

    owner: str
    """Lower case."""
    subaccount_id: int
    market: Instrument
    others: tuple[Instrument, ...]
    """Every other market that is listed, for what our orders reserve there."""
    protected_prefixes: tuple[str, ...]


class KnownRows:
    """What was made of the rows of the answer before."""

    def __init__(self) -> None:
        self.own: tuple[Known[RestingOrder | None], ...] = (Known(), Known(), Known())
        """Of the live, the unexpired and those asked for: their columns differ."""
        self.others: Known[BookOrder] = Known()


def own_orders(
    row: Row,
    account: OwnAccount,
    watch: Watch,
    more: Sequence[object] = (),
    known: KnownRows | None = None,
) -> OwnOrders:
    """One answer of the table, taken apart; `more` are the further pages of its fills."""
    known = known or KnownRows()
    known.others.begin()
    live, elsewhere, others, asked, nonces, unexpired, *rest = row
    fills, own_trades, newest, unreadable, _ = rest
    # The later ones carry the reason of a cancel.
    own = {}
    for rows, column in zip(known.own, (live, unexpired, asked), strict=True):
        rows.begin()
        for entry in _entries(column):
            order = rows.made(entry.get("order_id"), entry, lambda e: _resting_here(e, account))
            if order is not None:
                own[order.order_id] = order
    counted = tuple(
        _fill(entry, account.market) for page in (fills, *more) for entry in _entries(page)
    )
    return OwnOrders(
        rows=tuple(sorted(own.values(), key=lambda order: order.nonce)),
        lookups=_lookups(_entries(asked), _entries(nonces), account, watch),
        fills=counted,
        own_trade_ids=frozenset(_trade_ids(own_trades)),
        newest_trade_id=None if newest is None else _read.whole(newest, "newest trade"),
        others=tuple(
            known.others.made(entry.get("order_id"), entry, lambda e: _other(e, account))
            for entry in _entries(others)
        ),
        reserved_elsewhere=reserved(_entries(elsewhere), account),
        signed_elsewhere=signed_elsewhere((*_entries(elsewhere), *_entries(unexpired)), account),
        unreadable=tuple(_read.text(each, "order_id", "row") for each in _entries(unreadable)),
    )


def last_of_full_page(fills: object) -> int | None:
    """The trade id after which the next page begins; None where this is the last."""
    entries = _entries(fills)
    if len(entries) < FILLS_LIMIT:
        return None
    return _read.integer(entries[-1], "trade_id", "fill")


def _resting_here(entry: Members, account: OwnAccount) -> RestingOrder | None:
    """None where it is not an order of ours in this market."""
    return resting_order(entry, account) if _is_here(entry, account) else None


def resting_order(entry: Members, account: OwnAccount) -> RestingOrder:
    """An own row of our market, human side up."""
    market = account.market
    numbers = read_numbers(_read, entry, "row")
    order_id = _read.text(entry, "order_id", "row")
    side = units.human_side(market, engine_side(_read, entry, "row"))
    nonce = _read.integer(entry, "nonce", "row")
    return RestingOrder(
        order_id=order_id,
        side=side,
        price=_read.converted(lambda: units.human_price(market, numbers.price), "row.limit_price"),
        size=units.human_size(market, numbers.left, numbers.price),
        notional=units.human_notional(market, numbers.left, numbers.price),
        original_size=units.human_size(market, numbers.desired, numbers.price),
        lot=units.lot_size(market, numbers.price),
        status=_status(entry),
        nonce=nonce,
        created_ms=_read.integer(entry, "created_ms", "row"),
        expiry_ms=_read.integer(entry, "expiry", "row") * 1000,
        ownership=classify(order_id, side, nonce, market.symbol, account.protected_prefixes),
        cancel_reason=_cancel_reason(entry),
        filled_steps=int(subtract(numbers.desired, numbers.left)),
    )


def reserved(entries: list[Members], account: OwnAccount) -> Reserved:
    """What our live orders in other markets hold of this market's two balances.

    A spot bid (engine sell) holds whole cNGN, a spot ask cash; a future holds cash as margin.
    """
    markets = {units.ref(market): market for market in account.others}
    cash, cngn = Decimal(0), Decimal(0)
    for entry in entries:
        market, numbers = markets.get(_asset(entry)), read_numbers(_read, entry, "row")
        if market is None:
            raise _read.fault("row.asset_address", _asset(entry), "of a market we asked for")
        size = units.human_size(market, numbers.left, numbers.price)
        if not market.is_spot:
            cash = add(cash, market.margin_of(size).value)
        elif engine_side(_read, entry, "row") is units.EngineSide.BUY:
            cash = add(cash, size.value)
        elif units.ref(market).asset == units.ref(account.market).asset:
            cngn = add(cngn, numbers.left)
    if account.market.is_spot:
        return Reserved(base=Size(cash), quote=Amount(cngn))
    return Reserved(quote=Amount(cash))


def signed_elsewhere(
    entries: Sequence[Members], account: OwnAccount
) -> tuple[SignedElsewhere, ...]:
    """Our rows of other markets that are listed, each once."""
    markets = {units.ref(market): market for market in account.others}
    found = {}
    for entry in entries:
        market = markets.get(_asset(entry))
        if market is None:
            continue
        numbers = read_numbers(_read, entry, "row")
        order_id = _read.text(entry, "order_id", "row")
        found[order_id] = SignedElsewhere(
            order_id=order_id,
            side=units.human_side(market, engine_side(_read, entry, "row")),
            size=units.human_size(market, numbers.left, numbers.price),
            notional=units.human_notional(market, numbers.left, numbers.price),
            expiry_ms=_read.integer(entry, "expiry", "row") * 1000,
        )
    return tuple(found.values())


def _lookups(
    asked: list[Members], nonces: list[Members], account: OwnAccount, watch: Watch
) -> tuple[IdLookup, ...]:
    found = {}
    for entry in (*asked, *nonces):
        order_id = _read.text(entry, "order_id", "row")
        nonce = _read.integer(entry, "nonce", "row")
        # Under a nonce of ours our own id is one we asked about, or one that only we write.
        side = units.human_side(account.market, engine_side(_read, entry, "row"))
        ownership = classify(order_id, side, nonce, account.market.symbol, ())
        known = order_id in watch.order_ids or ownership is Ownership.MANAGED
        found[order_id] = IdLookup(
            order_id=order_id, nonce=nonce, foreign=not (known and _is_here(entry, account))
        )
    return tuple(found.values())


def _fill(entry: Members, market: Instrument) -> Fill:
    price = _read.number(entry, "price", "fill")
    stored = _read.number(entry, "size", "fill")
    return Fill(
        trade_id=_read.integer(entry, "trade_id", "fill"),
        order_id=_read.text(entry, "order_id", "fill"),
        side=units.human_side(market, engine_side(_read, entry, "fill")),
        price=_read.converted(lambda: units.human_price(market, price), "fill.price"),
        size=units.human_size(market, stored, price),
        notional=units.human_notional(market, stored, price),
        at_ms=_read.integer(entry, "at_ms", "fill"),
        is_maker=_read.truth(entry, "is_maker", "fill"),
        completes_order=_read.truth(entry, "completes_order", "fill"),
        steps=int(stored),
    )


def _other(entry: Members, account: OwnAccount) -> BookOrder:
    market, numbers = account.market, read_numbers(_read, entry, "row")
    return BookOrder(
        order_id=_read.text(entry, "order_id", "row"),
        side=units.human_side(market, engine_side(_read, entry, "row")),
        price=_read.converted(lambda: units.human_price(market, numbers.price), "row.limit_price"),
        size=units.human_size(market, numbers.left, numbers.price),
        ours=_read.text(entry, "owner_address", "row") == account.owner,
    )


def _cancel_reason(entry: Members) -> str:
    """Empty where there is none; only some questions ask for it."""
    return _read.text(entry, "cancel_reason", "row") if entry.get("cancel_reason") else ""


def _status(entry: Members) -> OrderStatus:
    text = _read.text(entry, "status", "row")
    return _read.converted(lambda: OrderStatus(text), "row.status")


def _is_here(entry: Members, account: OwnAccount) -> bool:
    return (
        _read.text(entry, "owner_address", "row") == account.owner
        and _read.integer(entry, "subaccount_id", "row") == account.subaccount_id
        and _asset(entry) == units.ref(account.market)
    )


def _asset(entry: Members) -> units.AssetRef:
    return units.AssetRef(
        asset=_read.text(entry, "asset_address", "row"),
        sub_id=_read.integer(entry, "sub_id", "row"),
    )


def _entries(column: object) -> list[Members]:
    """The rows of one column; json_agg of nothing is NULL."""
    rows = [] if column is None else _read.array(column, "column")
    return [_read.members(row, "row") for row in rows]


def _trade_ids(column: object) -> list[int]:
    trades = [] if column is None else _read.array(column, "trades")
    return [_read.whole(trade_id, "trade id") for trade_id in trades]
