"""What settings and a market must be together: known once the market was read.

Each fault names the variables that contradict each other there. Start-up and `mm-bot check` refuse
them alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from mm_bot.core.exact import Amount, Price
from mm_bot.core.instrument import Instrument
from mm_bot.core.policy import Policy
from mm_bot.strategies.usd_levels import USD


def market_faults(policy: Policy, market: Instrument) -> Iterator[str]:
    """Why no level could ever be quoted there."""
    if policy.options.get(USD, "0") != "0":
        return  # sizes are by the price then, and each gap says what it lacks
    wanted, least = policy.quote.order_size, market.least_size or market.size_step
    if market.notional_step is None and market.floor_size(wanted) < least:
        yield (
            f"MM_ORDER_SIZE={wanted} is below {least}, the smallest order of {market.symbol}: give "
            f"at least that, or another MM_MARKET_SYMBOL"
        )
        return
    low = policy.reference.low
    if low is None:
        return
    smallest = market.notional_step or market.notional(low, least)
    limit, signed = policy.quote.max_notional_per_side, policy.risk.max_signed_liability
    if limit is not None and limit < smallest:
        yield _too_low("MM_MAX_NOTIONAL_PER_SIDE", limit, smallest, "the smallest order", low)
    one = market.notional(low, wanted)
    if signed is not None and signed < one:
        yield _too_low("MM_MAX_SIGNED_LIABILITY", signed, one, f"MM_ORDER_SIZE={wanted}", low)


def _too_low(name: str, limit: Amount, worth: Amount, what: str, low: Price) -> str:
    return (
        f"{name}={limit} is below {worth}, what {what} is worth at MM_ANCHOR_MIN_PRICE={low}: "
        "nothing could ever be quoted; raise it"
    )
