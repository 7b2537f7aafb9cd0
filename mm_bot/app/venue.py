"""The exchange that the settings name."""

from __future__ import annotations

from mm_bot.app.about import is_silent
from mm_bot.clock import Clock
from mm_bot.settings import Settings
from mm_bot.venues.base import LiveVenue


def venue_of(
    settings: Settings, clock: Clock, *, command_timeout_ms: int | None = None
) -> LiveVenue:
    """Nothing of it is contacted yet. With a time-out it is that of one command
    (`VenueConfig.for_command`)."""
    config = settings.venue_config
    if command_timeout_ms is not None:
        config = config.for_command(command_timeout_ms)
    dry_run = is_silent(settings) and command_timeout_ms is None
    built: LiveVenue = settings.venue_module.build(config, clock, dry_run=dry_run)
    return built
