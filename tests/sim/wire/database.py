"""Postgres over the model: sessions, the advisory lock, and the answers to the bot's statements.

The statements themselves are run against a real server by the adapter's own tests; here each has
the answer that its documentation says, rendered from the model's rows of one moment.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Any

import psycopg

from mm_bot.io.postgres_link import Row as Answer
from mm_bot.io.postgres_link import Statement
from mm_bot.venues.numo import order_queries
from mm_bot.venues.numo.order_queries import FILLS_LIMIT, OTHERS_LIMIT, TRADES_LIMIT
from mm_bot.venues.numo.rights import RIGHTS
from tests.sim.books import Pages
from tests.sim.model import US, Model, Row, ranked
from tests.sim.virtual_time import Host
from tests.sim.wire.mishaps import Mishaps
from tests.sim.wire.rendering import Json, fills, rows_elsewhere, table_row, whose


class Backend:
    """The server's side of one session."""

    def __init__(self, pid: int, writer: int) -> None:
        self.pid = pid
        self.writer = writer
        """The number of the process whose session it is."""
        self.token = ""


class Database:
    """All sessions; one of them may hold the lock, whose key there is only one of."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._pids = itertools.count(100)
        self._holder: Backend | None = None
        self.links: list[Link] = []
        """What is connected."""
        self.shown: dict[int, Pages] = {}
        """By process, the matches that its last read of the table showed."""

    def backend(self, writer: int) -> Backend:
        return Backend(next(self._pids), writer)

    def ended(self, backend: Backend) -> None:
        """Its lock goes with it."""
        if self._holder is backend:
            self._holder = None
            if self.model.writer == backend.writer:
                self.model.drop_lock()

    def drop_lock(self) -> None:
        """The server ends the session that holds it."""
        for link in tuple(self.links):
            if link.backend is self._holder:
                link.broken()
        if self._holder is not None:  # its client left already
            self.ended(self._holder)

    def proof(self, backend: Backend) -> str:
        return f"{backend.pid} primary {backend.token}"

    def answer(
        self, backend: Backend, statement: Statement, values: Mapping[str, Any]
    ) -> list[Answer]:
        proof = self.proof(backend)
        if statement is order_queries.OBSERVE:
            return [self._observed(backend, values)]
        if statement is order_queries.MORE_FILLS:
            return [(self._page(backend, values["fills_after"]),)]
        if statement is order_queries.TRY_LOCK:
            return [(self._try_lock(backend), proof)]
        if statement is order_queries.STILL_LOCKED:
            return [(self._holder is backend, proof)]
        if statement is order_queries.LOCK_HOLDER:
            holder = self._holder
            return [] if holder is None else [("mm-bot", "local", holder.pid, "")]
        if statement is order_queries.HIGHEST_NONCE:
            mine = [nonce for owner, nonce in self.model.nonces if owner == US]
            return [(str(max(mine)) if mine else None,)]
        assert statement is RIGHTS, "the bot runs no other statement"
        table = {"there": True, "reads": True, "writes": False}
        return [(self.model.clock.now_ms(), dict.fromkeys(values["tables"], table))]

    def _try_lock(self, backend: Backend) -> bool:
        if self._holder is not None:
            return False
        self._holder, self.model.writer = backend, backend.writer
        return True

    def _observed(self, backend: Backend, values: Mapping[str, Any]) -> Answer:
        model, now_s = self.model, self.model.clock.now_ms() // 1000
        ours = [row for row in model.rows.values() if row.owner == US]
        elsewhere = rows_elsewhere(model)
        asked, nonces = set(values["order_ids"]), {int(each) for each in values["nonces"]}
        since_s = now_s - 120
        if values["signed_since"] is not None:
            since_s = min(since_s, int(values["signed_since"]))
        lately = [r for r in ours if r.expiry_ms // 1000 >= since_s]
        unexpired = [*(self._rows(lately) or ()), *elsewhere] if values["include_unexpired"] else []
        newest = sorted(model.matches, key=lambda m: -m.trade_id)
        self.shown[backend.writer] = ()
        return (
            self._rows([r for r in ours if r.live]),
            elsewhere or None,
            self._rows(self._best_of_others()),
            self._rows([r for r in model.rows.values() if r.order_id in asked]),
            [whose(model.market, r) for r in ours if r.nonce in nonces] or None,
            unexpired or None,
            self._page(backend, values["fills_after"]),
            [m.trade_id for m in newest[:TRADES_LIMIT] if m.own] or None,
            newest[0].trade_id if newest else None,
            None,
            self.proof(backend),
        )

    def _page(self, backend: Backend, after: int) -> list[Json] | None:
        self.shown[backend.writer] += ((len(self.model.matches), after),)
        every = list(fills(self.model, after))
        page = every[:FILLS_LIMIT]
        rest = every[FILLS_LIMIT:]
        return [*page, *(f for f in rest if f["trade_id"] == page[-1]["trade_id"])] or None

    def _rows(self, rows: Sequence[Row]) -> list[Json] | None:
        return [table_row(self.model.market, row) for row in rows] or None

    def _best_of_others(self) -> list[Row]:
        others, found = self.model.others(), list[Row]()
        for side in {row.side: None for row in others}:
            found += ranked((r for r in others if r.side is side), side)[:OTHERS_LIMIT]
        return found


def _asked(old: Answer, values: Mapping[str, Any], *, proof: str) -> Answer:
    """A frozen table too answers what is asked now: of what it knows no ended order that nobody
    asks for any more."""
    live, elsewhere, others, asked, nonces, unexpired, *rest, _ = old
    wanted = [each for each in asked or () if each["order_id"] in values["order_ids"]]
    lately = unexpired if values["include_unexpired"] else None
    return (live, elsewhere, others, wanted or None, nonces, lately, *rest, proof)


class Link:
    """The client's side of one session: see `mm_bot.io.postgres_link.Link`."""

    def __init__(self, database: Database, backend: Backend, mishaps: Mishaps, host: Host) -> None:
        self._database = database
        self.backend = backend
        self._mishaps = mishaps
        self._host = host
        self._cut: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        database.links.append(self)
        self._frozen: tuple[Answer, Pages] = ((), ())
        self._frozen_until_ms = 0

    @property
    def backend_pid(self) -> int:
        return self.backend.pid

    async def execute(self, sql: bytes, values: Sequence[object] = ()) -> Answer | None:
        await self._wait(self._mishaps.delay_ms())
        if values:
            self.backend.token = str(values[0])
        return (self._database.proof(self.backend),)

    async def fetch(
        self, statement: Statement, values: Mapping[str, object], *, prepare: bool
    ) -> list[Answer]:
        mishaps, observes = self._mishaps, statement is order_queries.OBSERVE
        await self._wait(mishaps.delay_ms())
        if mishaps.ends_session():
            self.broken()
            raise psycopg.errors.AdminShutdown("terminating connection")
        rows = self._database.answer(self.backend, statement, values)
        if observes:
            rows = [self._maybe_old(rows[0], values)]
        await self._wait(mishaps.delay_ms())
        if mishaps.weather.read_fails and mishaps.of("table") is not None:
            rows = await self._spoilt(rows)
        return rows

    def _maybe_old(self, row: Answer, values: Mapping[str, object]) -> Answer:
        """An old answer for a new one, for some seconds."""
        mishaps, now_ms = self._mishaps, self._database.model.clock.now_ms()
        writer = self.backend.writer
        if mishaps.freezes("table"):
            self._frozen_until_ms = now_ms + round(mishaps.random.uniform(500, 15_000))
            self._frozen = row, self._database.shown[writer]
        if mishaps.weather.freezes and now_ms < self._frozen_until_ms:
            self._database.shown[writer] = self._frozen[1]
            return _asked(self._frozen[0], values, proof=row[-1])
        return row

    async def _spoilt(self, rows: list[Answer]) -> list[Answer]:
        """Refused, cut, too late, or with a row in it that cannot be read."""
        random = self._mishaps.random
        kind = random.randrange(5)
        if kind == 0:
            raise psycopg.errors.SerializationFailure("could not serialize access")
        if kind == 1:
            self.broken()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        if kind == 2:
            await self._wait(20_000)
        spoilt = list(rows[0]) if rows else []
        filled = [i for i, column in enumerate(spoilt) if isinstance(column, list) and column]
        if kind == 3 and filled and isinstance(spoilt[filled[0]][0], dict):
            column = random.choice([i for i in filled if isinstance(spoilt[i][0], dict)])
            entry = dict(spoilt[column][-1])
            name = random.choice(sorted(entry))
            entry[name] = random.choice((None, "NaN", [], {}, "-1", 1.5))
            if name in _NUMBERS:
                spoilt[column] = [*spoilt[column][:-1], entry]
                return [tuple(spoilt)]
        raise psycopg.errors.QueryCanceled("canceling statement due to user request")

    def broken(self) -> None:
        """The connection is gone, and the server knows."""
        self._database.ended(self.backend)
        self._host.deliver(self._end)

    def shut(self) -> None:
        """The server hears of it a while later; till then the session keeps its lock."""
        if not self._cut.done():
            late_s = self._mishaps.random.choice((0.0, 0.05, 0.7))
            loop = asyncio.get_running_loop()
            ended = self._database.ended  # by the server, whether or not the process runs
            loop.call_later(late_s, ended, self.backend, context=Context())
        self._end()

    def _end(self) -> None:
        if not self._cut.done():
            self._cut.set_result(None)
        if self in self._database.links:
            self._database.links.remove(self)

    def finish(self) -> None:
        self.shut()

    async def close(self) -> None:
        self.shut()

    async def _wait(self, duration_ms: float) -> None:
        if not self._cut.done():
            await asyncio.wait((self._cut,), timeout=duration_ms / 1000)
        if self._cut.done():
            raise psycopg.OperationalError("the connection is lost")


_NUMBERS = (
    "desired_amount", "filled_amount", "limit_price", "nonce", "subaccount_id", "trade_id",
    "size", "price", "expiry", "created_ms", "sub_id", "status", "side",
)  # fmt: skip
"""What cannot be read once it is no number, or no word of its kind."""
