"""One Postgres session that reconnects by itself.

Kept by hand: a pool would hand the lock's session to anybody and put BEGIN and COMMIT around each
read (twice the time of a row: 0.2 ms becomes 0.4), and a session that holds a lock must be seen to
end the moment it does.

Contract:

1. Autocommit, one query at a time, every wait bounded.
2. A query that times out, fails on the connection or is cancelled severs the session; the next one
   opens a new session, after a back-off that doubles from 0.1 s up to 1 s while the server refuses.
3. Whatever goes wrong outside, a corrupt JSON value included, is an `EdgeError` of source
   `postgres` in the words of `io.errors`, with host, port and database: never a user or a password.
   While a back-off lasts it is the last real reason.
4. `generation` changes with every session that is opened or lost, so that whoever holds something
   of a session (a lock) sees that it is gone. `proof` is what `SESSION_PROOF` says in it: server
   process, primary or standby, and a token that only this session was given. An answer with another
   proof came from another session, though the connection is the same one.
5. An `exclusive` session is of the primary and ours alone; anything else is an `UnfitSessionError`.
   A pooler that lends its server sessions from one transaction to the next is found out when we
   connect: it gives its clients process ids of its own, and then a second client is put beside
   ours to see whether they meet. A pooler that keeps a session for each client passes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

import psycopg

from mm_bot.errors import EdgeError
from mm_bot.io.backoff import EVEN, Backoff, Random
from mm_bot.io.errors import FOREIGN, describe
from mm_bot.io.postgres_address import addresses, database_address
from mm_bot.io.postgres_link import Link, Opens, Row, Statement, open_link
from mm_bot.io.resolver import SYSTEM, Resolver

POSTGRES: Final = "postgres"
FIRST_PAUSE_MS: Final = 100
LONGEST_PAUSE_MS: Final = 1_000
"""Before another try to connect."""
_NAME_BYTES: Final = 63
"""Postgres cuts an application's name there."""

SESSION_PROOF: Final = """(
    pg_backend_pid()::text || CASE WHEN pg_is_in_recovery() THEN ' standby ' ELSE ' primary ' END
    || coalesce(current_setting('mm_bot.session', true), '')
)"""
"""An expression; see `Session.proof`."""
_MEETINGS: Final = 4
"""How often two clients of a pooler look whether they share sessions."""

T = TypeVar("T")


class UnfitSessionError(EdgeError):
    """The server's session is none that a lock may be believed in; the message has the remedy."""


class Session:
    """A session with one database, as `application_name`."""

    def __init__(
        self,
        database_url: str,
        application_name: str,
        timeout_ms: int,
        *,
        exclusive: bool = False,
        resolver: Resolver = SYSTEM,
        opens: Opens = open_link,
        random: Random = EVEN,
    ) -> None:
        """`opens` is how a connection is made, over the machine's network where not given."""
        self._opens = opens
        self._url = database_url
        self._exclusive = exclusive
        self._resolver = resolver
        self._where: dict[str, Any] = {}
        self._name = application_name.encode()[:_NAME_BYTES].decode(errors="ignore")
        self._timeout_s = timeout_ms / 1000
        self._connection: Link | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._pauses = Backoff(first_ms=FIRST_PAUSE_MS, longest_ms=LONGEST_PAUSE_MS, random=random)
        self._not_before = 0.0
        self.proof = ""
        self.unfit: str | None = None
        """Why no lock may be believed in the session of now; None where one may."""
        self.address: Final = database_address(database_url)
        self._refused = f"not connected to {self.address}"
        """Why the last attempt failed: told again while the next one waits for its time."""
        self.generation = 0

    async def query(
        self,
        statement: Statement,
        values: Mapping[str, object],
        timeout_s: float | None = None,
        *,
        once: bool = False,
    ) -> list[Row]:
        """The rows of one statement, read in binary; it is prepared unless it is asked but `once`,
        which saves that a round trip."""
        limit = self._timeout_s if timeout_s is None else timeout_s
        if self._turn.locked() or self._waiting:
            await self._waited_for_turn(limit)
        else:
            await self._turn.acquire()  # at once
        try:
            connection = self._connection or await self._connect()
            # A session that others use too may have their prepared statements, and lack ours.
            prepare = self.unfit is None and not once
            work = connection.fetch(statement, values, prepare=prepare)
            return await self._bounded(connection, work, limit)
        except (psycopg.Error, *FOREIGN) as error:
            if not _harmless(error):
                self._sever()
            raise self._fault(error) from None
        finally:
            self._turn.release()

    async def _waited_for_turn(self, limit_s: float) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(limit_s):
                await self._turn.acquire()
        except TimeoutError:
            raise EdgeError(POSTGRES, f"the query before is not done ({self.address})") from None
        finally:
            self._waiting -= 1

    def drop(self) -> None:
        """Give the session up; the next query opens a new one."""
        connection = self._connection
        self._sever()
        if connection is not None and not self._turn.locked():
            connection.finish()  # else the query under way ends it

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self.generation += 1
            await connection.close()

    async def _connect(self) -> Link:
        now = asyncio.get_running_loop().time()
        if now < self._not_before:
            raise EdgeError(POSTGRES, self._refused)
        self._not_before = now + self._pauses.next_ms() / 1000
        try:
            async with asyncio.timeout(self._timeout_s):
                self._where = await addresses(self._url, self._resolver)
                connection = await self._opens(self._url, self._where, self._name)
        except (psycopg.Error, *FOREIGN) as error:
            self._refused = self._fault(error).reason
            raise
        try:
            self.proof = await self._bounded(
                connection, self._prepared(connection), self._timeout_s
            )
        except BaseException:
            connection.shut()
            raise
        self._connection = connection
        self._pauses.reset()
        self._not_before = 0.0
        self.generation += 1
        return connection

    async def _prepared(self, connection: Link) -> str:
        """Set the session up, see whose it is, and give its proof."""
        token = secrets.token_hex(8)
        await connection.execute(_SETTINGS, (token,))
        proof = await _proof(connection)
        self.unfit = await self._unfitness(connection, proof, token)
        if self._exclusive and self.unfit is not None:
            self._refused = self.unfit
            await connection.close()
            raise UnfitSessionError(POSTGRES, self.unfit)
        return proof

    async def _unfitness(self, connection: Link, proof: str, token: str) -> str | None:
        process, role, *given = proof.split()
        if role == "standby":
            return (
                f"{self.address} is a standby, where no lock holds: name the primary's address in "
                "MM_DATABASE_URL"
            )
        pooled = int(process) != connection.backend_pid
        if given == [token] and not (pooled and await self._meets_others(connection, proof)):
            return None
        return (
            f"{self.address} is a pooler that shares sessions between its clients, where no lock "
            "holds: name the address of Postgres itself, or of a pool in session mode, in "
            "MM_DATABASE_URL"
        )

    async def _meets_others(self, ours: Link, proof: str) -> bool:
        """Whether a second client beside us is ever served by our session, or we by another."""
        beside = await self._opens(self._url, self._where, self._name)
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(self._timeout_s / 2, beside.shut)
        try:
            for _ in range(_MEETINGS):
                await beside.execute(b"BEGIN")
                theirs = await _proof(beside)
                met = theirs.split()[0] == proof.split()[0] or await _proof(ours) != proof
                await beside.execute(b"ROLLBACK")
                if met:
                    return True
        except psycopg.OperationalError:
            return False  # a pool with room for one client, which then is ours alone
        finally:
            alarm.cancel()
            await beside.close()
        return False

    async def _bounded(
        self,
        connection: Link,
        work: Coroutine[Any, Any, T],
        timeout_s: float,
    ) -> T:
        """Run `work`. Where it is not done in time the socket is shut, which ends it at once:
        cancelling it would first ask the server to cancel, and wait for that too."""
        task = asyncio.ensure_future(work)
        done = False
        try:
            await asyncio.wait((task,), timeout=timeout_s)
            done = task.done()
        finally:
            if not done:
                self._sever()
                connection.shut()  # while connecting it is not yet the session's
                task.add_done_callback(_forget)
        if not done:
            raise TimeoutError
        return task.result()

    def _sever(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self.generation += 1
            connection.shut()

    def _fault(self, error: Exception) -> EdgeError:
        return EdgeError(POSTGRES, f"{describe(error)} ({self.address})")


async def _proof(connection: Link) -> str:
    # Never prepared: poolers that share sessions may not know the statement in the next one.
    row = await connection.execute(f"SELECT {SESSION_PROOF}".encode())
    return str(row[0]) if row else ""


def _harmless(error: Exception) -> bool:
    """A statement that the server refused, or cancelled, leaves the session and its lock as they
    were."""
    code = error.sqlstate if isinstance(error, psycopg.Error) else None
    return code is not None and (code == _QUERY_CANCELED or code[:2] not in ("08", "57"))


_QUERY_CANCELED: Final = "57014"


def _forget(task: asyncio.Future[Any]) -> None:
    """Take the error of a query that was given up, so that nobody reports it as unseen."""
    if not task.cancelled():
        task.exception()


_SETTINGS: Final = b"""
    SELECT set_config('jit', 'off', false),  -- compiling the plan would cost more than running it
           -- Every part of our statements has an index and few rows; a plan that was made while a
           -- table was small, or with stale statistics, must not read a large one from end to end.
           set_config('enable_seqscan', 'off', false),
           set_config('enable_hashjoin', 'off', false),
           set_config('enable_mergejoin', 'off', false),
           set_config('enable_sort', 'off', false),  -- a few of many come from an index in order
           set_config('max_parallel_workers_per_gather', '0', false),
           set_config('plan_cache_mode', 'force_generic_plan', false),
           set_config('tcp_keepalives_idle', '5', false),  -- a lock dies soon after its holder
           set_config('tcp_keepalives_interval', '2', false),
           set_config('tcp_keepalives_count', '3', false),
           set_config('mm_bot.session', %s, false)  -- whose it is; see `Session.proof`
"""
