"""The two that are measured from outside, each a process on a market of its own: the bot as its
users start it on the near future, the baseline on the far one. What they do is read from Postgres,
whose clock is this machine's.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from integration_harness.anchor_server import AnchorServer
from integration_harness.stack.deployment import Account
from integration_harness.stack.instruments import Instrument, dump_instruments
from integration_harness.stack.supervisor import ChildProcess, Supervisor, free_port
from integration_harness.stack.up import LocalExchange

T = TypeVar("T")
SIZE = Decimal(1)
POLL_MS = 100
"""Of both while events are timed."""
WITHIN_S = 30
_LOOK_S = 0.1
"""Before the first look and between two. Rows have their times, so nothing is gained by a closer
watch, and it would take the cores of those that are measured."""
_REPOSITORY = Path(__file__).parents[2]


def order_table(exchange: LocalExchange) -> psycopg.Connection[tuple[Any, ...]]:
    """What rivals are watched through; whoever opens it closes it."""
    return psycopg.connect(exchange.admin_database_url, autocommit=True)


class NothingHappenedError(Exception):
    """What was waited for did not come within `WITHIN_S`."""


class TimedAnchor(AnchorServer):
    """Knows when the price of now was first answered."""

    def __init__(self, price: Decimal) -> None:
        super().__init__(price)
        self._lock = threading.Lock()
        self.told_at: float | None = None
        """Seconds since 1970; None where nobody asked since `move`."""

    def move(self, price: Decimal) -> None:
        with self._lock:
            self.price, self.told_at = price, None

    def body(self) -> bytes:
        with self._lock:
            if self.told_at is None:
                self.told_at = time.time()
            return super().body()


@dataclass(slots=True, kw_only=True)
class Rival:
    """One of the two. `exchange` is where it looks, from near or afar."""

    name: str
    exchange: LocalExchange
    supervisor: Supervisor
    instrument: Instrument
    account: Account
    subaccount_id: int
    anchor: TimedAnchor
    folder: Path
    plain: bool
    child: ChildProcess | None = None
    starts: int = 0
    port: int = field(default_factory=free_port)
    table: psycopg.Connection[tuple[Any, ...]]
    """One for all looks of all rivals: a login for each look, a hundred times a second, would be
    work of the cores of those that are measured."""

    @property
    def status_url(self) -> str:
        """Of the bot alone: the baseline has no pages."""
        return f"http://127.0.0.1:{self.port}/status"

    @property
    def kill_switch(self) -> Path:
        return self.folder / f"{self.name}.kill"

    def start(self, *, poll_ms: int = POLL_MS, levels: int = 1) -> None:
        """Without waiting for anything."""
        self.starts += 1
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(_REPOSITORY),
        }
        argv: tuple[str, ...] = (sys.executable, "-m", "mm_bot")
        if self.plain:
            module = "tests.benchmarks.plain_process"
            argv = (sys.executable, "-m", module, json.dumps(self._plain_settings(poll_ms)))
        else:
            environment.update(self._bot_settings(poll_ms, levels))
        self.child = self.supervisor.spawn(self.name, argv, environment=environment)

    def kill(self) -> None:
        """As a crash: what rests stays."""
        if self.child is not None:
            self.child.kill()

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """It takes nothing of the exchange and of the cores meanwhile; its orders stay."""
        if self.child is None or not self.child.running:
            yield
            return
        self.child.freeze()
        try:
            yield
        finally:
            self.child.thaw()

    def stop(self) -> None:
        """Ends it, its orders first."""
        self.kill_switch.touch()
        self.wait_for_none()
        self.kill()
        self.kill_switch.unlink()

    def live(self) -> list[tuple[str, str, str, float]]:
        """Order id, side, steps and birth of each live order."""
        return self._rows(
            "SELECT order_id, side, desired_amount, extract(epoch FROM created_at)"
            " FROM active_orders WHERE {} AND status IN ('active', 'matching')"
        )

    def wait_for_new(self, known: set[str], quotes: int) -> float:
        """Until so many orders rest that are not of `known` and nothing else does; the birth of the
        youngest of them."""

        def youngest() -> float | None:
            live = self.live()
            new = [row for row in live if row[0] not in known]
            if len(new) == quotes and (quotes == 1 or len(live) == quotes):
                return max(float(row[3]) for row in new)
            return None

        return self._seen(youngest, f"{quotes} new orders")

    def wait_for_none(self) -> None:
        self._seen(lambda: None if self.live() else True, "no orders")

    def last_cancelled_at(self, since: float) -> float:
        """When the last of our orders that were cancelled since then was."""
        found = self._query(
            "SELECT extract(epoch FROM max(created_at)) FROM market_events WHERE owner_address = %s"
            " AND payload ->> 'status' = 'cancelled' AND created_at > to_timestamp(%s)",
            (self.account.address.lower(), since),
        )
        return float(found[0][0])

    def fill_of(self, order_id: str) -> float:
        """When the given order of ours was filled."""

        def fill() -> float | None:
            found = self._query(
                "SELECT extract(epoch FROM created_at) FROM trade_fills WHERE maker_order_id = %s",
                (order_id,),
            )
            return float(found[0][0]) if found else None

        return self._seen(fill, f"a fill of {order_id}")

    def _seen(self, look: Callable[[], T | None], what: str) -> T:
        """What it looks for, once it is there."""
        give_up_at = time.monotonic() + WITHIN_S
        while time.monotonic() < give_up_at:
            time.sleep(_LOOK_S)
            found = look()
            if found is not None:
                return found
        tail = "" if self.child is None else self.child.log_tail()
        raise NothingHappenedError(f"{self.name}: {what}; live {self.live()}\n{tail}")

    def _rows(self, query: str) -> list[tuple[str, str, str, float]]:
        where = "owner_address = %s AND subaccount_id = %s AND asset_address = %s AND sub_id = %s"
        at = self.instrument
        values = (
            self.account.address.lower(), self.subaccount_id, at.asset_address, at.sub_id
        )  # fmt: skip
        return self._query(query.format(where), values)

    def _query(self, query: str, values: tuple[object, ...]) -> list[tuple[str, str, str, float]]:
        return self.table.execute(query.encode(), values).fetchall()

    def _bot_settings(self, poll_ms: int, levels: int) -> dict[str, str]:
        return {
            **self.exchange.bot_environment(self.instrument.symbol),
            "MM_SUBACCOUNT_ID": str(self.subaccount_id),
            "MM_METRICS_ADDR": f"127.0.0.1:{self.port}",
            "MM_STATE_FILE": str(self.folder / f"{self.name}-{self.starts}.json"),
            "MM_KILL_SWITCH_FILE": str(self.kill_switch),
            "MM_ANCHOR_SOURCE_TYPE": "http",
            "MM_ANCHOR_URL": self.anchor.url,
            "MM_POLL_INTERVAL_MS": str(poll_ms),
            "MM_QUOTE_REFRESH_INTERVAL_MS": "10",
            "MM_QUOTE_LEVELS": str(levels),
            "MM_ORDER_SIZE": str(SIZE),
            "MM_PENNY_JUMP": "true",
            "MM_INVENTORY_SKEW_BPS": "0",
            "MM_MAX_CANCELS_PER_MINUTE": "0",
        }

    def _plain_settings(self, poll_ms: int) -> dict[str, object]:
        at = self.exchange
        return {
            "api_url": at.api_url,
            "rpc_url": at.rpc_url,
            "database_url": at.database_url,
            "deployment": str(at.folder / "deployment.json"),
            "instrument": dump_instruments([self.instrument]),
            "anchor_url": self.anchor.url,
            "kill_switch_file": str(self.kill_switch),
            "size": str(SIZE),
            "poll_ms": poll_ms,
        }
