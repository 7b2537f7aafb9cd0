"""One market as anybody outside can see it: Postgres, the public API and the chain.

Nothing of the bot's is used here, so that a mistake of the bot's cannot hide itself. Quantities are
exact: integers in the stored steps, Fractions for people.

1. An order is live while its row is `active` or `matching`.
2. Sides and prices are the human way round; amounts are steps (whole cNGN, or 0.001 contracts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from integration_harness.stack.chain import Chain
from integration_harness.stack.instruments import Instrument
from integration_harness.stack.orders import ExchangeClient, HumanBook
from integration_harness.stack.quantities import Side, engine_side
from integration_harness.target import Party, Target

LIVE: Final = ("active", "matching")
_COLUMNS: Final = """order_id, owner_address, subaccount_id::text AS subaccount_id,
    nonce::text AS nonce, side, desired_amount, filled_amount, limit_price, status,
    expiry::bigint AS expiry, created_at"""
_HERE: Final = "asset_address = %(asset)s AND sub_id = %(sub_id)s"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One row of `active_orders`."""

    order_id: str
    owner: str
    subaccount_id: int
    nonce: int
    side: Side
    price: Decimal
    """cNGN per USDC; rounded half-even to six decimals where it is an inverse."""
    engine_price: Fraction
    desired: int
    filled: int
    status: str
    expiry: int
    created_at: datetime

    @property
    def remaining(self) -> int:
        return self.desired - self.filled

    @property
    def live(self) -> bool:
        return self.status in LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRow:
    """One row of `trade_fills` in which the given owner had an order of that side."""

    trade_id: int
    order_id: str
    side: Side
    engine_price: Fraction
    steps: int

    def base_size(self, instrument: Instrument) -> Fraction:
        """USDC on spot, contracts on a future."""
        if instrument.is_spot:
            return self.engine_price * self.steps
        return self.steps * Fraction(instrument.amount_step)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotHistory:
    """What the event log tells of the live orders of one owner since some event."""

    most_live: Mapping[Side, int]
    """The most orders of one side that were ever live at once."""
    gaps_seconds: Mapping[Side, float]
    """The longest time between two live orders of a side."""
    blinks: int
    """How often an order left `active` for `matching` and came back."""


class MarketView:
    """Reads only. Not to be shared between threads."""

    def __init__(self, target: Target) -> None:
        self.target: Final = target
        self.instrument: Final = target.instrument
        self.api: Final = ExchangeClient(target.api_url)
        self.chain: Final = Chain(target.rpc_url, target.deployment)
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        self._values = {"asset": self.instrument.asset_address, "sub_id": self.instrument.sub_id}

    def close(self) -> None:
        """Let go of all connections."""
        self.api.close()
        self.chain.close()
        if self._connection is not None:
            self._connection.close()

    def orders(self, party: Party) -> tuple[OrderRow, ...]:
        """Every order of an account in this market, live or not, oldest first."""
        where = f"{_HERE} AND owner_address = %(owner)s AND subaccount_id = %(subaccount)s"
        rows = self._query(
            f"SELECT {_COLUMNS} FROM active_orders WHERE {where} ORDER BY created_at, order_id",
            owner=party.owner,
            subaccount=party.subaccount_id,
        )
        return tuple(self._order(row) for row in rows)

    def live(self, party: Party) -> tuple[OrderRow, ...]:
        """The live orders of an account, best first a side, bids first."""
        found = [order for order in self.orders(party) if order.live]
        return tuple(sorted(found, key=_best_first))

    def all_live(self) -> tuple[OrderRow, ...]:
        """Every live and unexpired order of this market, whose ever."""
        rows = self._query(
            f"SELECT {_COLUMNS} FROM active_orders WHERE {_HERE} AND status IN ('active',"
            " 'matching') AND expiry > extract(epoch FROM now()) ORDER BY created_at"
        )
        return tuple(self._order(row) for row in rows)

    def book(self) -> HumanBook:
        """What the API shows."""
        return self.api.book(self.instrument)

    def newest_trade_id(self) -> int:
        """The highest id of any fill, zero without one."""
        rows = self._query("SELECT coalesce(max(trade_id), 0) AS newest FROM trade_fills")
        return int(rows[0]["newest"])

    def fills(self, party: Party, after_trade_id: int) -> tuple[FillRow, ...]:
        """The fills of an account's orders in this market, oldest first."""
        rows = self._query(
            "SELECT f.trade_id, f.price, f.size, o.order_id, o.side FROM trade_fills f"
            " JOIN active_orders o ON o.order_id IN (f.maker_order_id, f.taker_order_id)"
            " WHERE f.trade_id > %(after)s AND o.owner_address = %(owner)s"
            " AND o.subaccount_id = %(subaccount)s AND f.asset_address = %(asset)s"
            " AND f.sub_id = %(sub_id)s ORDER BY f.trade_id",
            after=after_trade_id,
            owner=party.owner,
            subaccount=party.subaccount_id,
        )
        return tuple(
            FillRow(
                trade_id=row["trade_id"],
                order_id=row["order_id"],
                side=self._human(row["side"]),
                engine_price=Fraction(row["price"]),
                steps=int(row["size"]),
            )
            for row in rows
        )

    def newest_event(self) -> int | None:
        """The number of the newest event; None where the exchange keeps no event log."""
        known = self._query("SELECT to_regclass('market_events') IS NOT NULL AS known")
        if not known[0]["known"]:
            return None
        return int(self._query("SELECT coalesce(max(seq), 0) AS s FROM market_events")[0]["s"])

    def history(
        self, party: Party, after_seq: int, live_before: int = 0, *, prefix: str = ""
    ) -> SlotHistory:
        """The event log replayed, of ids that begin so. `live_before` is how many a side were live
        when it begins."""
        rows = self._query(
            "SELECT payload, created_at FROM market_events WHERE seq > %(after)s"
            " AND market_key = %(key)s AND channel = 'orders' AND owner_address = %(owner)s"
            " AND starts_with(payload ->> 'order_id', %(prefix)s) ORDER BY seq",
            after=after_seq,
            key=self.instrument.market_key,
            owner=party.owner,
            prefix=prefix,
        )
        return _replayed(rows, self._human, live_before)

    def _order(self, row: Mapping[str, Any]) -> OrderRow:
        engine_price = Fraction(row["limit_price"])
        return OrderRow(
            order_id=row["order_id"],
            owner=row["owner_address"],
            subaccount_id=int(row["subaccount_id"]),
            nonce=int(row["nonce"]),
            side=self._human(row["side"]),
            price=human_price(self.instrument, engine_price),
            engine_price=engine_price,
            desired=int(row["desired_amount"]),
            filled=int(row["filled_amount"]),
            status=row["status"],
            expiry=row["expiry"],
            created_at=row["created_at"],
        )

    def _human(self, side: Side) -> Side:
        return engine_side(side) if self.instrument.is_spot else side

    def _query(self, sql: str, **values: object) -> list[dict[str, Any]]:
        connection = self._connection
        if connection is None or connection.closed:
            connection = psycopg.connect(
                self.target.database_url,
                autocommit=True,
                connect_timeout=5,
                row_factory=dict_row,
            )
            self._connection = connection
        try:
            return connection.execute(sql.encode(), {**self._values, **values}).fetchall()
        except psycopg.OperationalError:
            connection.close()
            raise


def human_price(instrument: Instrument, engine_price: Fraction) -> Decimal:
    """cNGN per USDC, as the API shows it."""
    price = 1 / engine_price if instrument.is_spot else engine_price
    with localcontext(prec=60):
        exact = Decimal(price.numerator) / Decimal(price.denominator)
        return exact.quantize(Decimal("0.000001"), ROUND_HALF_EVEN)


def _best_first(order: OrderRow) -> tuple[str, Decimal, int]:
    return (order.side, -order.price if order.side == "buy" else order.price, order.nonce)


def _replayed(rows: list[dict[str, Any]], human: Any, live_before: int) -> SlotHistory:
    sides: tuple[Side, Side] = ("buy", "sell")
    live: dict[Side, set[str]] = {side: set() for side in sides}
    most = dict.fromkeys(sides, live_before)
    gaps = dict.fromkeys(sides, 0.0)
    empty_since: dict[Side, datetime] = {}
    matching: set[str] = set()
    blinks = 0
    for row in rows:
        payload, at = row["payload"], row["created_at"]
        side: Side = human(payload["side"])
        order_id, status = payload["order_id"], payload["status"]
        blinks += status == "active" and order_id in matching
        matching = matching | {order_id} if status == "matching" else matching - {order_id}
        if status in LIVE:
            live[side].add(order_id)
            if side in empty_since:
                gap = (at - empty_since.pop(side)).total_seconds()
                gaps[side] = max(gaps[side], gap)
        elif order_id in live[side]:
            live[side].discard(order_id)
            if not live[side]:
                empty_since[side] = at
        most[side] = max(most[side], len(live[side]))
    return SlotHistory(most_live=most, gaps_seconds=gaps, blinks=blinks)
