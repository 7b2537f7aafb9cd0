"""From an event to the order that answers it, of the bot and of the baseline in turn.

Each event is dated where it becomes visible: an anchor's value when it was first answered, an
order or a fill when its row was written, the kill switch when its file is made, a start when the
process is. The answer is dated by the row of the last new order, or of the last cancel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.quantities import Side
from integration_harness.stack.supervisor import Supervisor
from integration_harness.stack.up import LocalExchange
from tests.benchmarks.figures import Figure, Target
from tests.benchmarks.host import Host
from tests.benchmarks.rivals import POLL_MS, SIZE, Rival, TimedAnchor, order_table

PRICES = (Decimal(1600), Decimal(1610))
BETTER_THAN_NOBODY = Decimal(1590)
"""Behind both quotes: the best of others, before which a quote steps back."""
SETTLE_S = 0.15
"""Between two events at the least: longer than the floor between cycles."""
GOLDEN = 0.618
"""Part of a poll by which each event comes later than the one before, so that all moments of it are
met alike: the looks at the table are as regular as the polls."""
QUIET_POLL_MS = 2_000


@contextmanager
def rivals(
    exchange: LocalExchange, supervisor: Supervisor, name: str
) -> Iterator[tuple[Rival, Rival]]:
    """The bot and the baseline, not started; all of it is gone afterwards."""
    near, far = exchange.futures
    maker, subaccount_id = exchange.account_for(near)
    taker = exchange.deployment.takers[0]
    who = ((maker, subaccount_id, near), (taker, taker.subaccount_ids[0], far))
    anchors = (TimedAnchor(PRICES[0]), TimedAnchor(PRICES[0]))
    table = order_table(exchange)
    both = [
        Rival(
            table=table,
            name=f"{name}-{'plain' if plain else 'bot'}",
            exchange=exchange,
            supervisor=supervisor,
            instrument=instrument,
            account=account,
            subaccount_id=subaccount,
            anchor=anchors[plain],
            folder=supervisor.folder,
            plain=bool(plain),
        )
        for plain, (account, subaccount, instrument) in enumerate(who)
    ]
    for anchor in anchors:
        anchor.start()
    try:
        yield both[0], both[1]
        for rival in both:
            if rival.child is not None and rival.child.running:
                rival.stop()
    finally:
        for rival in both:
            rival.kill()
        table.close()
        for anchor in anchors:
            anchor.close()


def events(
    exchange: LocalExchange,
    supervisor: Supervisor,
    round_trip_ms: int,
    *,
    turns: int,
    anchor_alone: bool,
) -> list[Figure]:
    """Every kind of event at one distance, or the anchor's alone. Targets are those of none."""
    with rivals(exchange, supervisor, f"far{round_trip_ms}") as both:
        for rival in both:
            rival.start()
            rival.wait_for_new(set(), 2)
        found: list[Figure] = []
        for name, measure, target in KINDS[:1] if anchor_alone else KINDS:
            aimed = Target() if round_trip_ms else target
            found += _figures(name, _in_turn(both, turns, measure), aimed, round_trip_ms)
        if not anchor_alone:
            found.append(_memory(both))
    return found


def starts(exchange: LocalExchange, supervisor: Supervisor, *, turns: int) -> list[Figure]:
    """From the start of the process, with a new state file, to its first order."""
    keep_code()
    with rivals(exchange, supervisor, "start") as both:
        took = _in_turn(both, turns, _start)
    return list(_figures("process start -> first quote", took, Target(p50=650.0)))


def keep_code() -> None:
    """As after an installation: what starts would compile anew is kept, of this very code."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    words = (sys.executable, "-m", "mm_bot.generated_code")
    subprocess.run(words, env=environment, cwd=Path(__file__).parents[2], check=True)


def quiet(exchange: LocalExchange, supervisor: Supervisor, *, seconds: float) -> list[Figure]:
    """CPU of both at once while nothing happens, for a minute, at the default poll."""
    with rivals(exchange, supervisor, "quiet") as both:
        for rival in both:
            rival.start(poll_ms=QUIET_POLL_MS)
            rival.wait_for_new(set(), 2)
        time.sleep(1)
        before = [cpu_s(rival) for rival in both]
        time.sleep(seconds)
        used = [(cpu_s(r) - b) * 60 / seconds for r, b in zip(both, before, strict=True)]
    return [
        Figure(
            name="CPU of a quiet minute, 2 s poll",
            unit="s",
            ours=(used[0],),
            beside=(used[1],),
            target=Target(p50=0.15),
        )
    ]


Turn = tuple[float, bool]
"""Milliseconds, and whether the machine's host took nothing meanwhile, as far as ticks tell."""


def _in_turn(
    both: tuple[Rival, Rival], turns: int, measure: Callable[[Rival, int], float]
) -> tuple[list[Turn], list[Turn]]:
    """Each turn of both, while the other stands still."""
    took: tuple[list[Turn], list[Turn]] = ([], [])
    for turn in range(turns):
        for rival, other, each in zip(both, reversed(both), took, strict=True):
            with other.standing_still():
                host = Host()
                ms = measure(rival, turn) * 1000
                each.append((ms, not host.took()))
            time.sleep(SETTLE_S + turn * GOLDEN % 1 * POLL_MS / 1000)
    return took


def _figures(
    name: str, took: tuple[list[Turn], list[Turn]], target: Target, round_trip_ms: int = 0
) -> Iterator[Figure]:
    """Of all turns, and of those in which the host took nothing, where both have some."""
    event, _, _ = name.partition(" -> ")
    for label, disturbed in ((name, True), (f"  {event}, nothing stolen", False)):
        ours, beside = ([ms for ms, calm in turns if calm or disturbed] for turns in took)
        if ours and beside:
            yield Figure(
                name=label,
                ours=tuple(ours),
                beside=tuple(beside),
                target=target,
                round_trip_ms=round_trip_ms,
            )


def _ids(rival: Rival) -> set[str]:
    return {row[0] for row in rival.live()}


def _anchor_moves(rival: Rival, turn: int) -> float:
    known = _ids(rival)
    rival.anchor.move(PRICES[(turn + 1) % 2])
    rests_at = rival.wait_for_new(known, 2)
    assert rival.anchor.told_at is not None, "it was answered before anybody could act on it"
    return rests_at - rival.anchor.told_at


def _foreign_order_lands(rival: Rival, turn: int) -> float:
    """Somebody's bid behind ours: our best bid steps back to one tick before it."""
    signer = Signer(rival.exchange.deployment, rival.exchange.deployment.takers[1])
    with ExchangeClient(rival.exchange.api_url) as client:
        known = _ids(rival)
        price = BETTER_THAN_NOBODY + turn % 2
        body = signer.order_body(_ticket(rival, "buy", price, SIZE))
        client.place(body)
        rests_at = rival.wait_for_new(known, 1)
        (landed,) = rival._query(
            "SELECT extract(epoch FROM created_at) FROM active_orders WHERE order_id = %s",
            (body["order_id"],),
        )
        known = _ids(rival)
        client.cancel(signer.cancel_body(int(body["nonce"])))
        rival.wait_for_new(known, 1)
    return rests_at - float(landed[0])


def _order_is_filled(rival: Rival, turn: int) -> float:
    signer = Signer(rival.exchange.deployment, rival.exchange.deployment.takers[1])
    ours: Side = "sell" if turn % 2 else "buy"
    live = rival.live()
    (order_id, _, _, _) = next(row for row in live if row[1] == ours)
    with ExchangeClient(rival.exchange.api_url) as client:
        crossing: Side = "buy" if ours == "sell" else "sell"
        price = Decimal(1700 if crossing == "buy" else 1500)
        client.place(signer.order_body(_ticket(rival, crossing, price, SIZE)))
    filled_at = rival.fill_of(order_id)
    return rival.wait_for_new({row[0] for row in live}, 1) - filled_at


def _kill_switch(rival: Rival, turn: int) -> float:
    thrown_at = time.time()
    rival.kill_switch.touch()
    rival.wait_for_none()
    time.sleep(SETTLE_S)
    gone_at = rival.last_cancelled_at(thrown_at)
    rival.kill_switch.unlink()
    rival.wait_for_new(set(), 2)
    return gone_at - thrown_at


def _start(rival: Rival, turn: int) -> float:
    began_at = time.time()
    rival.start()
    first_at = rival.wait_for_new(set(), 2)
    rival.stop()
    return first_at - began_at


def _ticket(rival: Rival, side: Side, price: Decimal, size: Decimal) -> OrderTicket:
    return OrderTicket(instrument=rival.instrument, side=side, price=price, size=size)


def _memory(both: tuple[Rival, Rival]) -> Figure:
    ours, beside = (_memory_mb(rival.child.pid) for rival in both if rival.child is not None)
    return Figure(
        name="memory after all that",
        unit="MB",
        ours=(ours,),
        beside=(beside,),
        target=Target(p50=80.0),
    )


def _memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("Linux says how much a process holds")


def cpu_s(rival: Rival) -> float:
    """Seconds of CPU of its process so far, to the nanosecond: of threads that are there."""
    assert rival.child is not None
    threads = Path(f"/proc/{rival.child.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


KINDS: tuple[tuple[str, Callable[[Rival, int], float], Target], ...] = (
    ("anchor changes -> both quotes rest", _anchor_moves, Target(p50=15.0, p99=30.0)),
    ("foreign order lands -> new order", _foreign_order_lands, Target(p50=15.0, p99=40.0)),
    ("own order filled -> new order", _order_is_filled, Target(p50=15.0, p99=40.0)),
    ("kill switch -> last cancel", _kill_switch, Target(p99=60.0)),
)
