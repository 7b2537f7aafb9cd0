"""Answers that adapters give alike: of rows that were read, and of a socket that comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Final, Protocol

from mm_bot.core.exact import NO_SIZE, Size
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import Fill, IdLookup, Trade
from mm_bot.venues.base import Found, FoundOrder

OWN_TRADES_KEPT: Final = 400
"""More than the public trades that any adapter keeps, under two names each."""
ALIKE_MS: Final = 1_000
"""How far the times may be apart that an exchange gives to two records of one trade."""


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


def own_trades(
    known: Iterable[int], fills: Collection[Fill], public: Iterable[Trade], also: Iterable[int] = ()
) -> frozenset[int]:
    """The numbers of public trades that were ours, the newest that are `known` or `also`, or found
    here: those of `fills`, and of the `public` trades that are like one of them, since an exchange
    may give the two records of one trade two names. A read brings only the fills since the last,
    while public trades of before are still looked at. A stranger's trade that is like ours counts
    as ours, at the same price."""
    alike = [
        trade.trade_id
        for trade in public
        if any(
            (trade.price, trade.size) == (fill.price, fill.size)
            and abs(trade.at_ms - fill.at_ms) <= ALIKE_MS
            for fill in fills
        )
    ]
    numbers = {*known, *also, *alike, *(fill.trade_id for fill in fills)}
    return frozenset(sorted(numbers)[-OWN_TRADES_KEPT:])


def completing(fills: Iterable[Fill], rows: Iterable[RestingOrder]) -> tuple[Fill, ...]:
    """The fills in order of their numbers, each told whether it completed its order: it is the
    newest of them, and of the order nothing is left, or they are its whole size. The second counts
    where the order was read before its last fill. Of an order that is in no row nothing is told.
    `fills` must have every fill after the oldest of them."""
    ordered = sorted(fills, key=lambda fill: fill.trade_id)
    newest = {fill.order_id: fill.trade_id for fill in ordered}
    sums: dict[str, Size] = {}
    for fill in ordered:
        sums[fill.order_id] = sums.get(fill.order_id, NO_SIZE) + fill.size
    whole = {
        row.order_id
        for row in rows
        if not row.size or sums.get(row.order_id, NO_SIZE) >= row.original_size
    }
    return tuple(
        replace(
            fill,
            completes_order=fill.order_id in whole and newest[fill.order_id] == fill.trade_id,
        )
        for fill in ordered
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
