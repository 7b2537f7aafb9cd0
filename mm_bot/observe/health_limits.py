"""Every limit, what it is held against, and how much is left of it; None is "off" or "unknown".

The numbers are those that `core.risk` and `core.quoting` decide by.
"""

from __future__ import annotations

from decimal import Decimal

from mm_bot.core.budget import last_minute
from mm_bot.core.decide import Decision
from mm_bot.core.exact import multiply, plain, round_half_even, subtract
from mm_bot.core.freshness import own_limit
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
from mm_bot.core.liability import worth
from mm_bot.core.memory import Memory

_HUNDRED = Decimal(100)


def limits(decision: Decision, memory: Memory, quote: str) -> list[dict[str, object]]:
    """One entry a limit: value, limit, what is left, and how much of it is used in percent. `quote`
    is what money is counted in there."""
    return [*_ages(decision), *_exposure(decision, memory, quote), *_rates(decision, memory)]


def _ages(decision: Decision) -> list[dict[str, object]]:
    risk, fresh = own_limit(decision.policy.risk, decision.snapshot.anchor), decision.freshness
    live = [c for c in decision.tracked.open_orders if c.stage is Stage.LIVE and not c.cancel_acked]
    oldest = max((decision.now_ms - c.created_ms for c in live), default=None)
    rows = (
        ("market data age", fresh.market_data_ms, risk.market_data_max_age_ms),
        ("balances age", fresh.balances_ms, risk.balances_max_age_ms),
        ("anchor age", fresh.anchor_ms, risk.anchor_max_age_ms),
        ("quote age", oldest, risk.quote_max_age_ms),
    )
    return [_upper(name, _decimal(value), _decimal(limit), "ms") for name, value, limit in rows]


def _exposure(decision: Decision, memory: Memory, quote: str) -> list[dict[str, object]]:
    risk, holdings = decision.policy.risk, decision.holdings
    notional = risk.max_notional_per_side
    deviation = decision.reference.deviation_bps
    found = [
        _upper("anchor deviation", deviation, risk.anchor_deviation_bps, "bps"),
        _upper(
            "open notional, larger side",
            decision.open_notional.value,
            None if notional is None else notional.value,
            quote,
        ),
        _upper(
            "signed liability, larger side",
            max(
                worth(memory.signatures, s) + worth(memory.signed_elsewhere, s) for s in Side
            ).value,
            None if risk.max_signed_liability is None else risk.max_signed_liability.value,
            quote,
        ),
    ]
    inventory = None if holdings is None else holdings.base_total.value
    found.append(_upper("inventory, long", inventory, risk.max_long.value, "base"))
    short = None if inventory is None else -inventory
    found.append(_upper("inventory, short", short, -risk.max_short.value, "base"))
    if risk.min_base is not None:
        value = None if holdings is None else holdings.base_available.value
        found.append(_lower("available base, least", value, risk.min_base.value, "base"))
    if risk.min_quote is not None:
        value = None if holdings is None else holdings.quote_available.value
        found.append(_lower("available quote, least", value, risk.min_quote.value, "quote"))
    return found


def _rates(decision: Decision, memory: Memory) -> list[dict[str, object]]:
    now_ms, limit = decision.now_ms, decision.policy.risk.max_cancels_per_minute
    used = len(last_minute(memory, now_ms))
    return [_upper("replace cancels, 60 s", Decimal(used), _decimal(limit), "cancels")]


def _upper(name: str, value: Decimal | None, limit: Decimal | None, unit: str) -> dict[str, object]:
    """A limit that the value may not pass upwards."""
    left, used = None, None
    if value is not None and limit is not None:
        left = plain(subtract(limit, value))
        if limit > 0:
            used = plain(round_half_even(multiply(max(value, Decimal(0)), _HUNDRED), limit, 1))
    return _entry(name, value, limit, left, used, unit)


def _lower(name: str, value: Decimal | None, limit: Decimal, unit: str) -> dict[str, object]:
    """A threshold that the value may not fall below."""
    left = None if value is None else plain(subtract(value, limit))
    return _entry(name, value, limit, left, None, unit)


def _entry(
    name: str,
    value: Decimal | None,
    limit: Decimal | None,
    left: str | None,
    used: str | None,
    unit: str,
) -> dict[str, object]:
    return {
        "name": name,
        "value": None if value is None else plain(value),
        "limit": None if limit is None else plain(limit),
        "left": left,
        "used_percent": used,
        "unit": unit,
    }


def _decimal(value: int | None) -> Decimal | None:
    return None if value is None else Decimal(value)
