"""Limits and the world in; every `Halt` that holds out.

Entry point: `halts`. While any holds, this market's managed orders are cancelled and nothing is
placed. Each ends by itself when its condition does (behaviour.md section 7):

1. The three stale halts end with a fresh reading, a contradiction with its disappearance. A lost
   lock counts as an unread order table.
2. Deviation, inventory, balance, notional and reference halts end when the number is back inside.
   An inventory is the worse of the chain's and of what our fills since say.
3. `quote age exceeded` ends once no quote of ours is that old, which its own cancels bring about.
4. `cancel rate limit exceeded` ends when the last 60 seconds have room to replace every level once.
5. The operator's two end with the mode or the file.
6. `state file cannot be written` ends with a write that succeeds; one is tried in every cycle.
7. `fills disagree` ends once an order's row, the rows of its fills and the chain agree.
8. None needs a restart, and none depends on what we would like to quote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from mm_bot.core.balances import Holdings
from mm_bot.core.exact import Amount, Size
from mm_bot.core.policy import OperatorMode, RiskPolicy
from mm_bot.core.settlement import Settlements


class HaltReason(Enum):
    """Every reason; the value is the label, the log text and the state file's entry."""

    NO_REFERENCE = "reference price unavailable"
    MARKET_DATA_STALE = "exchange market data stale"
    BALANCES_STALE = "balances stale"
    ANCHOR_STALE = "anchor data stale"
    QUOTE_AGE = "quote age exceeded"
    ANCHOR_DEVIATION = "anchor deviation exceeded"
    OPEN_NOTIONAL = "open order notional exceeds limit"
    MAX_LONG = "inventory exceeds max long inventory"
    MAX_SHORT = "inventory exceeds max short inventory"
    MIN_BASE = "available base balance below threshold"
    MIN_QUOTE = "available quote balance below threshold"
    OPERATOR_PAUSE = "operator pause active"
    KILL_SWITCH = "kill switch active"
    CANCEL_RATE = "cancel rate limit exceeded"
    STATE_UNSAVED = "state file cannot be written"
    FILLS_DISAGREE = "fills disagree"
    PRICE_SHOCK = "price shock"
    DAILY_LOSS = "daily loss limit"
    BREAKER_COOLDOWN = "breaker cooldown"
    REDUCTION_BUDGET = "forced reduction budget used up"
    STRATEGY_FAILED = "strategy failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """One reason that holds now, with the numbers behind it."""

    reason: HaltReason
    numbers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskInput:
    """What the limits are held against. Ages are milliseconds; None is "never read"."""

    mode: OperatorMode
    kill_switch: bool
    has_reference: bool
    market_data_age_ms: int | None
    market_data_source: str
    """Which source that age belongs to, for the log."""
    balances_age_ms: int | None
    anchor_age_ms: int | None
    """None where no anchor is configured."""
    deviation_bps: Decimal | None
    oldest_quote_age_ms: int
    open_notional: Amount
    """The larger side's worth of managed orders, in the quote, unknown ones included."""
    highest: Size | None
    """The inventory with every buy that the balances were found to lack, and without every sale."""
    lowest: Size | None
    holdings: Holdings | None
    replace_cancels_last_minute: int
    rate_due: bool
    """This cycle's replaces would pass the limit."""
    rate_held: bool
    """`cancel rate limit exceeded` held in the last cycle."""
    levels: int
    unsaved: str | None = None
    """Why what must survive a crash is not on disk; None where it is."""
    disagreeing: Settlements = field(default_factory=dict)
    """Orders whose fills are told differently for too long."""


def halts(given: RiskInput, policy: RiskPolicy) -> tuple[Halt, ...]:
    """All that hold, in the order of the enumeration."""
    found = [
        *_freshness(given, policy),
        *_prices(given, policy),
        *_exposure(given, policy),
        *_operator(given, policy),
    ]
    return in_order(*found)


def in_order(*found: Halt) -> tuple[Halt, ...]:
    """In the order of the enumeration, each reason once: of two the one that comes first."""
    if not found:
        return ()
    order = list(HaltReason)
    first = {halt.reason: halt for halt in reversed(found)}
    return tuple(sorted(first.values(), key=lambda halt: order.index(halt.reason)))


def _over(age_ms: int | None, limit_ms: int | None) -> bool:
    return limit_ms is not None and (age_ms is None or age_ms > limit_ms)


def _age(age_ms: int | None, limit_ms: int | None) -> tuple[tuple[str, str], ...]:
    return (("age_ms", "never" if age_ms is None else str(age_ms)), ("limit_ms", str(limit_ms)))


def _freshness(given: RiskInput, policy: RiskPolicy) -> list[Halt]:
    found = []
    limit = policy.market_data_max_age_ms
    if _over(given.market_data_age_ms, limit):
        numbers = (("source", given.market_data_source), *_age(given.market_data_age_ms, limit))
        found.append(Halt(reason=HaltReason.MARKET_DATA_STALE, numbers=numbers))
    if _over(given.balances_age_ms, policy.balances_max_age_ms):
        numbers = _age(given.balances_age_ms, policy.balances_max_age_ms)
        found.append(Halt(reason=HaltReason.BALANCES_STALE, numbers=numbers))
    age_ms = given.anchor_age_ms
    if age_ms is not None and _over(age_ms, policy.anchor_max_age_ms):
        numbers = _age(age_ms, policy.anchor_max_age_ms)
        found.append(Halt(reason=HaltReason.ANCHOR_STALE, numbers=numbers))
    return found


def _prices(given: RiskInput, policy: RiskPolicy) -> list[Halt]:
    found = []
    if not given.has_reference:
        found.append(Halt(reason=HaltReason.NO_REFERENCE))
    limit, seen = policy.anchor_deviation_bps, given.deviation_bps
    if limit is not None and seen is not None and seen > limit:
        numbers = (("deviation_bps", str(seen)), ("limit_bps", str(limit)))
        found.append(Halt(reason=HaltReason.ANCHOR_DEVIATION, numbers=numbers))
    oldest, oldest_limit = given.oldest_quote_age_ms, policy.quote_max_age_ms
    if oldest_limit is not None and oldest > oldest_limit:
        found.append(Halt(reason=HaltReason.QUOTE_AGE, numbers=_age(oldest, oldest_limit)))
    return found


def _exposure(given: RiskInput, policy: RiskPolicy) -> list[Halt]:
    found = []
    limit = policy.max_notional_per_side
    if limit is not None and given.open_notional > limit:
        numbers = (("open_cngn", str(given.open_notional)), ("limit_cngn", str(limit)))
        found.append(Halt(reason=HaltReason.OPEN_NOTIONAL, numbers=numbers))
    if given.highest is not None and given.highest > policy.max_long:
        numbers = (("inventory", str(given.highest)), ("limit", str(policy.max_long)))
        found.append(Halt(reason=HaltReason.MAX_LONG, numbers=numbers))
    if given.lowest is not None and given.lowest < policy.max_short:
        numbers = (("inventory", str(given.lowest)), ("limit", str(policy.max_short)))
        found.append(Halt(reason=HaltReason.MAX_SHORT, numbers=numbers))
    holdings = given.holdings
    if holdings is not None:
        if policy.min_base is not None and holdings.base_available < policy.min_base:
            numbers = (("available", str(holdings.base_available)), ("limit", str(policy.min_base)))
            found.append(Halt(reason=HaltReason.MIN_BASE, numbers=numbers))
        if policy.min_quote is not None and holdings.quote_available < policy.min_quote:
            numbers = (
                ("available", str(holdings.quote_available)),
                ("limit", str(policy.min_quote)),
            )
            found.append(Halt(reason=HaltReason.MIN_QUOTE, numbers=numbers))
    return found


def _operator(given: RiskInput, policy: RiskPolicy) -> list[Halt]:
    found = []
    if given.mode is OperatorMode.PAUSE:
        found.append(Halt(reason=HaltReason.OPERATOR_PAUSE))
    if given.kill_switch:
        found.append(Halt(reason=HaltReason.KILL_SWITCH))
    limit = policy.max_cancels_per_minute
    held = limit is not None and given.rate_held and not _room(given, limit)
    if given.rate_due or held:
        used = given.replace_cancels_last_minute
        numbers = (("cancels_last_60s", str(used)), ("limit", str(limit)))
        found.append(Halt(reason=HaltReason.CANCEL_RATE, numbers=numbers))
    if given.unsaved is not None:
        error = ("error", given.unsaved)
        found.append(Halt(reason=HaltReason.STATE_UNSAVED, numbers=(error,)))
    for order_id, entry in sorted(given.disagreeing.items())[:1]:
        told = (
            ("order_id", order_id),
            ("orders", str(len(given.disagreeing))),
            ("filled_steps", str(entry.filled)),
            ("counted_steps", str(entry.unbooked + entry.booked)),
            ("on_chain_steps", str(entry.settled)),
        )
        found.append(Halt(reason=HaltReason.FILLS_DISAGREE, numbers=told))
    return found


def _room(given: RiskInput, limit: int) -> bool:
    """Room to replace every level once; where the limit is smaller than that, an empty minute."""
    used = given.replace_cancels_last_minute
    return used == 0 or used + 2 * given.levels <= limit
