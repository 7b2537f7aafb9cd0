"""How a bot is seen from outside: its pages and metrics, and the word to a service manager."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from mm_bot import strategies
from mm_bot.clock import Clock
from mm_bot.host.notify import Notify, Pulse, report
from mm_bot.observe.health import Health
from mm_bot.observe.http_server import HttpServer
from mm_bot.observe.log import Log
from mm_bot.observe.metrics import BuildInfo, Metrics
from mm_bot.observe.page import page
from mm_bot.observe.pages import RATE, Pages
from mm_bot.observe.telemetry import Telemetry
from mm_bot.prices.source import RejectReason
from mm_bot.settings import Settings


def bot_metrics(build: BuildInfo, anchor_sources: tuple[str, ...] = ()) -> Metrics:
    """With every label value there can be."""
    refusals = tuple(refusal.value for refusal in RejectReason)
    return Metrics(
        build,
        anchor_sources=anchor_sources,
        anchor_refusals=refusals,
        strategy=strategies.declared(),
    )


async def serve(
    settings: Settings,
    health: Health,
    telemetry: Telemetry,
    metrics: Metrics,
    log: Log,
    cleanup: AsyncExitStack,
) -> None:
    """The pages of one bot, from here until `cleanup`.

    Raises:
        SettingsError: where its address cannot be listened on.
    """
    pages = Pages(
        ready=health.reasons,
        status=health.status,
        metrics=metrics.scrape,
        why=health.why,
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
    cleanup.push_async_callback(server.close)
    log.info("listening", address=f"{settings.metrics_host or '*'}:{port}")


def tell_manager(
    notify: Notify, health: Health, clock: Clock, log: Log, cleanup: AsyncExitStack
) -> None:
    """Readiness and watchdog for a service manager, where one started us."""

    def look() -> Pulse:
        status = log.redactor(", ".join(health.reasons()) or "ready")
        return Pulse(running=health.running, alive=health.alive, status=status)

    telling = asyncio.create_task(report(notify, look, clock.sleep_ms))

    def stop() -> None:
        telling.cancel()
        notify.stopping()
        notify.close()

    cleanup.callback(stop)
