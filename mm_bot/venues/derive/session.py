"""What makes a new socket ours: the clock, the login, the dead man's switch, the channels.

One that places nothing never logs in: the end of a logged-in socket may cancel what a bot rests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from mm_bot.clock import Clock as OurClock
from mm_bot.errors import EdgeError
from mm_bot.venues.derive.api import DERIVE, DeriveApi, RefusedError, pace
from mm_bot.venues.derive.codes import SUBACCOUNT_MISMATCH
from mm_bot.venues.derive.config import DeriveConfig
from mm_bot.venues.derive.their_clock import TheirClock

SETTLEMENT_FAILED: Final = tuple(
    f".{stage}Error" for stage in ("Batching", "Executing", "Proving", "Settling")
)
"""Ends of the channels that tell of own trades that did not settle, hours later too."""
Ask = Callable[[str, Mapping[str, object]], Awaitable[Any]]


@dataclass(slots=True, kw_only=True)
class Session:
    """What the last one found."""

    api: DeriveApi
    config: DeriveConfig
    our_clock: OurClock
    clock: TheirClock
    dead_man: bool = False
    """Cancel-on-disconnect is on, as the account itself says."""
    requests_per_minute: int | None = None
    """To the matching engine, as the account says; None where it does not."""
    clock_asked_ms: float = 0.0

    async def begin(self) -> None:
        """In a new socket; raises EdgeError where anything of it is refused."""
        self.dead_man = False
        call, config = self.api.over_socket, self.config
        await self.ask_clock(call)
        if not config.only_reads:
            self._is_ours(await call("public/login", self.api.login()))
            self.api.logged_in = True
            await call("private/set_cancel_on_disconnect", {"enabled": True})
        account = await self.api.read("private/get_account", {"wallet": config.owner})
        told = account if isinstance(account, dict) else {}
        if config.only_reads:
            self._is_ours(told.get("subaccount_ids"))
        self.dead_man = told.get("cancel_on_disconnect") is True
        self._keep_to(told.get("websocket_matching_tps"))
        channels = [
            f"orderbook.{config.market_symbol}.1.20",
            f"trades.{config.market_symbol}",
            f"ticker_slim.{config.market_symbol}.1000",
        ]
        if self.api.logged_in:
            channels += [f"{config.subaccount_id}.orders", f"{config.subaccount_id}.trades"]
        answer = await call("subscribe", {"channels": channels})
        status = answer.get("status") if isinstance(answer, dict) else None
        told = status if isinstance(status, dict) else {}
        refused = [f"{c}: {told.get(c)}" for c in channels if told.get(c) != "ok"]
        if refused:
            raise EdgeError(DERIVE, f"channels refused: {'; '.join(refused)}")
        if not self.api.logged_in:
            return
        stages = [f"{config.subaccount_id}.trades{end}" for end in SETTLEMENT_FAILED]
        with suppress(RefusedError):  # whether stages that failed have channels is not documented
            await call("subscribe", {"channels": stages})

    async def ask_clock(self, ask: Ask) -> None:
        """Where it stands beside ours; raises EdgeError."""
        self.clock_asked_ms = self.our_clock.monotonic_ms()
        began_ms = self.our_clock.now_ms()
        said = await ask("public/get_time", {})
        if not isinstance(said, int):
            raise EdgeError(DERIVE, "public/get_time: the result is no number")
        self.clock.heard(said, began_ms, self.our_clock.now_ms())

    @property
    def armed(self) -> bool:
        """Whether the end of this socket cancels what we rest: nothing is placed without it."""
        return self.api.logged_in and self.dead_man

    def _is_ours(self, subaccounts: object) -> None:
        ours = self.config.subaccount_id
        if not isinstance(subaccounts, list) or ours not in subaccounts:
            text = f"subaccount {ours} is none of this wallet's: {subaccounts}"
            raise RefusedError(SUBACCOUNT_MISMATCH, text[:200])

    def _keep_to(self, a_second: object) -> None:
        """The exchange's own limit, where it is narrower than what we were given."""
        if not isinstance(a_second, int) or isinstance(a_second, bool) or a_second < 1:
            return
        self.requests_per_minute = 60 * a_second
        self.api.matching.keep_to(*pace(min(self.config.requests_per_minute, 60 * a_second)))
