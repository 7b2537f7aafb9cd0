"""The SQL of the order table: one statement a cycle, one snapshot, one round trip.

Rows of `active_orders` are never deleted, so every part goes through an index: our live rows by
(asset_address, sub_id, side, status), the best of others by the price in ticks behind those, ids
by the primary key, nonces by (owner_address, nonce), fills by trade id. Numbers come as text,
because JSON has none that hold a uint256.
"""

from __future__ import annotations

from typing import Final

from mm_bot.io.postgres import SESSION_PROOF
from mm_bot.io.postgres_link import Statement

FILLS_LIMIT: Final = 1000
"""Fills in one page; pages follow until one is not full."""
TRADES_LIMIT: Final = 100
"""Latest trades that are looked at for own ones: as many as the API shows."""
OTHERS_LIMIT: Final = 2
"""Best orders a side of other owners, and of our owner's other subaccounts."""
_NEAREST: Final = 10
"""Of others' orders so many are looked at, a side and status, for the best that can be read."""

_WHOSE: Final = """
    o.order_id, o.owner_address, o.subaccount_id::text AS subaccount_id, o.nonce::text AS nonce,
    o.side, o.asset_address, o.sub_id::text AS sub_id
"""
_ROW: Final = f"""{_WHOSE},
    o.desired_amount, o.filled_amount, o.limit_price, o.status, floor(o.expiry)::text AS expiry,
    floor(extract(epoch FROM o.created_at) * 1000)::bigint AS created_ms
"""

# The documented columns have no reason; deployments that store one are read through the JSON form.
_ROW_WITH_REASON: Final = _ROW + ", to_jsonb(o) ->> 'cancel_reason' AS cancel_reason"

_MINE: Final = "o.owner_address = %(owner)s AND o.subaccount_id = %(subaccount)s::numeric"
_HERE: Final = "o.asset_address = %(asset)s AND o.sub_id = %(sub_id)s::numeric"
_LATELY_SIGNED: Final = """
    o.expiry >= least(%(signed_since)s::numeric, floor(extract(epoch FROM now())) - 120)
"""
"""Not expired by the chain's clock, or so lately that a fill may not be there yet."""


def readable_number(column: str) -> str:
    """Whether a text is a number: up to 48 digits, and after a point up to 24.

    A text as short as any real one is judged without the pattern, which took a fifth of the
    statement's time beside a full book."""
    text = f"coalesce({column}, '')"
    return rf"""
    CASE WHEN length({text}) > 24 THEN {text} ~ '^[0-9]{{1,48}}(\.[0-9]{{1,24}})?$'
    ELSE btrim({text}, '0123456789') IN ('', '.')
         AND left({text}, 1) NOT IN ('', '.') AND right({text}, 1) <> '.' END"""


# Anybody may place a price that is none; to cast it would fail the read of everything else.
_READABLE: Final = " AND ".join(
    readable_number(f"o.{column}") for column in ("limit_price", "desired_amount", "filled_amount")
)
_UNEXPIRED: Final = "o.expiry >= floor(extract(epoch FROM now()))"

_NEW_FILLS: Final = f"""new_fills AS (
    SELECT f.trade_id, f.price, f.size, o.order_id = f.maker_order_id AS is_maker, o.order_id,
           o.side, o.desired_amount, o.filled_amount,
           floor(extract(epoch FROM f.created_at) * 1000)::bigint AS at_ms,
           sum(f.size::numeric) OVER (
               PARTITION BY o.order_id ORDER BY f.trade_id DESC ROWS UNBOUNDED PRECEDING
           ) - f.size::numeric AS filled_later
    FROM trade_fills f
    CROSS JOIN LATERAL (  -- OFFSET 0: by the primary key, whatever the statistics say
        SELECT * FROM active_orders WHERE order_id IN (f.maker_order_id, f.taker_order_id) OFFSET 0
    ) o
    WHERE f.trade_id > %(fills_after)s AND {_MINE}
      AND f.asset_address = %(asset)s AND f.sub_id = %(sub_id)s::numeric
)
"""

_FILLS: Final = f"""
        SELECT trade_id, order_id, side, price, size, at_ms, is_maker,
               filled_amount::numeric - filled_later >= desired_amount::numeric AS completes_order
        FROM new_fills ORDER BY trade_id
        FETCH FIRST {FILLS_LIMIT} ROWS WITH TIES
"""

# `lower` keeps the planner off the index of owner and nonce, which holds every order we ever had;
# an index made for this read may have it (see docs/speed.md).
_OF_OWNER: Final = "lower(o.owner_address) = %(owner)s"


def _best_of_others(side: str, status: str) -> str:
    """In the order of the book's own index, so that only these rows are read. Its price in ticks is
    a number wherever that index is: it would have refused another."""
    direction = "DESC" if side == "buy" else "ASC"
    return f"""(
        SELECT * FROM active_orders o
        WHERE {_HERE} AND o.side = '{side}' AND o.status = '{status}'
          AND o.owner_address <> %(owner)s AND {_UNEXPIRED}
        ORDER BY o.limit_price_ticks::numeric {direction} LIMIT {_NEAREST}
    )"""


_BEST_OF_OTHERS: Final = " UNION ALL ".join(
    _best_of_others(side, status) for side in ("buy", "sell") for status in ("active", "matching")
)

OBSERVE: Final = Statement.of(f"""
WITH live AS MATERIALIZED (
    SELECT o.order_id, o.owner_address, o.subaccount_id, o.nonce, o.side, o.asset_address,
           o.sub_id, o.desired_amount, o.filled_amount, o.limit_price, o.status, o.expiry,
           o.created_at
    FROM unnest(%(assets)s::text[], %(sub_ids)s::text[]) AS market (asset, sub_id)
    CROSS JOIN LATERAL (
        SELECT * FROM active_orders o
        WHERE o.asset_address = market.asset AND o.sub_id = market.sub_id::numeric
          AND o.side IN ('buy', 'sell') AND o.status IN ('active', 'matching') AND {_OF_OWNER}
        OFFSET 0
    ) o
),
own AS (
    SELECT {_ROW}, {_HERE} AS here, {_UNEXPIRED} AS unexpired FROM live o WHERE {_MINE}
),
near AS MATERIALIZED (
    SELECT o.order_id, o.owner_address, o.subaccount_id, o.nonce, o.side, o.asset_address,
           o.sub_id, o.desired_amount, o.filled_amount, o.limit_price, o.status, o.expiry,
           o.created_at, {_READABLE} AS readable
    FROM ({_BEST_OF_OTHERS}) o
    UNION ALL
    SELECT o.*, {_READABLE} FROM live o WHERE {_HERE} AND {_UNEXPIRED} AND NOT ({_MINE})
),
others AS (
    SELECT *, row_number() OVER (
        PARTITION BY side, owner_address = %(owner)s
        ORDER BY limit_price::numeric * CASE side WHEN 'buy' THEN -1 ELSE 1 END, order_id
    ) AS rank
    FROM near WHERE readable
),
unreadable AS (
    SELECT order_id FROM near WHERE NOT readable LIMIT {OTHERS_LIMIT}
),
{_NEW_FILLS},
latest AS (
    SELECT trade_id, maker_order_id, taker_order_id FROM trade_fills
    WHERE asset_address = %(asset)s AND sub_id = %(sub_id)s::numeric
    ORDER BY trade_id DESC LIMIT {TRADES_LIMIT}
)
SELECT
    (SELECT json_agg(r) FROM (SELECT * FROM own WHERE here) r) AS live,
    (SELECT json_agg(r) FROM (SELECT * FROM own WHERE NOT here AND unexpired) r) AS elsewhere,
    (SELECT json_agg(r) FROM (
        SELECT {_ROW} FROM others o WHERE rank <= {OTHERS_LIMIT}) r) AS others,
    (SELECT json_agg(r) FROM (
        SELECT {_ROW_WITH_REASON} FROM active_orders o
        WHERE o.order_id = ANY(%(order_ids)s::text[])) r) AS asked,
    (SELECT json_agg(r) FROM (
        SELECT {_WHOSE} FROM active_orders o
        WHERE o.owner_address = %(owner)s
          AND o.nonce = ANY(%(nonces)s::text[]::numeric[])) r) AS nonces,
    (SELECT json_agg(r) FROM (
        SELECT {_ROW_WITH_REASON} FROM active_orders o
        WHERE %(include_unexpired)s AND {_MINE} AND {_LATELY_SIGNED}) r) AS unexpired,
    (SELECT json_agg(r) FROM ({_FILLS}) r) AS fills,
    (SELECT json_agg(l.trade_id) FROM latest l WHERE EXISTS (
        SELECT FROM active_orders o
        WHERE o.order_id IN (l.maker_order_id, l.taker_order_id)
          AND o.owner_address = %(owner)s)) AS own_trade_ids,
    (SELECT max(trade_id) FROM trade_fills) AS newest_trade_id,
    (SELECT json_agg(r) FROM unreadable r) AS unreadable,
    {SESSION_PROOF} AS session
""")

FIND: Final = Statement.of("""
    SELECT order_id, nonce::text, side, asset_address, sub_id::text, status,
           floor(expiry)::bigint AS expiry
    FROM active_orders o
    WHERE o.owner_address = %(owner)s AND o.subaccount_id = %(subaccount)s::numeric
      AND (o.status IN ('active', 'matching') OR o.order_id = ANY(%(asked)s::text[]))
""")

MORE_FILLS: Final = Statement.of(
    f"WITH {_NEW_FILLS} SELECT (SELECT json_agg(r) FROM ({_FILLS}) r) AS fills"
)
"""The page after the fill `fills_after`; a page with fewer than `FILLS_LIMIT` is the last."""

HIGHEST_NONCE: Final = Statement.of(
    "SELECT max(nonce)::text FROM active_orders WHERE owner_address = %(owner)s"
)

_THE_LOCK: Final = """
    l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.classid::bigint << 32 | l.objid::bigint) = %(key)s::bigint
"""
_HELD_HERE: Final = (
    f"EXISTS (SELECT FROM pg_locks l WHERE {_THE_LOCK} AND l.pid = pg_backend_pid())"
)

# A session may take an advisory lock twice: where ours holds it already, somebody shares it.
TRY_LOCK: Final = Statement.of(f"""
SELECT CASE WHEN {_HELD_HERE} THEN false ELSE pg_try_advisory_lock(%(key)s::bigint) END,
       {SESSION_PROOF}
""")

STILL_LOCKED: Final = Statement.of(f"SELECT {_HELD_HERE}, {SESSION_PROOF}")

LOCK_HOLDER: Final = Statement.of(f"""
SELECT coalesce(a.application_name, ''), coalesce(a.client_addr::text, 'local'), l.pid,
       coalesce(to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '')
FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
WHERE {_THE_LOCK}
""")
