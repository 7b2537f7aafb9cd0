"""Answers that adapters give alike: of rows that were read, and of a socket that comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import IdLookup
from mm_bot.venues.base import Found, FoundOrder


class Socket(Protocol):
    """One that is kept open."""

    up: asyncio.Event
    down: asyncio.Event

    @property
    def problem(self) -> str:
        """Why it is down; empty while it is up."""


def found(rows: Iterable[RestingOrder], order_ids: Collection[str], market_symbol: str) -> Found:
    """`Venue.find`, out of rows of our own account: those asked for, and the live ones of this
    bot's ids."""
    prefix = f"mm:{market_symbol}:"
    return Found(
        orders=tuple(
            FoundOrder(
                order_id=row.order_id,
                nonce=row.nonce,
                live=row.live,
                expiry_s=row.expiry_ms // 1000,
                proof=f"the exchange says {row.status.value}",
            )
            for row in rows
            if row.order_id in order_ids or (row.live and row.order_id.startswith(prefix))
        )
    )


def lookups(rows: Iterable[RestingOrder], nonces: Iterable[int]) -> tuple[IdLookup, ...]:
    """Who of our own rows holds the nonces that are asked about."""
    wanted = set(nonces)
    return tuple(
        IdLookup(order_id=row.order_id, nonce=row.nonce, foreign=False)
        for row in rows
        if row.nonce in wanted
    )


async def hear(
    socket: Socket, on_event: Callable[[], None], on_source: Callable[[str, str], None]
) -> None:
    """`LiveVenue.events`, told by a socket, else by polling; until cancelled."""
    while True:
        if socket.up.is_set():
            on_source("socket", "")
            on_event()
            await socket.down.wait()
        else:
            on_source("poll", socket.problem)
            await socket.up.wait()
