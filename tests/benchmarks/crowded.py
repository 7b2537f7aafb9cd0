"""What a full order table costs a cycle: many foreign live orders, and many old rows of ours.

Rows are copied beneath the exchange's triggers, so that no events come of them, and taken out
again. The baseline is the same loop over the same table just before.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from integration_harness.stack.up import LocalExchange
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


async def crowded(exchange: LocalExchange, *, turns: int, foreign: int, old: int) -> list[Figure]:
    """A cycle that sends nothing, beside none of these rows."""
    maker, subaccount_id = exchange.account_for(exchange.spot)
    taker = exchange.deployment.takers[1]
    theirs = (foreign, "active", Target(ratio=1.3), taker.address, taker.subaccount_ids[0])
    crowds = (
        (f"cycle, {FULL_BOOK} foreign orders: a full book", FULL_BOOK, "active", Target(),
         *theirs[3:], ()),
        (f"cycle, {foreign:,} foreign orders", *theirs, ()),
        (f"cycle, {foreign:,} of them, with index", *theirs, asked_for_indexes()),
        (f"cycle, {old:,} old rows of ours", old, "cancelled", Target(ratio=1.1),
         maker.address, subaccount_id, ()),
    )  # fmt: skip
    found = []
    with TemporaryDirectory() as folder:
        async with opened(exchange, Path(folder), levels=1) as ours:
            ours.anchor.price = PRICES[0]
            empty = await _quiet_cycles(ours, turns)
            for name, count, status, target, owner, subaccount, indexes in crowds:
                values = {
                    "count": count, "status": status, "owner": owner.lower(),
                    "subaccount": subaccount, "asset": exchange.spot.asset_address,
                    "sub_id": exchange.spot.sub_id,
                }  # fmt: skip
                _change(exchange, _ORDERS, values)
                for index in indexes:
                    _change(exchange, index, {})
                full = await _quiet_cycles(ours, turns)
                _change(exchange, "DELETE FROM active_orders WHERE order_id LIKE 'crowd:%'", {})
                for index in indexes:
                    _change(exchange, f"DROP INDEX {index.split()[3]}", {})
                before, empty = empty, await _quiet_cycles(ours, turns)
                figure = Figure(
                    name=name,
                    ours=tuple(full),
                    beside=(*before, *empty),
                    baseline="without these rows",
                    target=target,
                )
                found.append(figure)
    return found


def asked_for_indexes() -> tuple[str, ...]:
    """The statements of those that docs/speed.md asks the exchange for."""
    text = (Path(__file__).parents[2] / "docs" / "speed.md").read_text()
    return tuple(re.findall(r"CREATE INDEX CONCURRENTLY [^;]+;", text))


async def _quiet_cycles(ours: Measured, turns: int) -> Sequence[float]:
    known = len(ours.took.quiet_ms)
    while len(ours.took.quiet_ms) < known + turns + WARM_UP:
        await ours.bot.cycle()
    return ours.took.quiet_ms[known + WARM_UP :]


def _change(exchange: LocalExchange, statement: str, values: dict[str, object]) -> None:
    with psycopg.connect(exchange.admin_database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # no trigger
        connection.execute(statement.encode(), values or None)
        connection.execute("VACUUM ANALYZE active_orders")
        # Else Postgres writes the rows to disk while the cycles beside them are measured.
        connection.execute("CHECKPOINT")
    time.sleep(SETTLE_S)
