"""`drift`: alone in the book with skew and a constant anchor, the reference does not move.

The requotes are honest ones: orders that live two seconds are renewed, level by level, and a taker
nibbles at them, so that the skew moves too. On the local spot market the bot quotes in bootstrap
order (local mid first, the external anchor last), where a bot that counts its own quotes as the
local mid follows its own skew away.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Final

from integration_harness.bot_process import BotProcess
from integration_harness.context import Context
from integration_harness.registry import Rounds, Scenario
from integration_harness.scenarios import steps
from integration_harness.waiting import require

_SKEW_BPS: Final = "60"
_NIBBLE_PAUSE_SECONDS: Final = 1.5
_FUTURE_ROOM: Final = 3
_LOOK_SECONDS: Final = 0.2
_EXTERNAL: Final = "MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR"


def run(context: Context) -> None:
    """Alone in the book with skew and a constant anchor, the reference does not move."""
    context.phase(f"starting the bot for {context.rounds} requotes")
    bot = context.bot(**_settings(context))
    context.ladder(bot)
    _take_a_position(context, bot)
    first = bot.status()["reference"]
    require(Decimal(bot.status()["skew_bps"]) != 0, "the inventory skews the quotes")
    give_up_at = time.monotonic() + max(context.limits.timeout_seconds, context.rounds)
    looks, told = 0, 0
    with context.nibbler(_NIBBLE_PAUSE_SECONDS):
        while (placed := _requotes(bot)) < context.rounds:
            require(time.monotonic() < give_up_at, f"{context.rounds} requotes", placed)
            require(bot.running, "the bot runs", bot.why_over())
            now = bot.status()["reference"]
            require(
                (now["price"], now["source"]) == (first["price"], first["source"]),
                f"the reference stays at {first['price']} from {first['source']}",
                now,
            )
            looks += 1
            if placed - told >= context.rounds // 4:
                told = placed
                context.phase(f"{placed} requotes, reference {now['price']}")
            time.sleep(_LOOK_SECONDS)
    references = {
        (line.fields["reference"], line.fields["source"]) for line in bot.log("startup", "cycle")
    }
    wanted = {(first["price"], first["source"])}
    require(references == wanted, "the reference never moved in any cycle", references)
    context.figure("requotes", _requotes(bot))
    context.figure("looks", looks)
    context.figure("reference", f"{first['price']} from {first['source']}")
    context.verified(f"the reference did not move in {_requotes(bot)} requotes")
    context.ladder(bot)


def _settings(context: Context) -> dict[str, str]:
    settings = {
        "MM_INVENTORY_SKEW_BPS": _SKEW_BPS,
        "MM_ORDER_EXPIRY_SECONDS": "2",
        "MM_POLL_INTERVAL_MS": "50",
        "MM_QUOTE_REFRESH_INTERVAL_MS": "50",
        "MM_MAX_CANCELS_PER_MINUTE": "0",
    }
    if not context.target.instrument.is_spot:
        # Limits near the position, so that it skews.
        room = abs(int(steps.inventory(context))) + _FUTURE_ROOM
        settings["MM_MAX_LONG_INVENTORY"] = str(room)
        settings["MM_MAX_SHORT_INVENTORY"] = str(-room)
    elif context.target.local:
        settings["MM_ANCHOR_SOURCE_TYPE"] = "none"
        settings[f"{_EXTERNAL}_ENABLED"] = "true"
        settings[f"{_EXTERNAL}_PROVIDER"] = "cngn-price-oracle"
        settings[f"{_EXTERNAL}_MAX_AGE_SECONDS"] = "86400"
    return settings


def _take_a_position(context: Context, bot: BotProcess) -> None:
    """Until the inventory skews the quotes: a future may begin with none."""
    for _ in range(4):
        if Decimal(bot.status()["skew_bps"]) != 0:
            return
        maker = context.ladder(bot)[0]
        context.taker.take(maker, max(1, maker.remaining // 2))
        context.ladder(bot, without=(maker.order_id,))


def _requotes(bot: BotProcess) -> int:
    return len(bot.log("order.place"))


SCENARIO = Scenario(
    name="drift",
    run=run,
    # In this order a quick run of all comes to spot, where the local mid ranks first.
    kinds=("future", "spot"),
    levels=(10,),
    own_anchor=True,
    rounds=Rounds(quick=60, full=1000),
)
