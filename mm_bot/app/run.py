"""One bot, from its settings to its summary: its parts in the order in which they come up."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

from mm_bot import errors, strategies
from mm_bot.app.about import about, build_info, is_silent
from mm_bot.app.anchors import source_names, started_anchors, witnesses_from
from mm_bot.app.mode_control import ModeControl
from mm_bot.app.pages import bot_metrics, serve, tell_manager
from mm_bot.app.state import first_state, journaled, nonces_of, state_file_of
from mm_bot.app.strategy import strategy_of
from mm_bot.app.venue import venue_of
from mm_bot.bot import Bot
from mm_bot.clock import SteadyClock
from mm_bot.core.instrument import Instrument
from mm_bot.core.policy import Policy
from mm_bot.edges import Edges
from mm_bot.errors import EdgeError
from mm_bot.host.accepted_file import AcceptedFile
from mm_bot.host.ending import STOP_WITHIN_S, Ending
from mm_bot.host.kill_switch import KillSwitch
from mm_bot.host.notify import Notify
from mm_bot.host.persistence import MemoryStore, first_memory
from mm_bot.host.shutdown import Shutdown
from mm_bot.host.state_file import StateFile
from mm_bot.observe.declared_fit import declared_faults
from mm_bot.observe.health import Health
from mm_bot.observe.health_status import evidence_of
from mm_bot.observe.log import Log
from mm_bot.observe.telemetry import Telemetry
from mm_bot.observe.totals import Totals
from mm_bot.settings import Settings
from mm_bot.settings.market_fit import market_faults
from mm_bot.venues.base import LiveVenue, TellsBlocks

CANCEL_ALL_WITHIN_MS = 10_000
CYCLE_OVERDUE_LEAST_MS = 10_000
LIFE_MARGIN_MS = 60_000
"""Above the least life that an exchange takes: clocks differ, and requests take their time."""


async def run(settings: Settings, log: Log, ending: Ending, notify: Notify) -> None:
    """One bot, from its first connection to its summary; a service manager hears by `notify`.

    Raises:
        BotError: each kind with its own exit code.
    """
    async with AsyncExitStack() as cleanup:
        await _Process(settings, log, cleanup, ending, notify).run()


class _Process:
    """The parts of one running bot, in the order in which they come up."""

    def __init__(
        self, settings: Settings, log: Log, cleanup: AsyncExitStack, ending: Ending, notify: Notify
    ) -> None:
        self._mode = ModeControl(settings, log)
        self._settings = settings.model_copy(update={"mode": self._mode.start})
        self._log = log
        self._notify = notify
        self._cleanup = cleanup
        self._clock = SteadyClock()
        self._ending = ending
        self._shutdown = Shutdown(self._stop_in_time)
        cleanup.callback(self._shutdown.listen())
        self._totals = Totals(self._clock.monotonic_ms())
        self._metrics = bot_metrics(build_info(self._settings), source_names(self._settings))
        self._telemetry = Telemetry(
            metrics=self._metrics, log=log, totals=self._totals, clock=self._clock
        )
        self._health = Health(
            self._telemetry,
            self._totals,
            self._clock,
            cycle_overdue_ms=max(CYCLE_OVERDUE_LEAST_MS, 3 * settings.poll_interval_ms),
            missing_quote_timeout_ms=settings.readiness_missing_quote_timeout_ms,
            about=about(self._settings),
            control=self._mode.describe,
        )
        self._metrics.ready = lambda: not self._health.reasons()
        self._metrics.dropped_lines = lambda: log.dropped

    async def run(self) -> None:
        settings, log, health = self._settings, self._log, self._health
        state_file = state_file_of(settings)
        await serve(settings, health, self._telemetry, self._metrics, log, self._cleanup)
        tell_manager(self._notify, health, self._clock, log, self._cleanup)
        for warning in settings.warnings:
            log.warning("settings", note=warning)
        exchange = venue_of(settings, self._clock)
        self._cleanup.push_async_callback(exchange.aclose)
        highest_nonce = await self._opened(exchange)
        if highest_nonce is None:
            return
        bot, store = await self._built(exchange, state_file, highest_nonce)
        health.waiting = "first cycle"
        soak = asyncio.create_task(self._soak())
        hearing = asyncio.create_task(self._hear(exchange, bot))
        try:
            with self._mode.following(bot):
                await bot.run(self._shutdown.requested)
            if settings.cancel_on_shutdown and not is_silent(settings):
                await self._cancel_all(bot)
        finally:
            soak.cancel()
            hearing.cancel()
            log.info("summary", **self._totals.summary(self._clock.monotonic_ms()))
            store.close()
            unsaved = await self._flushed(state_file)
        if unsaved is not None:
            raise unsaved

    async def _built(
        self, exchange: LiveVenue, state_file: StateFile, highest_nonce: int
    ) -> tuple[Bot, MemoryStore]:
        """The bot on an exchange that was opened, and what its memory is written by."""
        settings, log, clock, cleanup = self._settings, self._log, self._clock, self._cleanup
        market = exchange.instrument
        known = await first_state(settings, state_file, log, self._metrics, clock, cleanup)
        memory = first_memory(known, clock.now_ms())
        operator = AcceptedFile(settings.state_file).read
        witnesses = witnesses_from(settings.anchor, operator, memory.accepted)
        policy = self._policy(market)
        nonces = nonces_of(settings, state_file, market, clock)

        async def reserve() -> None:
            try:
                await nonces.open(clock.now_ms(), highest_nonce)
            except EdgeError as error:
                raise state_file.unwritable(error) from None

        # The disk and the anchors are waited for at once.
        (anchor, external), _ = await asyncio.gather(
            started_anchors(
                settings, exchange, clock, cleanup, witnesses, self._telemetry.hears_prices
            ),
            reserve(),
        )
        self._telemetry.begin(market, external, anchor)
        cleanup.push_async_callback(nonces.close)
        store = MemoryStore(state_file, memory)
        strategy = strategy_of(policy)
        declared = strategies.declared(strategy)
        own = policy.strategy not in strategies.BUILT_IN
        faults = list(declared_faults(declared)) if own else []
        if faults:
            raise errors.SettingsError(faults)
        self._metrics.declare(declared)
        edges = Edges(
            venue=exchange,
            anchor=anchor,
            external=external,
            kill_switch=KillSwitch(settings.kill_switch_file),
            nonces=nonces,
            store=store,
            telemetry=journaled(settings, self._telemetry, market, log, cleanup),
            clock=clock,
            hear_local=witnesses.hear_local,
        )
        bot = Bot(edges, policy, memory, strategy, poll_interval_ms=settings.poll_interval_ms)
        for runner in (anchor, external):
            if runner is not None:
                runner.on_update = bot.wake
        return bot, store

    def _stop_in_time(self) -> None:
        """A signal came. From here on the process ends in time, whatever hangs."""
        cancels = self._settings.cancel_on_shutdown and not is_silent(self._settings)
        if cancels:
            self._ending.code = errors.NotProvenError.exit_code  # until it is proven
        more_s = CANCEL_ALL_WITHIN_MS / 1000 if cancels else 0.0
        self._ending.within(STOP_WITHIN_S + more_s)

    async def _flushed(self, state_file: StateFile) -> errors.SettingsError | None:
        """Why the state file could not be written; None where it is."""
        try:
            await state_file.flush()
        except EdgeError as error:
            return state_file.unwritable(error)
        return None

    def _policy(self, instrument: Instrument) -> Policy:
        """The operator's, but that no order lives shorter than the exchange takes it."""
        policy = self._settings.policy(instrument)
        faults = list(market_faults(policy, instrument))
        if faults:
            raise errors.SettingsError(faults)
        least_ms = instrument.capabilities.least_order_life_ms
        life_ms = least_ms + LIFE_MARGIN_MS
        if not least_ms or policy.reconcile.order_life_ms >= life_ms:
            return policy
        note = f"orders live {life_ms // 1000} s: this exchange takes none that live shorter"
        self._log.warning("settings", note=note)
        return replace(policy, reconcile=replace(policy.reconcile, order_life_ms=life_ms))

    async def _opened(self, exchange: LiveVenue) -> int | None:
        """The highest nonce used so far; None where a signal came before the exchange was ready."""

        def waiting(holder: str) -> None:
            if self._health.waiting == "starting":
                self._log.info("lock.waiting", holder=holder)
            self._health.waiting = f"waiting for the one-writer lock, held by {holder}"

        opening = asyncio.create_task(exchange.open(waiting))
        stopped = asyncio.create_task(self._shutdown.requested.wait())
        await asyncio.wait({opening, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not opening.done():
            opening.cancel()
            await asyncio.wait({opening})
            return None
        highest_nonce = await opening
        market, settings = exchange.instrument, self._settings
        self._log.info(
            "start",
            market=market.symbol,
            kind=market.kind.value,
            chain_id=settings.chain_id,
            owner=settings.owner_address,
            subaccount_id=settings.subaccount_id,
            mode=settings.mode.value,
            dry_run=settings.dry_run,
            price_tick=market.price_tick,
        )
        return highest_nonce

    async def _hear(self, exchange: LiveVenue, bot: Bot) -> None:
        """From the first cycle on: to load and connect it would hold up the first quote. What
        came in between is seen by the look that each new connection starts."""
        await bot.looked.wait()
        async with asyncio.TaskGroup() as hearing:
            hearing.create_task(exchange.events(bot.wake, self._telemetry.hears))
            if isinstance(exchange, TellsBlocks):
                exchange.on_block(bot.wake)
                hearing.create_task(exchange.blocks(self._telemetry.hears_blocks))

    async def _soak(self) -> None:
        interval_ms = self._settings.soak_log_interval_ms
        while interval_ms is not None:
            await self._clock.sleep_ms(interval_ms)
            self._telemetry.soak()

    async def _cancel_all(self, bot: Bot) -> None:
        seen = await bot.cancel_all(CANCEL_ALL_WITHIN_MS)
        evidence = {} if seen is None else evidence_of(seen)
        if seen is not None and seen.proven:
            self._log.info("cancelled_all", proven=True, **evidence)
            self._ending.code = 0
            return
        self._log.error("cancelled_all", proven=False, **evidence)
        says = [
            f"{self._settings.market_symbol}: within {CANCEL_ALL_WITHIN_MS // 1000} s no read of "
            "the order table showed that none of our orders is live; look at active_orders"
        ]
        if seen is not None and seen.may_be_live:
            says.append(f"{len(seen.may_be_live)} may be live: {', '.join(seen.may_be_live)}")
        if seen is not None and seen.executable_until_ms is not None and self._settings.chain_id:
            says.append(errors.executable_until(seen.executable_until_ms))
        raise errors.NotProvenError("; ".join(says))
