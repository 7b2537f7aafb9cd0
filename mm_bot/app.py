"""The only file that builds concrete edges and hands them to the bot."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

from mm_bot import errors, strategies
from mm_bot.bot import Bot, Edges
from mm_bot.clock import SteadyClock
from mm_bot.core.instrument import Instrument
from mm_bot.core.policy import Policy
from mm_bot.errors import EdgeError
from mm_bot.host.accepted_file import AcceptedFile
from mm_bot.host.clock_nonces import ClockNonces
from mm_bot.host.ending import STOP_WITHIN_S, Ending
from mm_bot.host.kill_switch import KillSwitch
from mm_bot.host.nonces import NonceBlocks, lane_of
from mm_bot.host.notify import Notify, Pulse, report
from mm_bot.host.persistence import MemoryStore, first_memory, usable
from mm_bot.host.persistent import PersistentState, StateIdentity
from mm_bot.host.shutdown import Shutdown
from mm_bot.host.state_file import Loaded, StateFile
from mm_bot.mode_control import ModeControl
from mm_bot.observe.about import about, build_info, is_silent
from mm_bot.observe.declared_fit import declared_faults
from mm_bot.observe.health import Health
from mm_bot.observe.health_status import evidence_of
from mm_bot.observe.http_server import HttpServer
from mm_bot.observe.log import Log
from mm_bot.observe.metrics import BuildInfo, Metrics
from mm_bot.observe.page import page
from mm_bot.observe.pages import RATE, Pages
from mm_bot.observe.telemetry import Telemetry
from mm_bot.observe.totals import Totals
from mm_bot.ports import Telemetry as TelemetryPort
from mm_bot.prices.runner import AnchorRunner
from mm_bot.prices.source import RejectReason
from mm_bot.prices.witness import Witnesses
from mm_bot.prices_from_settings import build_anchors, source_names, witnesses_from
from mm_bot.settings import Settings
from mm_bot.settings.market_fit import market_faults
from mm_bot.venues.base import LiveVenue

FIRST_ANCHOR_WITHIN_MS = 1_000
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
        self._hears_from = ""

    async def run(self) -> None:
        settings, log, clock = self._settings, self._log, self._clock
        self._cleanup.callback(self._shutdown.listen())
        state_file = self._state_file()
        totals = Totals(clock.monotonic_ms())
        metrics = bot_metrics(build_info(settings), source_names(settings))
        telemetry = Telemetry(metrics=metrics, log=log, totals=totals, clock=clock)
        health = Health(
            telemetry,
            totals,
            clock,
            cycle_overdue_ms=max(CYCLE_OVERDUE_LEAST_MS, 3 * settings.poll_interval_ms),
            missing_quote_timeout_ms=settings.readiness_missing_quote_timeout_ms,
            about=about(settings),
            control=self._mode.describe,
        )
        metrics.ready = lambda: not health.reasons()
        metrics.dropped_lines = lambda: log.dropped
        await self._serve(health, telemetry, metrics)
        self._tell_manager(health)
        for warning in settings.warnings:
            log.warning("settings", note=warning)
        exchange = settings.venue_of(clock)
        self._cleanup.push_async_callback(exchange.aclose)
        highest_nonce = await self._opened(exchange, health)
        if highest_nonce is None:
            return
        loaded = state_file.load(clock.now_ms())
        if loaded.set_aside:
            log.warning("state_file", note=loaded.set_aside)
        known = await self._mirrored(state_file, loaded, metrics)
        memory = first_memory(known, clock.now_ms())
        operator = AcceptedFile(settings.state_file).read
        witnesses = witnesses_from(settings.anchor, operator, memory.accepted)
        anchor, external = await self._anchors(exchange, witnesses)
        policy = self._policy(exchange.instrument)
        telemetry.begin(exchange.instrument, external, anchor)
        nonces = self._nonces(state_file, exchange.instrument)
        try:
            await nonces.open(clock.now_ms(), highest_nonce)
        except EdgeError as error:
            raise state_file.unwritable(error) from None
        self._cleanup.push_async_callback(nonces.close)
        store = MemoryStore(state_file, memory)
        strategy = strategies.build(policy)
        declared = strategies.declared(strategy)
        faults = list(declared_faults(declared))
        if faults:
            raise errors.SettingsError(faults)
        metrics.declare(declared)
        bot = Bot(
            Edges(
                venue=exchange,
                anchor=anchor,
                external=external,
                kill_switch=KillSwitch(settings.kill_switch_file),
                nonces=nonces,
                store=store,
                telemetry=self._journaled(telemetry, exchange.instrument),
                clock=clock,
                hear_local=witnesses.hear_local,
            ),
            policy,
            memory,
            strategy,
            poll_interval_ms=settings.poll_interval_ms,
        )
        health.waiting = "first cycle"
        soak = asyncio.create_task(self._soak(telemetry))
        hearing = asyncio.create_task(exchange.events(bot.wake, self._note_events))
        for runner in (anchor, external):
            if runner is not None:
                runner.on_update = bot.wake
        try:
            with self._mode.following(bot):
                await bot.run(self._shutdown.requested)
            if settings.cancel_on_shutdown and not is_silent(settings):
                await self._cancel_all(bot)
        finally:
            soak.cancel()
            hearing.cancel()
            log.info("summary", **totals.summary(clock.monotonic_ms()))
            store.close()
            unsaved = await self._flushed(state_file)
        if unsaved is not None:
            raise unsaved

    async def _mirrored(
        self, state_file: StateFile, loaded: Loaded, metrics: Metrics
    ) -> PersistentState:
        """What a start begins with; where a mirror is wanted it follows the state file from here
        on, and without a file what holds by it holds."""
        settings = self._settings
        if settings.redis_url is None:
            return loaded.state
        from mm_bot.host.mirror import Mirror

        mirror = Mirror(
            settings.redis_url, settings.redis_key_prefix, state_file.identity, self._log.warning
        )
        self._cleanup.push_async_callback(mirror.aclose)
        metrics.mirror = lambda: (mirror.problem is None, mirror.failures)
        state_file.written = mirror.offer
        if loaded.existed:
            return loaded.state
        held = await mirror.held()
        if held:
            self._log.warning("mirror.holds", steps=sorted(held))
        return replace(loaded.state, strategy={**loaded.state.strategy, **held})

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

    def _note_events(self, source: str, why: str) -> None:
        """What wakes the loop beside its poll, each time that this changes."""
        if source != self._hears_from:
            self._hears_from = source
            tell = self._log.warning if source == "poll" else self._log.info
            tell("events", source=source, why=why or None)

    def _journaled(self, telemetry: TelemetryPort, instrument: Instrument) -> TelemetryPort:
        """With a journal of every decision, where one is wanted."""
        folder = self._settings.journal_dir
        if folder is None:
            return telemetry
        from mm_bot.journal.writer import Journaled, JournalWriter

        writer = JournalWriter(folder, instrument, build_info(self._settings).version)

        def close() -> None:
            writer.close()
            if writer.dropped:
                self._log.warning("journal", dropped=writer.dropped, problem=writer.problem)

        self._cleanup.callback(close)
        return Journaled(telemetry, writer)

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

    def _nonces(self, state_file: StateFile, instrument: Instrument) -> NonceBlocks | ClockNonces:
        if instrument.capabilities.nonce_is_time_ns:
            return ClockNonces(state_file, self._clock)
        settings = self._settings
        lane = lane_of(settings.subaccount_id, settings.market_symbol)
        return NonceBlocks(state_file, lane=lane)

    def _state_file(self) -> StateFile:
        settings = self._settings
        identity = StateIdentity(
            chain_id=settings.chain_id,
            owner=settings.owner_address,
            market=settings.market_symbol,
            subaccount_id=settings.subaccount_id,
        )
        # Without the lock another process may own the file: a dry run only reads it.
        state_file = StateFile(
            settings.state_file, identity, read_only=is_silent(settings), usable=usable
        )
        state_file.check_writable()
        return state_file

    async def _serve(self, health: Health, telemetry: Telemetry, metrics: Metrics) -> None:
        settings, log = self._settings, self._log

        pages = Pages(
            ready=health.reasons,
            status=health.status,
            metrics=metrics.scrape,
            history=telemetry.history.shown,
            page=page,
            redact=log.redactor,
        )
        server = HttpServer(
            pages.routes(),
            report=lambda path, error: log.exception("http", error, path=path),
            rate=RATE,
        )
        port = await server.start(settings.metrics_host, settings.metrics_port)
        self._cleanup.push_async_callback(server.close)
        log.info("listening", address=f"{settings.metrics_host or '*'}:{port}")

    def _tell_manager(self, health: Health) -> None:
        """Readiness and watchdog for a service manager, where one started us."""
        notify = self._notify

        def look() -> Pulse:
            status = self._log.redactor(", ".join(health.reasons()) or "ready")
            return Pulse(running=health.running, alive=health.alive, status=status)

        telling = asyncio.create_task(report(notify, look, self._clock.sleep_ms))

        def stop() -> None:
            telling.cancel()
            notify.stopping()
            notify.close()

        self._cleanup.callback(stop)

    async def _opened(self, exchange: LiveVenue, health: Health) -> int | None:
        """The highest nonce used so far; None where a signal came before the exchange was ready."""

        def waiting(holder: str) -> None:
            if health.waiting == "starting":
                self._log.info("lock.waiting", holder=holder)
            health.waiting = f"waiting for the one-writer lock, held by {holder}"

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

    async def _anchors(
        self, exchange: LiveVenue, witnesses: Witnesses
    ) -> tuple[AnchorRunner | None, AnchorRunner | None]:
        anchor, external = build_anchors(
            self._settings,
            exchange.instrument,
            exchange.eth_call,
            self._clock,
            self._cleanup,
            witnesses,
        )
        running = [runner for runner in (anchor, external) if runner is not None]
        for runner in running:
            runner.start()
            self._cleanup.push_async_callback(runner.aclose)
        await asyncio.gather(*(r.first_reading(FIRST_ANCHOR_WITHIN_MS) for r in running))
        return anchor, external

    async def _soak(self, telemetry: Telemetry) -> None:
        interval_ms = self._settings.soak_log_interval_ms
        while interval_ms is not None:
            await self._clock.sleep_ms(interval_ms)
            telemetry.soak()

    async def _cancel_all(self, bot: Bot) -> None:
        seen = await bot.cancel_all(CANCEL_ALL_WITHIN_MS)
        evidence = {} if seen is None else evidence_of(seen)
        if seen is not None and seen.proven:
            self._log.info("cancelled_all", proven=True, **evidence)
            self._ending.code = 0
            return
        self._log.error("cancelled_all", proven=False, **evidence)
        raise errors.NotProvenError(
            f"{self._settings.market_symbol}: within {CANCEL_ALL_WITHIN_MS // 1000} s no read of "
            "the order table showed that none of our orders is live; look at active_orders"
        )


def bot_metrics(build: BuildInfo, anchor_sources: tuple[str, ...] = ()) -> Metrics:
    """With every label value there can be."""
    refusals = tuple(refusal.value for refusal in RejectReason)
    return Metrics(
        build,
        anchor_sources=anchor_sources,
        anchor_refusals=refusals,
        strategy=strategies.declared(),
    )
