"""`accept-reference PRICE`: the operator's word where a source jumped too far to be believed.

Written into a control file beside the state file, from the same settings as the bot's; a running
bot, or one that starts within ten minutes, takes the next reading near it. No restart is needed.
"""

from __future__ import annotations

from mm_bot.cli.call import Call
from mm_bot.cli.reach import now_ms
from mm_bot.core.exact import Price
from mm_bot.errors import SettingsError
from mm_bot.host.accepted_file import HOLDS_MS, AcceptedFile, price_in


def run(call: Call) -> int:
    settings = call.settings()
    price = _price(call.text("price") or "")
    low, high = settings.anchor.min_price, settings.anchor.max_price
    if (low is not None and price < low) or (high is not None and price > high):
        raise SettingsError(
            [
                f"PRICE={price}: outside {low or 0} .. {high or 'any'}, which no reference leaves; "
                "give a human price within, or set MM_ANCHOR_MIN_PRICE and MM_ANCHOR_MAX_PRICE"
            ]
        )
    file = AcceptedFile(settings.state_file)
    told = file.write(price, now_ms(), reader="bot")
    if call.output.as_json:
        call.output.json({"accepted": str(price), "file": str(file.path), "holds_ms": HOLDS_MS})
    else:
        call.output.line(told)
    return 0


def _price(text: str) -> Price:
    price = price_in(text)
    if price is None:
        raise SettingsError([f"PRICE={text[:40]!r}: give a price above 0, such as 1600"])
    return price
