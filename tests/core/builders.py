"""Short ways to build what the core takes, with a healthy spot market as the default."""

from __future__ import annotations

from decimal import Decimal

from mm_bot.core.commands import NewOrder, PreparedOrder
from mm_bot.core.exact import NO_SIZE, Amount, Price, Size
from mm_bot.core.instrument import Instrument, Level, Side
from mm_bot.core.ledger import OpenOrder, Stage
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderId, OrderStatus, Ownership, RestingOrder
from mm_bot.core.snapshot import (
    AnchorQuote,
    Balances,
    Book,
    BookOrder,
    Fill,
    Observation,
    OwnOrders,
    Part,
    Reserved,
    Snapshot,
    Trade,
)
from tests.core.settings import FUTURE as FUTURE
from tests.core.settings import LADDER_OF_THREE as LADDER_OF_THREE
from tests.core.settings import NOW_MS as NOW_MS
from tests.core.settings import POLICY as POLICY
from tests.core.settings import QUOTES as QUOTES
from tests.core.settings import RECONCILES as RECONCILES
from tests.core.settings import REFERENCES as REFERENCES
from tests.core.settings import RISKS as RISKS
from tests.core.settings import SPOT as SPOT


def row(
    side: Side,
    price: str,
    size: str = "100",
    *,
    nonce: int = 1,
    market: Instrument = SPOT,
    status: OrderStatus = OrderStatus.ACTIVE,
    order_id: str | None = None,
    ownership: Ownership = Ownership.MANAGED,
    created_ms: int = NOW_MS - 1_000,
    life_ms: int = 300_000,
) -> RestingOrder:
    """An own row, by default an active one of this market's convention."""
    at, much = Price.of(price), Size.of(size)
    return RestingOrder(
        order_id=order_id or str(OrderId(market.symbol, side, nonce)),
        side=side,
        price=at,
        size=much,
        notional=market.notional(at, much),
        original_size=much,
        lot=NO_SIZE if market.is_spot else market.size_step,
        status=status,
        nonce=nonce,
        created_ms=created_ms,
        expiry_ms=created_ms + life_ms,
        ownership=ownership,
    )


def open_order(
    side: Side,
    price: str,
    size: str = "100",
    *,
    nonce: int = 1,
    stage: Stage = Stage.LIVE,
    created_ms: int = NOW_MS - 1_000,
    life_ms: int = 300_000,
    market: Instrument = SPOT,
) -> OpenOrder:
    """An order in the ledger, with the bytes to send again where its outcome is unknown."""
    at, much = Price.of(price), Size.of(size)
    order_id = str(OrderId(market.symbol, side, nonce))
    notional = market.notional(at, much)
    order = NewOrder(
        order_id=order_id,
        side=side,
        price=at,
        size=much,
        notional=notional,
        nonce=nonce,
        expiry_s=(created_ms + life_ms) // 1000,
    )
    return OpenOrder(
        order_id=order_id,
        nonce=nonce,
        side=side,
        price=at,
        size=much,
        notional=notional,
        lot=NO_SIZE,
        created_ms=created_ms,
        expiry_ms=created_ms + life_ms,
        stage=stage,
        signed=PreparedOrder(order=order, body=b"bytes") if stage is Stage.UNKNOWN else None,
        next_send_ms=created_ms,
    )


def level(
    side: Side, price: str, size: str = "100", index: int = 0, market: Instrument = SPOT
) -> Level:
    at, much = Price.of(price), Size.of(size)
    return Level(side=side, index=index, price=at, size=much, notional=market.notional(at, much))


def others(
    side: Side, price: str, size: str = "50", *, order_id: str = "", ours: bool = False
) -> BookOrder:
    """An order of the book; by default somebody else's."""
    name = order_id or f"x-{side.value}-{price}"
    return BookOrder(order_id=name, side=side, price=Price.of(price), size=Size.of(size), ours=ours)


def book(*orders: BookOrder) -> Book:
    """Both sides, sorted best first."""

    def sorted_side(side: Side) -> tuple[BookOrder, ...]:
        mine = (o for o in orders if o.side is side)
        return tuple(sorted(mine, key=lambda o: side.best_first(o.price)))

    return Book(bids=sorted_side(Side.BUY), asks=sorted_side(Side.SELL))


def trade(trade_id: int, price: str, *, age_ms: int = 0) -> Trade:
    return Trade(
        trade_id=trade_id,
        price=Price.of(price),
        size=Size.of(1),
        at_ms=NOW_MS - age_ms,
        maker_order_id=f"m{trade_id}",
        taker_order_id=f"t{trade_id}",
    )


def fill(
    trade_id: int,
    side: Side,
    price: str,
    size: str,
    *,
    order_id: str = "",
    market: Instrument = SPOT,
) -> Fill:
    at, much = Price.of(price), Size.of(size)
    return Fill(
        trade_id=trade_id,
        order_id=order_id or str(OrderId(market.symbol, side, 1)),
        side=side,
        price=at,
        size=much,
        notional=Amount((at * much).times(market.multiplier).value),
        at_ms=NOW_MS,
        is_maker=True,
        completes_order=False,
        steps=int(market.counted(much, market.notional(at, much)).value / _step(market)),
    )


def _step(market: Instrument) -> Decimal:
    """What the exchange counts orders in."""
    grid = market.notional_step
    return market.size_step.value if grid is None else grid.value


def own_orders(
    *rows: RestingOrder,
    fills: tuple[Fill, ...] = (),
    own_trade_ids: frozenset[int] = frozenset(),
    newest_trade_id: int | None = 1_000,
    others: tuple[BookOrder, ...] = (),
    reserved: Reserved | None = None,
) -> OwnOrders:
    return OwnOrders(
        rows=rows,
        lookups=(),
        fills=fills,
        own_trade_ids=own_trade_ids,
        newest_trade_id=newest_trade_id,
        others=others,
        reserved_elsewhere=reserved or Reserved(),
    )


def balances(base: str = "10000", quote: str = "100000000", *, block_ms: int = NOW_MS) -> Balances:
    return Balances(
        base=Size.of(base), quote=Amount.of(quote), block_number=1, block_time_ms=block_ms
    )


def anchor(price: str | None = "1600", *, as_of_ms: int | None = NOW_MS) -> AnchorQuote:
    return AnchorQuote(
        price=None if price is None else Price.of(price), as_of_ms=as_of_ms, source="fixed"
    )


def observation(
    orders: OwnOrders | None,
    *,
    at_ms: int = NOW_MS,
    shown: Book | None = None,
    trades: tuple[Trade, ...] = (),
    holdings: Balances | None = None,
    lock_held: bool = True,
) -> Observation:
    """What the exchange shows; by default a book that lists our active orders and no others."""
    if shown is None:
        rows = orders.rows if orders else ()
        shown = book(
            *(
                others(r.side, str(r.price), str(r.size), order_id=r.order_id, ours=True)
                for r in rows
                if r.status is OrderStatus.ACTIVE
            )
        )
    return Observation(
        book=Part(value=shown, as_of_ms=at_ms),
        trades=Part(value=trades, as_of_ms=at_ms),
        orders=Part(value=orders, as_of_ms=at_ms if orders else None),
        balances=Part(value=holdings or balances(block_ms=at_ms), as_of_ms=at_ms),
        balances_read_ms=at_ms,
        lock_held=lock_held,
    )


def snapshot(
    orders: OwnOrders | None = None,
    *,
    now_ms: int = NOW_MS,
    venue: Observation | None = None,
    quote: AnchorQuote | None = None,
    external: AnchorQuote | None = None,
    kill_switch: bool = False,
) -> Snapshot:
    """A healthy world with an anchor at 1600, unless told otherwise."""
    if venue is None:
        venue = observation(orders or own_orders(), at_ms=now_ms)
    return Snapshot(
        now_ms=now_ms,
        venue=venue,
        anchor=quote or anchor(as_of_ms=now_ms),
        external=external,
        kill_switch=kill_switch,
    )


def running(*known: OpenOrder, started_ms: int = NOW_MS - 60_000) -> Memory:
    """The memory of a bot whose start-up is over."""
    return Memory(started_ms=started_ms, startup=False, open_orders=known, signatures_known=True)
