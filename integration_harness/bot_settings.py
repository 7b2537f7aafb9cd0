"""The environment of a bot under test: what leads it to the market, and limits that let it quote.

Least to most important: the harness's own pace, the environment it was given, what the scenario
is about. The inventory limits are set around what the account holds, unless they were given: an
account that came with more than the default limit would only halt.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Final

from integration_harness.market_view import MarketView
from integration_harness.target import Target

_PACE: Final = {
    "MM_POLL_INTERVAL_MS": "100",
    "MM_QUOTE_REFRESH_INTERVAL_MS": "100",
    "MM_LOG_LEVEL": "INFO",
}
_LEVEL_STEP_BPS: Final = "10"
_SIZES_OF_ROOM: Final = 1_000
"""The inventory limits leave room for this many orders on either side of what is held."""
_SPOT_SIZE: Final = "10"
_FUTURE_SIZE: Final = "0.1"


def order_size(target: Target) -> Decimal:
    """The size of the best level, human."""
    default = _SPOT_SIZE if target.instrument.is_spot else _FUTURE_SIZE
    return Decimal(target.bot_environment.get("MM_ORDER_SIZE", default))


def bot_settings(
    target: Target, view: MarketView, *, levels: int, anchor_url: str | None
) -> dict[str, str]:
    """Every variable but the metrics address and the state file, which the process gets."""
    size = order_size(target)
    settings = {
        **_PACE,
        "MM_ORDER_SIZE": str(size),
        **_inventory_limits(target, view, size),
        **target.bot_environment,
        "MM_QUOTE_LEVELS": str(levels),
    }
    if levels > 1:
        settings.setdefault("MM_LEVEL_SPREAD_STEP_BPS", _LEVEL_STEP_BPS)
    if anchor_url is not None:
        settings["MM_ANCHOR_SOURCE_TYPE"] = "http"
        settings["MM_ANCHOR_URL"] = anchor_url
        settings["MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_ENABLED"] = "false"
    return settings


def _inventory_limits(target: Target, view: MarketView, size: Decimal) -> dict[str, str]:
    instrument = target.instrument
    asset, sub_id = instrument.asset_address, instrument.sub_id
    if instrument.is_spot:
        asset, sub_id = view.chain.cash_asset(), 0
    raw = view.chain.balance(target.bot.subaccount_id, asset, sub_id)
    with localcontext(prec=60):
        held = abs(Decimal(raw).scaleb(-18)).to_integral_value(ROUND_CEILING)
        room = held + size * _SIZES_OF_ROOM
    return {"MM_MAX_LONG_INVENTORY": f"{room:f}", "MM_MAX_SHORT_INVENTORY": f"{-room:f}"}
