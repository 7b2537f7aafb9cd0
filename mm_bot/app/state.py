"""What of a bot outlives its process: state file, nonces, the mirror in Redis, the journal."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

from mm_bot.app.about import is_silent, own_version
from mm_bot.clock import Clock
from mm_bot.core.instrument import Instrument
from mm_bot.host.clock_nonces import ClockNonces
from mm_bot.host.nonces import NonceBlocks, lane_of
from mm_bot.host.persistence import usable
from mm_bot.host.persistent import PersistentState, StateIdentity
from mm_bot.host.state_file import StateFile
from mm_bot.observe.log import Log
from mm_bot.observe.metrics import Metrics
from mm_bot.ports import Telemetry
from mm_bot.settings import Settings


def state_file_of(settings: Settings) -> StateFile:
    """Checked to be writable; where nothing is sent it is only read.

    Raises:
        SettingsError: where it cannot be written.
    """
    # Without the lock another process may own the file: a dry run only reads it.
    state_file = StateFile(
        settings.state_file, identity_of(settings), read_only=is_silent(settings), usable=usable
    )
    state_file.check_writable()
    return state_file


def read_only_state_file(settings: Settings) -> StateFile:
    """The same for whoever only looks: it is never written and never set aside."""
    return StateFile(settings.state_file, identity_of(settings), read_only=True)


def identity_of(settings: Settings) -> StateIdentity:
    """Whose state it is."""
    return StateIdentity(
        chain_id=settings.chain_id,
        owner=settings.owner_address,
        market=settings.market_symbol,
        subaccount_id=settings.subaccount_id,
    )


async def first_state(
    settings: Settings,
    state_file: StateFile,
    log: Log,
    metrics: Metrics,
    clock: Clock,
    cleanup: AsyncExitStack,
) -> PersistentState:
    """What a start begins with: the state file's. Where a mirror is wanted it follows that file
    from here on, and without a file what holds by the mirror holds.

    Raises:
        SettingsError: where the file is there and cannot be read or set aside.
    """
    loaded = state_file.load(clock.now_ms())
    if loaded.set_aside:
        log.warning("state_file", note=loaded.set_aside)
    if settings.redis_url is None:
        return loaded.state
    from mm_bot.host.mirror import Mirror

    mirror = Mirror(settings.redis_url, settings.redis_key_prefix, state_file.identity, log.warning)
    cleanup.push_async_callback(mirror.aclose)
    metrics.mirror = lambda: (mirror.problem is None, mirror.failures)
    state_file.written = mirror.offer
    if loaded.existed:
        return loaded.state
    held = await mirror.held()
    if held:
        log.warning("mirror.holds", steps=sorted(held))
    return replace(loaded.state, strategy={**loaded.state.strategy, **held})


def nonces_of(
    settings: Settings, state_file: StateFile, market: Instrument, clock: Clock
) -> NonceBlocks | ClockNonces:
    """As the exchange wants them, not yet opened."""
    if market.capabilities.nonce_is_time_ns:
        return ClockNonces(state_file, clock)
    return NonceBlocks(state_file, lane=lane_of(settings.subaccount_id, settings.market_symbol))


def journaled(
    settings: Settings, telemetry: Telemetry, market: Instrument, log: Log, cleanup: AsyncExitStack
) -> Telemetry:
    """With a journal of every decision, where one is wanted."""
    folder = settings.journal_dir
    if folder is None:
        return telemetry
    from mm_bot.journal.writer import Journaled, JournalWriter

    writer = JournalWriter(folder, market, own_version())

    def close() -> None:
        writer.close()
        if writer.dropped:
            log.warning("journal", dropped=writer.dropped, problem=writer.problem)

    cleanup.callback(close)
    return Journaled(telemetry, writer)
