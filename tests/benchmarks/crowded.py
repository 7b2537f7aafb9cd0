"""What a full order table costs a cycle: many foreign live orders, and many old rows of ours.

Rows are copied beneath the exchange's triggers, so that no events come of them, and taken out
again. The baseline is the same loop on another such exchange, cycle by cycle, whose table has none.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import psycopg

from integration_harness.stack.up import ExchangeOptions, LocalExchange
from tests.benchmarks.cycles import PRICES, WARM_UP
from tests.benchmarks.figures import Figure, Target
from tests.benchmarks.in_process import Measured, opened

SETTLE_S = 1.0
"""What Postgres and the disk have for themselves after so many rows changed."""
FULL_BOOK = 60
"""The API lists 25 a side: what its answer alone costs."""
_COLUMNS = """order_id, owner_address, signer_address, subaccount_id, recipient_id, nonce, side,
    asset_address, sub_id, desired_amount, limit_price, limit_price_ticks, worst_fee, expiry,
    action_json, signature, status"""
_ORDERS = f"""
    INSERT INTO active_orders ({_COLUMNS})
    SELECT 'crowd:' || n, %(owner)s, %(owner)s, %(subaccount)s, %(subaccount)s, 1000000 + n,
           CASE WHEN n %% 2 = 0 THEN 'buy' ELSE 'sell' END, %(asset)s, %(sub_id)s, '1000',
           (CASE WHEN n %% 2 = 0 THEN 500000000000000 - n ELSE 800000000000000 + n END
           * 0.000000000000000001)::text,
           (CASE WHEN n %% 2 = 0 THEN 500000000000000 - n ELSE 800000000000000 + n END)::text,
           '0', extract(epoch FROM now())::bigint + 86400, '{{}}', '', %(status)s
    FROM generate_series(1, %(count)s) n
"""


async def crowded(*, turns: int, foreign: int, old: int) -> list[Figure]:
    """A cycle that sends nothing: where the rows are, and where there are none, in turns."""
    options = ExchangeOptions(chain_agrees=True)
    with TemporaryDirectory() as folder, ExitStack() as exchanges:
        full, empty = (exchanges.enter_context(LocalExchange(options)) for _ in range(2))
        for name in ("full", "empty"):
            (Path(folder) / name).mkdir()
        async with (
            opened(full, Path(folder) / "full", levels=1) as ours,
            opened(empty, Path(folder) / "empty", levels=1) as beside,
        ):
            crowds = _crowds(full, foreign, old)
            return [await _beside(crowd, full, (ours, beside), turns) for crowd in crowds]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crowd:
    name: str
    values: dict[str, object]
    """Of the statement that writes it."""
    indexes: tuple[str, ...] = ()
    target: Target


def _crowds(exchange: LocalExchange, foreign: int, old: int) -> Iterator[_Crowd]:
    maker, maker_id = exchange.account_for(exchange.spot)
    taker = exchange.deployment.takers[1]
    market = {"asset": exchange.spot.asset_address, "sub_id": exchange.spot.sub_id}
    theirs = market | {
        "status": "active",
        "owner": taker.address.lower(),
        "subaccount": taker.subaccount_ids[0],
    }
    yield _Crowd(
        name=f"cycle, {FULL_BOOK} foreign orders: a full book",
        values=theirs | {"count": FULL_BOOK},
        target=Target(),
    )
    many, bound = theirs | {"count": foreign}, Target(ratio=1.3)
    yield _Crowd(name=f"cycle, {foreign:,} foreign orders", values=many, target=bound)
    yield _Crowd(
        name=f"cycle, {foreign:,} of them, with index",
        values=many,
        indexes=asked_for_indexes(),
        target=bound,
    )
    gone = {"status": "cancelled", "owner": maker.address.lower(), "subaccount": maker_id}
    yield _Crowd(
        name=f"cycle, {old:,} old rows of ours",
        values=market | gone | {"count": old},
        target=Target(ratio=1.1),
    )


async def _beside(
    crowd: _Crowd, exchange: LocalExchange, both: tuple[Measured, Measured], turns: int
) -> Figure:
    """The cycles of both, of which the first's exchange has the crowd meanwhile."""
    for each in both:
        each.anchor.price = PRICES[0]
        each.took.quiet_ms.clear()
    _change(exchange, _ORDERS, crowd.values)
    for index in crowd.indexes:
        _change(exchange, index)
    while min(len(each.took.quiet_ms) for each in both) < turns + WARM_UP:
        for each in both:
            await each.bot.cycle()
    for index in crowd.indexes:
        _change(exchange, f"DROP INDEX {index.split()[3]}")
    _change(
        exchange, "DELETE FROM active_orders WHERE order_id LIKE 'crowd:%'", vacuum="FULL, ANALYZE"
    )
    ours, beside = (tuple(each.took.quiet_ms[WARM_UP:]) for each in both)
    return Figure(
        name=crowd.name,
        ours=ours,
        beside=beside,
        baseline="without these rows",
        target=crowd.target,
    )


def asked_for_indexes() -> tuple[str, ...]:
    """The statements of those that docs/speed.md asks the exchange for."""
    text = (Path(__file__).parents[2] / "docs" / "speed.md").read_text()
    return tuple(re.findall(r"CREATE INDEX CONCURRENTLY [^;]+;", text))


def _change(
    exchange: LocalExchange,
    statement: str,
    values: dict[str, object] | None = None,
    *,
    vacuum: Literal["ANALYZE", "FULL, ANALYZE"] = "ANALYZE",
) -> None:
    """A full vacuum gives back the pages of what was taken out: each crowd finds the same table."""
    with psycopg.connect(exchange.admin_database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # no trigger
        connection.execute(statement.encode(), values)
        connection.execute(f"VACUUM ({vacuum}) active_orders".encode())
        # Else Postgres writes the rows to disk while the cycles beside them are measured.
        connection.execute("CHECKPOINT")
    time.sleep(SETTLE_S)
