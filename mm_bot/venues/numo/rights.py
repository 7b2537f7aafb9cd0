"""Whether this role may read the exchange's tables, and how far two clocks are apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mm_bot.io.postgres_link import Statement
from mm_bot.venues.checks import Checks

TABLES: Final = ("active_orders", "trade_fills")
RIGHTS: Final = Statement.of("""
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
           (SELECT json_object_agg(name, json_build_object(
                'there', to_regclass(name) IS NOT NULL,
                'reads', coalesce(has_table_privilege(to_regclass(name), 'SELECT'), false),
                'writes', coalesce(
                    has_table_privilege(to_regclass(name), 'INSERT, UPDATE, DELETE'), false)))
            FROM unnest(%(tables)s::text[]) AS name)
""")


def rights(checks: Checks, tables: Mapping[str, Mapping[str, bool]]) -> bool:
    """False where a table is missing or may not be read; takes what `RIGHTS` answers."""
    absent = [name for name in TABLES if not tables[name]["there"]]
    unread = [name for name in TABLES if tables[name]["there"] and not tables[name]["reads"]]
    if absent:
        detail = f"no table {', '.join(absent)}: is this the exchange's database?"
        checks.wrong("Postgres", "permission", detail)
    if unread:
        detail = f"this role may not read {', '.join(unread)}: GRANT SELECT on it"
        checks.wrong("Postgres", "permission", detail)
    if absent or unread:
        return False
    writes = [name for name in TABLES if tables[name]["writes"]]
    if writes:
        detail = f"may also write {', '.join(writes)}; the bot only reads: a reader's role is safer"
        checks.note("Postgres", "permission", detail)
    else:
        checks.ok("Postgres", "permission", f"reads {', '.join(TABLES)}, writes neither")
    return True
