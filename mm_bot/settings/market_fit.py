"""What settings and a market must be together: known once the market was read.

Each fault names the variables that contradict each other there. Start-up and `mm-bot check` refuse
them alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mm_bot.core.exact import Amount, Price
from mm_bot.core.instrument import Instrument
from mm_bot.core.policy import Policy
from mm_bot.strategies.target import TARGET_PCT, TARGET_SIZE
from mm_bot.strategies.usd_levels import USD, size_of


def market_faults(policy: Policy, market: Instrument) -> Iterator[str]:
    """Why no level could ever be quoted there, or not as it was meant."""
    if TARGET_PCT in policy.options and not market.is_spot:
        yield (
            f"{TARGET_PCT} is for spot alone, and MM_MARKET_SYMBOL={market.symbol} is none: give "
            f"{TARGET_SIZE}"
        )
    usd = Decimal(policy.options.get(USD, "0"))
    least = market.least_size or market.size_step
    low, high = policy.reference.low, policy.reference.high
    name, wanted = "MM_ORDER_SIZE", policy.quote.order_size
    if usd:
        most = size_of(usd, market, low)
        if most is None:
            return
        name, wanted = USD, most
    if market.notional_step is None and market.floor_size(wanted) < least:
        yield (
            f"{name}={usd or wanted} is below {least}, the smallest order of {market.symbol}: give "
            f"{'more' if usd else 'at least that'}, or another MM_MARKET_SYMBOL"
        )
        return
    if high and not market.tradable(high, wanted):
        yield (
            f"{name}={usd or wanted} is worth less than {market.notional_step} {market.quote}, the "
            f"smallest order of {market.symbol}, even at MM_ANCHOR_MAX_PRICE={high}: give more"
        )
        return
    if usd:
        return  # what a limit leaves of them is by their price, and each gap says what it lacks
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
