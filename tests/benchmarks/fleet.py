"""Many bots side by side, each with a subaccount of its own, beside one of them alone.

What counts is the length of their own cycles, as each tells it in `/status`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

import httpx

from integration_harness.stack.chain import Chain
from integration_harness.stack.deploy import ONE
from integration_harness.stack.deployment import Deposit
from integration_harness.stack.supervisor import Supervisor
from integration_harness.stack.up import LocalExchange
from tests.benchmarks.events import PRICES
from tests.benchmarks.figures import Figure, Target
from tests.benchmarks.rivals import Rival, TimedAnchor, order_table

_POLL_MS = 1_000
_LONGER_ALONE = 5
_FUNDS = Deposit(cash=1_000_000 * ONE)


def fleet(
    exchange: LocalExchange, supervisor: Supervisor, *, bots: int, seconds: float
) -> list[Figure]:
    """Cycles of one bot for five times that long, since a p99 takes a hundred; then of all."""
    near, maker = exchange.futures[0], exchange.deployment.maker
    with ExitStack() as cleanup:
        anchor = TimedAnchor(PRICES[0])
        anchor.start()
        cleanup.callback(anchor.close)
        with Chain(exchange.rpc_url, exchange.deployment) as chain:
            ids = [chain.open_subaccount(maker.address, _FUNDS) for _ in range(bots)]
        table = order_table(exchange)
        cleanup.callback(table.close)
        started: list[Rival] = []
        for subaccount_id in ids:
            rival = Rival(
                table=table,
                name=f"fleet{subaccount_id}",
                exchange=exchange,
                supervisor=supervisor,
                instrument=near,
                account=maker,
                subaccount_id=subaccount_id,
                anchor=anchor,
                folder=supervisor.folder,
                plain=False,
            )
            cleanup.callback(rival.kill)
            rival.start(poll_ms=_POLL_MS)
            rival.wait_for_new(set(), 2)
            started.append(rival)
            if len(started) == 1:
                one = _cycles_ms(started, _LONGER_ALONE * seconds)
        every = _cycles_ms(started, seconds)
    return [
        Figure(
            name=f"cycle of {bots} bots side by side",
            ours=tuple(every),
            beside=tuple(one),
            baseline="one alone",
            target=Target(p99_ratio=3.0),
        )
    ]


def _cycles_ms(rivals: Sequence[Rival], seconds: float) -> list[float]:
    """The last cycle of each, asked for once a poll."""
    found, until = [], time.monotonic() + seconds
    with httpx.Client() as client:
        while time.monotonic() < until:
            began = time.monotonic()
            for rival in rivals:
                found.append(float(client.get(rival.status_url).json()["cycle"]["took_ms"]))
            time.sleep(max(0.0, began + _POLL_MS / 1000 - time.monotonic()))
    return found
