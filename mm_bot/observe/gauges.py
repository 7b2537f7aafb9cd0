"""Every gauge of the bot that tells of itself: its state, its quotes, its results.

A name, once exported, is somebody's alert: names are only ever added. Prices are human (quote per
base), results in the quote, sizes in the market's base unit (contracts on a dated future), times
in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from mm_bot.core.declared import Declared
from mm_bot.core.instrument import Side
from mm_bot.core.policy import OperatorMode
from mm_bot.core.risk import HaltReason
from mm_bot.observe.gauge import SIDES, Gauge, Number, Values, flags
from mm_bot.observe.gauges_prices import data_gauges, price_gauges
from mm_bot.observe.gauges_strategy import UNDECLARED, reasons_shown, strategy_gauges
from mm_bot.observe.view import View, seconds


def every_gauge(anchor_sources: Iterable[str], strategy: Declared) -> tuple[Gauge, ...]:
    """Of the bot, of what it looks at, and what the strategy declares. `anchor_sources` are what
    the anchors are made of."""
    return (
        *_state(),
        *_quotes(reasons_shown(strategy)),
        *_results(),
        *data_gauges(),
        *price_gauges(tuple(anchor_sources)),
        *strategy_gauges(strategy.measures),
    )


def _state() -> Iterator[Gauge]:
    yield Gauge(
        name="mm_bot_halted",
        help="1 while quoting is halted for any reason, else 0. See mm_bot_halt_reason.",
        read=lambda v: v.decision.halted,
    )
    yield Gauge(
        name="mm_bot_halt_reason",
        help="1 for each reason that halts quoting now, else 0. Several may hold at once.",
        labels={"reason": tuple(reason.value for reason in HaltReason)},
        read=lambda v: flags(v.halt_reasons),
    )
    yield Gauge(
        name="mm_bot_operator_mode",
        help="1 for the operator mode in force, 0 for the others.",
        labels={"mode": tuple(mode.value for mode in OperatorMode)},
        read=lambda v: flags([v.decision.policy.mode.value]),
    )
    yield Gauge(
        name="mm_bot_kill_switch_active",
        help="1 while the kill-switch file exists (or cannot be examined), else 0.",
        read=lambda v: v.decision.snapshot.kill_switch,
    )
    yield Gauge(
        name="mm_bot_lock_held",
        help="1 while this process holds the one-writer lock; always 1 in dry runs.",
        read=lambda v: v.decision.snapshot.venue.lock_held,
    )
    yield Gauge(
        name="mm_bot_last_cycle_timestamp_seconds",
        help="Unix time at which the last cycle ended; every other gauge is as of then. NaN "
        "before the first.",
        start=math.nan,
        read=lambda v: v.at_ms / 1000,
    )
    yield Gauge(
        name="mm_bot_unknown_orders_open",
        help="Orders of which nobody knows yet whether the exchange has them; they count as live "
        "in every limit.",
        read=lambda v: len(v.unknown),
    )


def _quotes(reasons: tuple[str, ...]) -> Iterator[Gauge]:
    yield Gauge(
        name="mm_bot_open_bid_present",
        help="1 while at least one own bid rests in this market, else 0.",
        read=lambda v: Side.BUY in v.best,
    )
    yield Gauge(
        name="mm_bot_open_ask_present",
        help="1 while at least one own ask rests in this market, else 0.",
        read=lambda v: Side.SELL in v.best,
    )
    yield Gauge(
        name="mm_bot_quote_age_seconds",
        help="Seconds since the bot last placed or adopted its oldest live quote, by its own "
        "clock; 0 without quotes.",
        read=_quote_age_s,
    )
    yield Gauge(
        name="mm_bot_exchange_quote_age_seconds",
        help="Seconds since the exchange created the oldest own live order (created_at); 0 where "
        "it does not say or there is none.",
        read=lambda v: max(0, *(v.at_ms - c.created_ms for c in v.live), 0) / 1000,
    )
    yield Gauge(
        name="mm_bot_live_quoted_spread_bps",
        help="Best own ask minus best own bid, in basis points of their mid; NaN while a side is "
        "missing.",
        start=math.nan,
        read=lambda v: v.spread_bps,
    )
    yield Gauge(
        name="mm_bot_quote_price",
        help="Price of the best own live order of the side, quote per base; NaN where none.",
        labels=SIDES,
        start=math.nan,
        read=lambda v: {(side.value,): c.price.value for side, c in v.best.items()},
    )
    yield Gauge(
        name="mm_bot_quote_size",
        help="What is left of the best own live order of the side: of the base on spot, "
        "contracts on a future; NaN where none.",
        labels=SIDES,
        start=math.nan,
        read=lambda v: {(side.value,): c.size.value for side, c in v.best.items()},
    )
    yield Gauge(
        name="mm_bot_live_orders",
        help="Own live managed orders of the side.",
        labels=SIDES,
        read=lambda v: {(s.value,): sum(c.side is s for c in v.live) for s in Side},
    )
    yield Gauge(
        name="mm_bot_wanted_orders",
        help="Orders the last decision wants there.",
        labels=SIDES,
        read=lambda v: {(s.value,): len(v.decision.ladder.side(s)) for s in Side},
    )
    yield Gauge(
        name="mm_bot_missing_quote_reason",
        help="1 for the reason why the side is not quoted, else 0; all 0 while it is quoted. "
        f"{UNDECLARED} is one that a strategy gives without having declared it; the log names it.",
        labels=SIDES | {"reason": (*reasons, UNDECLARED)},
        read=lambda v: _missing(v, reasons),
    )
    yield Gauge(
        name="mm_bot_signed_liability",
        help="Size that all unexpired signatures of the side, cancelled or not, could still fill: "
        "the base on spot, contracts on a future.",
        labels=SIDES,
        read=lambda v: {(side.value,): size.value for side, size in v.liability.items()},
    )
    yield Gauge(
        name="mm_bot_signed_liability_quote",
        help="The same in the quote, each signature at its own price: here, or in the other "
        "markets of the subaccount, which share its cash.",
        labels=SIDES | {"where": ("here", "elsewhere")},
        read=lambda v: {
            (side.value, where): amount.value
            for where, found in (("here", v.liability_worth), ("elsewhere", v.liability_elsewhere))
            for side, amount in found.items()
        },
    )
    yield Gauge(
        name="mm_bot_signed_executable_until_seconds",
        help="Unix time at which the last signature of this market expires; NaN where none is "
        "unexpired.",
        start=math.nan,
        read=lambda v: seconds(v.executable_until_ms),
    )


def _results() -> Iterator[Gauge]:
    yield Gauge(
        name="mm_bot_realised_result_cngn",
        help="Result of closed positions since the books began, in the quote, before fees.",
        start=math.nan,
        read=lambda v: v.decision.fill_totals.realised.value,
    )
    yield Gauge(
        name="mm_bot_unrealised_result_cngn",
        help="Result of the open position at the reference price, in the quote; NaN without one.",
        start=math.nan,
        read=lambda v: v.unrealised.value if v.unrealised is not None else None,
    )
    yield Gauge(
        name="mm_bot_fees_paid_cngn",
        help="Fees paid since the books began, in the quote.",
        start=math.nan,
        read=lambda v: v.decision.fill_totals.fees.value,
    )
    yield Gauge(
        name="mm_bot_net_inventory",
        help="Base balance: the base on spot, the signed position in contracts on a future; "
        "NaN before the first read.",
        start=math.nan,
        read=lambda v: v.memory.inventory.value if v.memory.inventory is not None else None,
    )
    yield Gauge(
        name="mm_bot_balance",
        help="Balances of the subaccount. base: of the base on spot, contracts on a future; "
        "quote: of the quote on spot, cash on a future.",
        labels={"asset": ("base", "quote"), "kind": ("total", "reserved", "available")},
        start=math.nan,
        read=_balances,
    )


def _quote_age_s(view: View) -> Number:
    updated_ms = view.memory.last_quote_update_ms
    return (view.at_ms - updated_ms) / 1000 if view.live and updated_ms is not None else 0


def _missing(view: View, known: tuple[str, ...]) -> Values:
    first: dict[Side, str] = {}
    for gap in view.decision.missing:
        why = gap.reason.value
        first.setdefault(gap.side, why if why in known else UNDECLARED)
    return {(side.value, why): 1 for side, why in first.items() if side not in view.best}


def _balances(view: View) -> Values:
    holdings = view.decision.holdings
    if holdings is None:
        return {}
    return {
        ("base", "total"): holdings.base_total.value,
        ("base", "reserved"): holdings.base_reserved.value,
        ("base", "available"): holdings.base_unreserved.value,
        ("quote", "total"): holdings.quote_total.value,
        ("quote", "reserved"): holdings.quote_reserved.value,
        ("quote", "available"): holdings.quote_unreserved.value,
    }
