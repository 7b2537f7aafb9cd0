"""The work of `cancel-all`: collect, cancel, read again, until it is proven or time is up."""

from __future__ import annotations

import asyncio
from typing import Final

from mm_bot.app.state import read_only_state_file
from mm_bot.cli.cancel_books import Books, Order, State
from mm_bot.cli.probe import Status, ask_if_there, entries, same_bot
from mm_bot.cli.reach import now_ms
from mm_bot.core.commands import Verdict, Watch
from mm_bot.core.ledger import LOST_REQUEST_MS
from mm_bot.core.orders import OrderId
from mm_bot.core.risk import HaltReason
from mm_bot.errors import BotError, IdentityError, UnreachableError
from mm_bot.host.saved import signatures
from mm_bot.settings import Settings
from mm_bot.venues.base import LiveVenue

_ROUND_PAUSE_S: Final = 0.1
_REASON: Final = "operator_cancel_all"


class CancelAll:
    """One run. `force` cancels although another process may place anew."""

    def __init__(self, settings: Settings, venue: LiveVenue, bot_url: str, *, force: bool) -> None:
        self._settings = settings
        self._venue = venue
        self._bot_url = bot_url
        self._force = force
        self._books = Books()
        self._connected = False
        self._rivals = ""
        """Who may place new orders meanwhile; empty where nobody can."""
        self._file_written_ms = 0
        self._unread = False
        """Whether the last look at the orders failed."""
        self._faults: dict[str, str] = {}
        """What did not answer in the last round, by name."""

    async def run(self, *, within_s: float) -> tuple[Books, list[str]]:
        """What became of each order, and every doubt that is left.

        Raises:
            IdentityError: where a bot quotes here and nobody said `--force`.
        """
        await self._connect()
        status = await asyncio.to_thread(ask_if_there, self._bot_url)
        await self._become_writer(status)
        self._from_state_file()
        self._from_bot(status)
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + within_s
        empty_reads = 0
        while True:
            self._faults.clear()
            read_ok = await self._look()
            targets = self._books.open()
            empty_reads = empty_reads + 1 if read_ok and not targets else 0
            # Two reads in a row: an order under way while the first was made shows in the second.
            if empty_reads >= 2 or loop.time() >= give_up_at:
                break
            if self._rivals and any(order.cancel for order in self._books.orders.values()):
                break  # it places anew: a fight would only leave more signatures behind
            await asyncio.gather(*(self._cancel(order) for order in targets))
            if not read_ok and not self._books.open():
                break
            await asyncio.sleep(_ROUND_PAUSE_S)
        await self._signatures()
        if empty_reads >= 2:
            self._books.proof = "two reads of the order table in a row show no live order of ours"
        return self._books, self._doubts(proven=empty_reads >= 2)

    def _doubts(self, *, proven: bool) -> list[str]:
        found = [f"{name}: {why}" for name, why in sorted(self._faults.items())]
        if self._rivals:
            found.append(f"{self._rivals} goes on placing orders")
        elif proven:
            return []  # an API that is down did no harm where the table shows that nothing lives
        alive = [each.order_id for each in self._books.open()]
        if alive:
            found.append(f"{len(alive)} may be live: {', '.join(sorted(alive))}")
        if self._unread:
            found.append("orders that neither state file nor bot names cannot be seen")
        return found or ["the order table was not read twice in time"]

    async def _connect(self) -> None:
        """Learn the instrument where it is told: only the lock and the side of a row need it."""
        try:
            await self._venue.connect()
            self._connected = True
        except UnreachableError as error:
            self._faults["API"] = str(error)

    async def _become_writer(self, status: Status | None) -> None:
        settings = self._settings
        ours = status is not None and same_bot(
            status,
            chain_id=settings.chain_id,
            market=settings.market_symbol,
            subaccount_id=settings.subaccount_id,
        )
        holder = await self._venue.claim() if self._connected else None
        if holder is None and not ours:
            return
        halted = ours and status is not None and _held_by_switch(status)
        if holder is None and status is not None and not status.get("takes_lock"):
            return  # a dry run: it places nothing
        if halted:
            return
        who = holder or f"the bot at {self._bot_url}"
        if not self._force:
            raise IdentityError(
                f"a bot is the writer of {settings.market_symbol}, subaccount "
                f"{settings.subaccount_id}, and would place anew: {who}; pause it first with "
                "`mm-bot pause`, stop it, or say --force"
            )
        self._rivals = who

    def _from_state_file(self) -> None:
        settings = self._settings
        try:
            loaded = read_only_state_file(settings).load(now_ms())
            if loaded.existed:
                written_ns = settings.state_file.stat().st_mtime_ns
                self._file_written_ms = written_ns // 1_000_000
        except (BotError, OSError):
            return
        for order in loaded.state.live_orders:
            self._note(order.order_id, order.expiry_s, "state file")
        for signature in signatures(loaded.state).values():
            self._signed(signature.expiry_ms // 1000)

    def _from_bot(self, status: Status | None) -> None:
        if status is None:
            return
        for name in ("live", "unknown"):
            for each in entries(status.get(name)):
                left_ms = each.get("expires_in_ms")
                expiry_s = (now_ms() + left_ms) // 1000 if isinstance(left_ms, int) else None
                self._note(str(each.get("order_id")), expiry_s, "bot")

    def _note(self, order_id: str, expiry_s: int | None, known_from: str) -> None:
        parts = OrderId.parse(order_id)
        if parts is not None and parts.market == self._settings.market_symbol:
            self._books.note(order_id, parts.nonce, expiry_s, known_from)
            self._signed(expiry_s or 0)

    async def _look(self) -> bool:
        """Bring every order up to date; whether the order table could be read."""
        found = await self._venue.find(tuple(self._books.orders))
        self._books.rows_seen = 0 if found.fault else len(found.orders)
        self._books.block = found.block
        for each in found.orders:
            self._signed(each.expiry_s or 0)
            order = self._books.note(each.order_id, each.nonce, each.expiry_s, found.witness)
            if found.fault:
                order.known_from.discard(found.witness)
            if each.live is not None:
                order.state = State.LIVE if each.live else State.GONE
            order.proof = each.proof
        self._unread = bool(found.fault)
        if self._unread:
            self._faults[found.witness] = found.fault
            return False
        seen = {each.order_id for each in found.orders}
        for order in self._books.orders.values():
            if order.order_id not in seen:
                self._judge_absent(order)
        return True

    def _signed(self, expiry_s: int) -> None:
        self._books.signed_until_s = max(self._books.signed_until_s, expiry_s)

    async def _signatures(self) -> None:
        """Also those of orders that were over before: nothing but their expiry ends them."""
        if not self._connected or self._unread:
            return
        every = Watch(order_ids=(), nonces=(), fills_after=None, include_unexpired=True)
        try:
            read = await self._venue.own_orders(every)
        except BotError:
            return
        for row in read.rows:
            if row.size:
                self._signed(row.expiry_ms // 1000)

    def _judge_absent(self, order: Order) -> None:
        """No row: it never arrived, unless its request is still on the way. Whoever sent it wrote
        the state file then; while a bot runs, it alone can tell."""
        at_ms = now_ms()
        order.state, order.proof = State.ABSENT, "the order table has no row of it (yet)"
        expired = order.expiry_s is not None and order.expiry_s * 1000 < at_ms - LOST_REQUEST_MS
        quiet = "bot" not in order.known_from and at_ms - self._file_written_ms > LOST_REQUEST_MS
        if expired or (quiet and not self._rivals):
            order.state = State.GONE
            order.proof = "it expired" if expired else "never arrived: no row, no sender"

    async def _cancel(self, order: Order) -> None:
        outcome = await self._venue.cancel(order.order_id, order.nonce, _REASON)
        detail = f": {outcome.detail}" if outcome.detail else ""
        if outcome.verdict is Verdict.ACCEPTED:
            order.acknowledged = True
        elif order.acknowledged:
            return
        order.cancel = outcome.verdict.value + detail


def _held_by_switch(status: Status) -> bool:
    reasons = {halt.get("reason") for halt in entries(status.get("halts"))}
    pausing = {HaltReason.KILL_SWITCH.value, HaltReason.OPERATOR_PAUSE.value}
    return bool(pausing & reasons)
