"""The work of `cancel-all`: collect, cancel, read again, until it is proven or time is up."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

from mm_bot.cli.cancel_books import Books, Order, State
from mm_bot.cli.probe import Status, ask_if_there, entries, same_bot
from mm_bot.cli.reach import Reach, now_ms
from mm_bot.core.commands import Verdict
from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Instrument, Kind, Margin
from mm_bot.core.ledger import LOST_REQUEST_MS
from mm_bot.core.orders import OrderId, OrderStatus, Ownership, classify
from mm_bot.core.risk import HaltReason
from mm_bot.errors import BotError, EdgeError, IdentityError, UnreachableError
from mm_bot.host.persistent import StateIdentity
from mm_bot.host.state_file import StateFile
from mm_bot.io.postgres import Statement
from mm_bot.settings import Settings
from mm_bot.venues.numo.order_table import OrderTable
from mm_bot.venues.numo.units import AssetRef, EngineSide, human_side

_ROUND_PAUSE_S: Final = 0.1
_REASON: Final = "operator_cancel_all"
_OURS: Final = Statement.of("""
    SELECT order_id, nonce::text, side, asset_address, sub_id::text, status,
           floor(expiry)::bigint AS expiry
    FROM active_orders o
    WHERE o.owner_address = %(owner)s AND o.subaccount_id = %(subaccount)s::numeric
      AND (o.status IN ('active', 'matching') OR o.order_id = ANY(%(asked)s::text[]))
""")


class CancelAll:
    """One run. `force` cancels although another process may place anew."""

    def __init__(self, settings: Settings, reach: Reach, bot_url: str, *, force: bool) -> None:
        self._settings = settings
        self._reach = reach
        self._bot_url = bot_url
        self._force = force
        self._books = Books()
        self._market: Instrument | None = None
        self._rivals = ""
        """Who may place new orders meanwhile; empty where nobody can."""
        self._file_written_ms = 0
        self._faults: dict[str, str] = {}
        """What did not answer in the last round, by name."""

    async def run(self, *, within_s: float) -> tuple[Books, list[str]]:
        """What became of each order, and every doubt that is left.

        Raises:
            IdentityError: where a bot quotes here and nobody said `--force`.
        """
        await self._find_market()
        status = await asyncio.to_thread(ask_if_there, self._bot_url)
        await self._become_writer(status)
        self._from_state_file()
        self._from_bot(status)
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + within_s
        empty_reads = 0
        while True:
            self._faults.clear()
            read_ok = await self._read_rows()
            targets = self._books.open()
            empty_reads = empty_reads + 1 if read_ok and not targets else 0
            # Two reads in a row: an order under way while the first was made shows in the second.
            if empty_reads >= 2 or loop.time() >= give_up_at:
                break
            if self._rivals and any(order.cancel for order in self._books.orders.values()):
                break  # it places anew: a fight would only leave more signatures behind
            await asyncio.gather(*(self._cancel(order) for order in targets))
            if not read_ok:
                await self._look_up_at_api()
                if all(order.state is State.GONE for order in self._books.orders.values()):
                    break
            await asyncio.sleep(_ROUND_PAUSE_S)
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
        if "Postgres" in self._faults:
            found.append("orders that neither state file nor bot names cannot be seen")
        return found or ["the order table was not read twice in time"]

    async def _find_market(self) -> None:
        """The listing where the API tells it. Cancels are signed without; only the lock and the
        side of a row need it."""
        try:
            self._market = (await self._reach.desk()).market
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
        holder = await self._lock_holder()
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

    async def _lock_holder(self) -> str | None:
        """Who else holds the lock; None where we took it or nobody can tell."""
        if self._market is None:
            return None
        try:
            self._table: OrderTable = self._reach.table(await self._reach.desk(), takes_lock=True)
            if await self._table.try_lock():
                return None
            return await self._table.lock_holder()
        except (EdgeError, UnreachableError):
            return None

    def _from_state_file(self) -> None:
        settings = self._settings
        identity = StateIdentity(
            chain_id=settings.chain_id,
            owner=settings.owner_address,
            market=settings.market_symbol,
            subaccount_id=settings.subaccount_id,
        )
        try:
            loaded = StateFile(settings.state_file, identity, read_only=True).load(now_ms())
            if loaded.existed:
                written_ns = settings.state_file.stat().st_mtime_ns
                self._file_written_ms = written_ns // 1_000_000
        except (BotError, OSError):
            return
        for order in loaded.state.live_orders:
            self._note(order.order_id, order.expiry_s, "state file")

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

    async def _read_rows(self) -> bool:
        """Bring every order up to date with one read of the table; whether it could be read."""
        config = self._reach.config
        asked = list(self._books.orders)
        values = {
            "owner": config.owner,
            "subaccount": str(config.subaccount_id),
            "asked": asked,
        }
        try:
            rows = await self._reach.session.query(_OURS, values)
        except EdgeError as error:
            self._faults["Postgres"] = error.reason
            return False
        seen = set()
        for order_id, nonce, side, asset, sub_id, status, expiry_s in rows:
            ours = order_id in asked or self._is_ours(order_id, int(nonce), side, asset, sub_id)
            if not ours:
                continue
            seen.add(order_id)
            order = self._books.note(order_id, int(nonce), int(expiry_s), "Postgres")
            live = OrderStatus(status).live and int(expiry_s) * 1000 > now_ms()
            order.state = State.LIVE if live else State.GONE
            order.proof = f"its row says {status}"
        for order in self._books.orders.values():
            if order.order_id not in seen:
                self._judge_absent(order)
        return True

    def _is_ours(self, order_id: str, nonce: int, side: str, asset: str, sub_id: str) -> bool:
        parts = OrderId.parse(order_id)
        config, market = self._reach.config, self._market
        if parts is None or parts.market != config.market_symbol:
            return False
        if market is None:
            return parts.nonce == nonce
        if AssetRef(asset=asset, sub_id=int(sub_id)) != market.venue_ref:
            return False
        human = human_side(market, EngineSide(side))
        owned = classify(order_id, human, nonce, market.symbol, config.protected_prefixes)
        return owned is Ownership.MANAGED

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
        entry = self._reach.entry(self._market or _placeholder(self._settings.market_symbol))
        outcome = await entry.cancel(order.order_id, order.nonce, _REASON)
        detail = f": {outcome.detail}" if outcome.detail else ""
        if outcome.verdict is Verdict.ACCEPTED:
            order.acknowledged = True
        elif order.acknowledged:
            return
        order.cancel = outcome.verdict.value + detail

    async def _look_up_at_api(self) -> None:
        """With Postgres down the API's own word is the next best."""
        for order in self._books.open():
            try:
                answer = await self._reach.api.get(f"/v1/orders/{order.order_id}")
                status = str(answer.json().get("status", ""))
                live = OrderStatus(status).live
            except Exception as error:  # whatever the API says that is no status proves nothing
                order.proof = f"the API does not tell ({type(error).__name__})"
                continue
            order.state = State.LIVE if live else State.GONE
            order.proof = f"the API says {status}; the order table was not read"


def _held_by_switch(status: Status) -> bool:
    reasons = {halt.get("reason") for halt in entries(status.get("halts"))}
    pausing = {HaltReason.KILL_SWITCH.value, HaltReason.OPERATOR_PAUSE.value}
    return bool(pausing & reasons)


def _placeholder(symbol: str) -> Instrument:
    """For signing cancels while the API does not list the market: they do not name it."""
    one = Decimal(1)
    return Instrument(
        symbol=symbol,
        base="",
        quote="",
        kind=Kind.SPOT,
        price_tick=Price(one),
        size_step=Size(one),
        multiplier=one,
        margin=Margin.FUNDED,
        margin_rate=Decimal(0),
        collateral="",
        expiry_ms=None,
        venue_ref=AssetRef(asset="0x" + "0" * 40, sub_id=0),
    )
