"""What of a process never changes: its version, who it trades for, whether it sends at all."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

from mm_bot.core.policy import OperatorMode
from mm_bot.observe.metrics import BuildInfo
from mm_bot.settings import Settings


def is_silent(settings: Settings) -> bool:
    """Whether nothing at all is sent; such a process may run beside the one writer."""
    return settings.dry_run or settings.mode is OperatorMode.DRY_RUN_HEALTH


@cache
def own_version() -> str:
    """As it is installed."""
    try:
        return version("mm-bot")
    except PackageNotFoundError:
        return "unknown"


def build_info(settings: Settings) -> BuildInfo:
    return BuildInfo(
        version=own_version(),
        market=settings.market_symbol,
        chain_id=settings.chain_id,
        subaccount_id=settings.subaccount_id,
        dry_run=settings.dry_run,
    )


def about(settings: Settings) -> dict[str, object]:
    """Who trades where, for the status."""
    return {
        "market": settings.market_symbol,
        "chain_id": settings.chain_id,
        "owner": settings.owner_address,
        "subaccount_id": settings.subaccount_id,
        "takes_lock": not is_silent(settings),
        "versions": {"bot": own_version(), "python": python_version()},
    }
