"""What each reason means and how it ends, in words: closed tables, complete by test.

The reasons themselves are labels and never change; these sentences are for people alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mm_bot.core.declared import StepReason
from mm_bot.core.quoting import MissingReason, Reason
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.risk import HaltReason

HALT_ENDS_WHEN: Final[Mapping[HaltReason, str]] = {
    HaltReason.NO_REFERENCE: (
        "an anchor, a mid of others' orders, or a fresh enough trade gives a price again"
    ),
    HaltReason.MARKET_DATA_STALE: (
        "book, trades and own orders are all read again within the limit, agree about our orders, "
        "and the one-writer lock is held"
    ),
    HaltReason.BALANCES_STALE: "the node answers with a block younger than the limit",
    HaltReason.ANCHOR_STALE: "the anchor gives a reading younger than the limit",
    HaltReason.QUOTE_AGE: "no order of ours is that old; the halt's own cancels bring it about",
    HaltReason.ANCHOR_DEVIATION: "local price and anchor are within the limit of each other",
    HaltReason.OPEN_NOTIONAL: "what may be live on each side is within the limit again",
    HaltReason.MAX_LONG: "the inventory is at or below the long cap",
    HaltReason.MAX_SHORT: "the inventory is at or above the short cap",
    HaltReason.MIN_BASE: "the available base balance is back at the threshold",
    HaltReason.MIN_QUOTE: "the available quote balance is back at the threshold",
    HaltReason.OPERATOR_PAUSE: "the operator mode is another one than pause",
    HaltReason.KILL_SWITCH: "the kill switch file is gone (`mm-bot resume`)",
    HaltReason.CANCEL_RATE: "the last 60 s have room to replace every level once",
    HaltReason.STATE_UNSAVED: "MM_STATE_FILE can be written again; it is tried in every cycle",
    HaltReason.FILLS_DISAGREE: (
        "the row of that order, the rows of its fills and TradeModule.filled agree; see the runbook"
    ),
    HaltReason.PRICE_SHOCK: (
        "MM_SHOCK_PAUSE_SECONDS are over and the price moved less than MM_SHOCK_CALM_BPS in them"
    ),
    HaltReason.DAILY_LOSS: (
        "the next day (UTC) begins; with MM_BREAKER_RESUME=cooldown after each cooldown, up to "
        "MM_BREAKER_MAX_TRIPS times a day"
    ),
    HaltReason.BREAKER_COOLDOWN: "MM_BREAKER_COOLDOWN_SECONDS are over; then see daily loss limit",
    HaltReason.REDUCTION_BUDGET: (
        "an hour after the first of the MM_REDUCE_MAX_PER_HOUR orders, or once the inventory is "
        "back by other means"
    ),
    HaltReason.STRATEGY_FAILED: "the strategy of MM_STRATEGY answers again; mend it and restart",
}

MISSING_MEANS: Final[Mapping[MissingReason, str]] = {
    MissingReason.OPERATOR_MODE: "the operator mode does not quote this side",
    MissingReason.HALTED: "quoting is halted; see the halts",
    MissingReason.MARKET_CLOSED: "the market has expired",
    MissingReason.BASE_BALANCE: "the available base balance does not reach the smallest order",
    MissingReason.QUOTE_BALANCE: "the available quote balance does not reach the smallest order",
    MissingReason.NOTIONAL_LIMIT: "MM_MAX_NOTIONAL_PER_SIDE leaves no room for the smallest order",
    MissingReason.INVENTORY_LIMIT: "the inventory cap leaves no room for the smallest order",
    MissingReason.PRICE_TOO_LOW: "the price would be below one tick, or the size below the least",
    MissingReason.AWAITING_EVIDENCE: (
        "an earlier order of this slot may be live; nobody knows yet, so no new one is signed"
    ),
    MissingReason.OWN_ORDER_IN_THE_WAY: "it would trade with an order of our own",
    MissingReason.REFUSED_RECENTLY: "the last order here was refused; tried again within 2 s",
    MissingReason.CLOCK_OFF: (
        "the last order here was refused, and our clock and the exchange's differ: set it by NTP"
    ),
    MissingReason.BALANCES_BEHIND_FILLS: "fills were seen that the balances do not show yet",
    MissingReason.ORDERS_UNREAD: "our orders could not be read in this cycle",
    MissingReason.CANCEL_PENDING: "a cancel that must come first is not acknowledged",
    MissingReason.STUCK_IN_MATCHING: "the matcher holds its order and does not give it back",
    MissingReason.DEGRADED: (
        "a balance is low, what is known grows old, or only one side of others tells a price: the "
        "side that can still be right is quoted alone"
    ),
    MissingReason.SIGNED_LIABILITY: (
        "its signature would pass MM_MAX_SIGNED_LIABILITY; there is room as old ones expire"
    ),
    MissingReason.OUTSIDE_PRICE_LIMITS: (
        "the exchange takes no price so far from its own, and a nearer one would be worse for us"
    ),
    MissingReason.CROSSED_BY_OTHERS: "it would trade with an order that is being matched just now",
}


def means(reason: Reason) -> str:
    """Why a level is missing, for people; a step of the strategy brings its own words."""
    return reason.means if isinstance(reason, StepReason) else MISSING_MEANS[reason]


GUARD_MEANS: Final[Mapping[str, str]] = {
    "min_quote_lifetime": "younger than MM_MIN_QUOTE_LIFETIME_SECONDS",
    "min_price_move": "moved less than MM_MIN_PRICE_MOVE_BEFORE_REPLACE_BPS",
    "quote_refresh_interval": "replaced less than MM_QUOTE_REFRESH_INTERVAL_MS ago",
    MissingReason.SIGNED_LIABILITY.value: (
        "half of MM_MAX_SIGNED_LIABILITY is used: replaces are spaced so that the rest lasts"
    ),
    MissingReason.BALANCES_BEHIND_FILLS.value: "nothing new may be placed until balances catch up",
    MissingReason.CANCEL_PENDING.value: "its last cancel was answered unclearly; tried again soon",
}
"""Why an order that no longer fits stays for now."""

SOURCE_MEANS: Final[Mapping[ReferenceSource, str]] = {
    ReferenceSource.ANCHOR: "the anchor price, first in order",
    ReferenceSource.BOOK: "the mid of others' best bid and ask",
    ReferenceSource.TRADE: "the last trade of others that is young enough",
    ReferenceSource.EXTERNAL: "the external bootstrap anchor; wider and smaller quotes",
    ReferenceSource.OWN_TRADE: "a trade of our own, as nothing else is left",
    ReferenceSource.NONE: "no source has a price",
}
