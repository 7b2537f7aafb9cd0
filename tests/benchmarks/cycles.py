"""A cycle against the plain one, turn by turn, at each distance.

Both quote the spot market of one exchange, each from its own account. In every turn the price has
moved, so that every quote is replaced, and then nothing has, so that nothing is sent.
"""

from __future__ import annotations

import time
from contextlib import closing
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from integration_harness.stack.quantities import Side as PlainSide
from integration_harness.stack.up import LocalExchange
from tests.benchmarks.figures import Figure, Target
from tests.benchmarks.floor import requests_alone
from tests.benchmarks.in_process import INSIDE, PARTS, Measured, opened
from tests.benchmarks.plain import Addresses, PlainMaker, Quotes

PRICES = (Decimal(1600), Decimal("1602.4"))
"""The anchor's, in turn: no quote of a ladder fits the other's, whose levels are 1.6 apart."""
PLAIN_AWAY = Decimal(20)
"""Behind the bot's quotes, so that the two never trade."""
SIZE = Decimal(100)
WARM_UP = 3
"""Turns before those that count."""
TRIES = 5
"""Turns begun for each that is wanted; some meet the matcher."""
REQUOTE_TARGETS = {0: Target(ratio=0.35), 5: Target(ratio=0.30), 25: Target(ratio=0.30)}


async def cycles(
    exchange: LocalExchange,
    round_trip_ms: int,
    *,
    turns: int,
    levels: int,
    together: bool = False,
    parts: bool = False,
) -> list[Figure]:
    """The cycles of so many levels a side at one distance; `together` is `MM_REPLACE_TOGETHER`, and
    `parts` asks for what they consist of too."""
    plain_took: dict[str, list[float]] = {"read": [], "total": []}
    with TemporaryDirectory() as folder:
        async with opened(exchange, Path(folder), levels=levels, together=together) as ours:
            with closing(plain_maker(exchange)) as plain:
                await _take_turns(ours, plain, plain_took, turns=turns, levels=levels)
                plain.cancel_all()
            if parts:
                await ours.bot.cancel_all(within_ms=5_000)
                alone_ms = await requests_alone(ours.venue, turns)
    requotes = ours.took.requote_ms
    assert len(requotes.get("total", ())) > WARM_UP, "the matcher was in every turn's way"
    side = f"{levels} level" + ("s" if levels > 1 else "") + (" (together)" if together else "")
    found = []
    if levels == 1 and not together:
        found.append(
            Figure(
                name="observe-only cycle",
                ours=tuple(ours.took.quiet_ms[WARM_UP:]),
                beside=tuple(plain_took["read"][WARM_UP:]),
                round_trip_ms=round_trip_ms,
            )
        )
    found.append(
        Figure(
            name=f"requote, {side}",
            ours=tuple(requotes["total"][WARM_UP:]),
            beside=tuple(plain_took["total"][WARM_UP:]),
            round_trip_ms=round_trip_ms,
            target=REQUOTE_TARGETS.get(round_trip_ms, Target()),
        )
    )
    if parts:
        found.append(
            Figure(
                name="  its requests alone, the floor",
                ours=tuple(alone_ms),
                beside=tuple(plain_took["total"][WARM_UP:]),
                round_trip_ms=round_trip_ms,
            )
        )
        for part, text in PARTS.items():
            target = Target(p50=2.5, p99=6.0) if part == INSIDE else Target()
            took = tuple(requotes[part][WARM_UP:])
            found.append(Figure(name=text, ours=took, target=target, round_trip_ms=round_trip_ms))
    return found


def plain_maker(exchange: LocalExchange) -> PlainMaker:
    """The baseline on the exchange's spot market; whoever makes it closes it."""
    at = Addresses(
        api_url=exchange.api_url, rpc_url=exchange.rpc_url, database_url=exchange.database_url
    )
    return PlainMaker(at, exchange.deployment, exchange.spot, SIZE)


async def _take_turns(
    ours: Measured,
    plain: PlainMaker,
    plain_took: dict[str, list[float]],
    *,
    turns: int,
    levels: int,
) -> None:
    most = TRIES * (WARM_UP + turns)
    for price in islice(cycle(PRICES), most):
        ours.anchor.price = price
        ours.took.begin()
        await ours.bot.cycle()
        await ours.bot.cycle()
        begin = time.perf_counter()
        plain.read()
        read = time.perf_counter()
        plain.requote(_ladder(price, levels))
        plain_took["read"].append((read - begin) * 1000)
        plain_took["total"].append((time.perf_counter() - begin) * 1000)
        if len(ours.took.requote_ms.get("total", ())) >= WARM_UP + turns:
            return


def _ladder(price: Decimal, levels: int) -> Quotes:
    sides: tuple[tuple[PlainSide, int], ...] = (("buy", -1), ("sell", 1))
    return {
        (side, level): price + sign * (PLAIN_AWAY + 2 * level)
        for side, sign in sides
        for level in range(levels)
    }
