"""From settings to a running service: the only file that constructs its edges."""

from __future__ import annotations

from contextlib import AsyncExitStack

from fair_anchor.accepted import AcceptedPrices
from fair_anchor.app import FairAnchor, Pages
from fair_anchor.exchange_reads import Futures, Listings, Reads, SpotReads
from fair_anchor.fair_value import Confidence
from fair_anchor.metrics import Metrics
from fair_anchor.settings import Settings
from fair_anchor.settings_sources import TRADE, SourceChoice
from fair_anchor.spot import Slot, SpotFinder
from fair_anchor.spot_sources import BookSource, LocalFilter, TradeSource
from fair_anchor.variables import LISTEN_ADDR
from mm_bot.clock import SystemClock
from mm_bot.host.accepted_file import AcceptedFile
from mm_bot.host.ending import STOP_WITHIN_S, Ending
from mm_bot.host.shutdown import Shutdown
from mm_bot.io.http import open_client
from mm_bot.observe.http_server import HttpServer
from mm_bot.observe.log import Log
from mm_bot.prices.guarded import Guarded
from mm_bot.prices.source import AnchorSource, EthCall
from mm_bot.prices.spec import SourceContext
from mm_bot.prices.witness import Witnesses

CONNECTION_LIMIT = 512
PIPELINE_LIMIT = 64


async def run(settings: Settings, log: Log, ending: Ending) -> None:
    """Serve until a signal, and end in time from then on.

    Raises:
        SettingsError: where the address is taken.
    """
    async with AsyncExitStack() as cleanup:
        shutdown = Shutdown(lambda: ending.within(STOP_WITHIN_S))
        cleanup.callback(shutdown.listen())
        service, server = _service(settings, log, cleanup)
        cleanup.push_async_callback(server.close)
        port = await server.start(settings.host, settings.port, setting=LISTEN_ADDR)
        # The first read costs a fifth of a second of imports: better now than at the first
        # request, whatever comes of it.
        await service.health()
        log.info(
            "started",
            listen=f"{settings.host or '*'}:{port}",
            sources=[choice.name for choice in settings.sources],
            futures=sorted(settings.futures) or "as listed",
            fallback=settings.fallback is not None,
            remembers=str(settings.state_file or "nothing: FAIR_ANCHOR_STATE_FILE is not set"),
        )
        await shutdown.requested.wait()
        log.info("stopping", signal=shutdown.signal_name)
    log.info("stopped")


def _service(
    settings: Settings, log: Log, cleanup: AsyncExitStack
) -> tuple[FairAnchor, HttpServer]:
    clock = SystemClock()
    listings: Listings | None = None
    reads: Reads | None = None
    if settings.api_base_url is not None:
        client = open_client(settings.api_base_url, settings.timeout_ms)
        cleanup.push_async_callback(client.aclose)
        reads = Reads(client, clock.now_ms)
        listings = Listings(reads, clock)
        cleanup.push_async_callback(listings.aclose)
    spot_reads = None
    if reads is not None and listings is not None:
        spot_reads = SpotReads(reads, listings, settings.spot_symbol, settings.ignored_owners)
    accepted = AcceptedPrices(
        settings.state_file, warn=lambda text: log.warning("state", what=text)
    )
    accepted.load()
    cleanup.push_async_callback(accepted.aclose)
    context = SourceContext(
        clock=clock,
        eth_call=_eth_call(settings, cleanup),
        witnesses=_witnesses(settings, accepted),
        max_age_ms=settings.guard.max_age_ms,
    )
    slots = {
        choice: _slot(choice, settings, spot_reads, context, accepted)
        for choice in settings.sources
    }
    finder = SpotFinder(
        tuple(slots.values()), settings.fallback, timeout_ms=settings.timeout_ms, clock=clock
    )
    cleanup.push_async_callback(finder.aclose)
    metrics = Metrics(finder.slots, clock.now_ms)
    service = FairAnchor(
        spot_symbol=settings.spot_symbol,
        futures=Futures(settings.futures, listings),
        any_market=settings.any_market,
        carry=settings.carry,
        finder=finder,
        outside=tuple(slot for choice, slot in slots.items() if not choice.is_exchange),
        metrics=metrics,
        clock=clock,
    )
    pages = Pages(service, metrics, log.redactor)
    server = HttpServer(
        pages.routes(),
        report=lambda path, error: log.exception("http", error, path=path),
        answered=metrics.answered,
        connection_limit=CONNECTION_LIMIT,
        pipeline_limit=PIPELINE_LIMIT,
    )
    return service, server


def _slot(
    choice: SourceChoice,
    settings: Settings,
    spot_reads: SpotReads | None,
    context: SourceContext,
    accepted: AcceptedPrices,
) -> Slot:
    source: AnchorSource
    guard, clock = settings.guard, context.clock
    if choice.spec is not None:
        source = choice.spec.build(context)
    else:
        assert spot_reads is not None, "the settings ask for the API's URL"
        needs = LocalFilter(min_size=settings.min_size, low=guard.low, high=guard.high)
        if choice.name == TRADE:
            source = TradeSource(spot_reads, needs)
        else:
            source = BookSource(spot_reads, clock, needs)
    guarded = Guarded(
        source,
        guard,
        timeout_ms=settings.timeout_ms,
        clock=clock,
        name=choice.name,
        witnesses=context.witnesses,
    )
    return Slot(
        guarded,
        confidence=Confidence.MEDIUM if choice.name == TRADE else Confidence.HIGH,
        cache_ms=settings.cache_ms,
        max_age_ms=guard.max_age_ms,
        clock=clock,
        accepted=accepted.note,
    )


def _witnesses(settings: Settings, accepted: AcceptedPrices) -> Witnesses:
    """Other sources, what the process before accepted, and the operator's control file."""
    if settings.state_file is None:
        remedy = "start the service anew (FAIR_ANCHOR_STATE_FILE allows to accept it in flight)"
        return Witnesses(remedy=remedy)
    return Witnesses(
        earlier=dict(accepted.prices),
        operator=AcceptedFile(settings.state_file).read,
        remedy="`fair-anchor accept-reference {price}`",
    )


def _eth_call(settings: Settings, cleanup: AsyncExitStack) -> EthCall | None:
    if settings.rpc_url is None:
        return None
    # Signing comes with it: only whoever reads the chain pays for that.
    from mm_bot.venues.numo.chain import Chain

    client = open_client("", settings.timeout_ms)
    cleanup.push_async_callback(client.aclose)
    chain = Chain(client, settings.rpc_url)
    cleanup.push_async_callback(chain.aclose)
    return chain.eth_call
