"""Our rows and fills in Postgres, and the lock that makes us the one writer.

One statement a cycle, so that rows, fills and the best orders of others are of one snapshot. Live
means `active` or `matching`: the matcher holds orders for a moment several times a second, and an
order in `matching` is neither gone nor filled.

The lock is a session-level advisory lock on (owner, subaccount, market). It lives and dies with
the session that the rows are read through. Each read brings the session's own proof along (see
`Session.proof`): a read that succeeded in the session that took the lock, which is of the primary
and ours alone, proves that it is still held. Where our own session held it before we asked for it,
somebody shares that session, and it is nobody's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from mm_bot.core.commands import Watch
from mm_bot.core.snapshot import OwnOrders
from mm_bot.errors import EdgeError
from mm_bot.io.postgres import POSTGRES, Session
from mm_bot.io.shapes import Latest, Reader
from mm_bot.venues.numo import order_queries, units
from mm_bot.venues.numo.order_rows import (
    FILLS_COLUMN,
    KnownRows,
    OwnAccount,
    last_of_full_page,
    own_orders,
)

START_TIMEOUT_S: Final = 10.0
"""For the read of everything unexpired, which no index serves; it happens once."""
NOBODY: Final = "nobody any more"
"""The holder of a lock that nobody holds."""
_NO_FILLS: Final = 2**62
"""A cursor past every trade id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRead:
    """What one read of the table gave, and whether we were the one writer when it did."""

    orders: OwnOrders
    lock_held: bool


class OrderTable:
    """Reads for one account through one session. `takes_lock` is False where nothing is sent: in
    dry runs, and in commands until they claim to be the writer."""

    def __init__(self, session: Session, account: OwnAccount, *, takes_lock: bool) -> None:
        self._session = session
        self._account = account
        self.takes_lock = takes_lock
        self._lock_key = lock_key(account)
        self._lock_generation: int | None = None
        self._known = KnownRows()
        self._latest: Latest[OwnOrders] = Latest()
        here = units.ref(account.market)
        there = [units.ref(market) for market in (account.market, *account.others)]
        self._values: Final = {
            "owner": account.owner,
            "subaccount": str(account.subaccount_id),
            "asset": here.asset,
            "sub_id": str(here.sub_id),
            "assets": [each.asset for each in there],
            "sub_ids": [str(each.sub_id) for each in there],
        }

    async def read(self, watch: Watch, signed_since_s: int | None = None) -> TableRead:
        """Our orders, what we asked about, and our new fills; the lock is tried where it is not
        held. Everything unexpired is what expires from `signed_since_s` on."""
        after = watch.fills_after
        values = {
            **self._values,
            "order_ids": list(watch.order_ids),
            "nonces": [str(nonce) for nonce in watch.nonces],
            "fills_after": _NO_FILLS if after is None else after,
            "include_unexpired": watch.include_unexpired,
            "signed_since": None if signed_since_s is None else str(signed_since_s),
        }
        timeout_s = START_TIMEOUT_S if watch.include_unexpired else None
        held = await self.try_lock()
        generation = self._session.generation
        rows = await self._session.query(order_queries.OBSERVE, values, timeout_s)
        pages, last = [], last_of_full_page(rows[0][FILLS_COLUMN])
        while last is not None:  # to the end, however many were committed at once
            values["fills_after"] = last
            page = await self._session.query(order_queries.MORE_FILLS, values, timeout_s)
            pages.append(page[0][0])
            last = last_of_full_page(page[0][0])
        # The session may have been replaced in between: then the lock went with the old one.
        held = held and (not self.takes_lock or self._same_session(rows[0][-1], generation))
        orders = self._latest.made(
            (rows[0], pages, watch.order_ids),
            lambda: own_orders(rows[0], self._account, watch, pages, self._known),
        )
        return TableRead(orders=orders, lock_held=held)

    async def try_lock(self) -> bool:
        """Whether we are the one writer now; asks the server only where we were not before."""
        if not self.takes_lock or self.lock_held:
            return True
        try:
            rows = await self._session.query(order_queries.TRY_LOCK, {"key": self._lock_key})
        except EdgeError:
            # It may have been taken before the answer failed, and goes with its session alone.
            self._session.drop()
            raise
        # Read after the query, which may have opened a new session.
        generation = self._session.generation
        taken = rows[0][0] is True and self._same_session(rows[0][-1], generation)
        self._lock_generation = generation if taken else None
        return self.lock_held

    async def still_locked(self) -> bool:
        """Whether we are the one writer, by the server's word of now."""
        if not self.takes_lock:
            return True
        if not self.lock_held:
            return False
        generation = self._session.generation
        rows = await self._session.query(order_queries.STILL_LOCKED, {"key": self._lock_key})
        return rows[0][0] is True and self._same_session(rows[0][-1], generation)

    def _same_session(self, proof: object, generation: int) -> bool:
        """Whether an answer is of the session that holds the lock. Another one, though the
        connection is the same, means that sessions are shared: then the lock is given up."""
        if generation != self._session.generation:
            return False
        if proof != self._session.proof:
            self._session.drop()
            return False
        return True

    @property
    def lock_held(self) -> bool:
        """Whether the lock was taken in the session of now."""
        return self._lock_generation == self._session.generation

    async def lock_holder(self) -> str:
        """Who holds the lock, for people."""
        rows = await self._session.query(order_queries.LOCK_HOLDER, {"key": self._lock_key})
        if not rows:
            return NOBODY
        name, address, pid, since = rows[0]
        shown = name or "a session of another database role"
        return f"{shown!r} from {address}, database session {pid}, since {since or 'unknown'}"

    async def highest_nonce(self) -> int | None:
        """The highest nonce this owner ever used, over all subaccounts and markets."""
        rows = await self._session.query(
            order_queries.HIGHEST_NONCE, {"owner": self._account.owner}, once=True
        )
        text = rows[0][0]
        if text is None:
            return None
        return Reader(POSTGRES).whole(text, "the highest nonce")


def lock_key(account: OwnAccount) -> int:
    """The signed 64-bit key of the lock of a account."""
    here = units.ref(account.market)
    name = f"mm-bot:{account.owner}:{account.subaccount_id}:{here.asset}:{here.sub_id}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
