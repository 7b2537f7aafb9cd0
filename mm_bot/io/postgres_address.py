"""Where a connection string leads: shown without its secrets, and with its names looked up."""

from __future__ import annotations

import re
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from mm_bot.io.dial import dial
from mm_bot.io.resolver import Resolver


def database_address(database_url: str) -> str:
    """Host, port and database of a connection string, and nothing else of it."""
    try:
        parts = conninfo_to_dict(database_url)
    except psycopg.Error:
        return "<malformed database url>"
    host = parts.get("host") or parts.get("hostaddr") or "localhost"
    return f"{host}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"


async def addresses(database_url: str, resolver: Resolver) -> dict[str, Any]:
    """Each host of a connection string with its address, so that neither psycopg nor libpq looks
    a name up; of several addresses the one that connects first. Empty where there is no name."""
    parts = conninfo_to_dict(database_url)
    names, given = str(parts.get("host") or ""), str(parts.get("port") or 5432).split(",")
    if not names or names.startswith("/") or parts.get("hostaddr"):
        return {}
    hosts = names.split(",")
    ports = given if len(given) == len(hosts) else given[:1] * len(hosts)
    found: list[tuple[str, str, str]] = []
    fault: Exception | None = None
    for host, port in zip(hosts, ports, strict=True):
        try:
            known = await resolver.addresses(host)
            address = known[0][1]
            if len(known) > 1:
                with await dial(host, int(port), resolver) as connected:
                    address = str(connected.getpeername()[0])
            found.append((host, address, port))
        except (OSError, UnicodeError) as error:
            fault = error
    if not found and fault is not None:
        raise fault
    columns = (",".join(column) for column in zip(*found, strict=True))
    return dict(zip(("host", "hostaddr", "port"), columns, strict=True))


def unusable_url(database_url: str) -> str | None:
    """What is wrong with a connection string, without quoting it; None where libpq takes it."""
    try:
        conninfo_to_dict(database_url)
    except psycopg.Error as error:
        option = _UNKNOWN_OPTION.search(str(error))
        if option is not None:
            return f"Postgres knows no connection option {option[1]!r}: take it out of the URL"
        return "it is no connection URL of Postgres: postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    return None


_UNKNOWN_OPTION: Final = re.compile(r'invalid (?:URI query parameter|connection option):? "(\w+)"')
