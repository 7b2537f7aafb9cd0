"""A protected prefix must not cover the bot's own ids: checked by every venue's settings."""

from __future__ import annotations

from mm_bot.fields.model import Reading


def check_prefixes(reading: Reading, prefixes: tuple[str, ...], market_symbol: str) -> None:
    """A fault for each prefix that the ids of this market's orders begin with, or that they are."""
    ours = f"mm:{market_symbol}:"
    for prefix in prefixes:
        if ours.startswith(prefix) or prefix.startswith(ours):
            reading.fault(
                "MM_PROTECTED_ORDER_ID_PREFIXES",
                f"{prefix!r} would protect the bot's own orders, {ours!r}: take it out",
            )
