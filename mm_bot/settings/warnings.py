"""What start-up says about settings that are valid and yet may surprise."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from mm_bot.core.exact import plain
from mm_bot.core.policy import OperatorMode
from mm_bot.fields.model import Reading
from mm_bot.settings.anchor_variables import BOOTSTRAP_MARKET, EXTERNAL, ORACLE_CARRY
from mm_bot.settings.models import Models
from mm_bot.settings.quoting import quote_policy, reference_min_size
from mm_bot.settings.strategy import too_slow, unused
from mm_bot.strategies.models import AS, GLFT

_LONG_LIFE_MS = 3_600_000
_ONE = Decimal(1)
_ANY_HOST = ("0.0.0.0", "::")


def warnings(reading: Reading, given: Models) -> tuple[str, ...]:
    """Guards turned off first, then everything else; the reading has no faults."""
    assert not reading.faults
    return (
        *_guards_off(reading),
        *_unbounded(reading, given),
        *_useless(given),
        *_slower_than_limits(given),
        *_seen(reading, given),
        *_of_strategy(reading, given),
    )


def unused_proxies(environment: Mapping[str, str]) -> Iterator[str]:
    """What other programs' variables ask for and we do not do. A value may hold a password."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        for given in (name, name.lower()):
            if environment.get(given):
                yield f"{given} is set, and not used: every connection is made directly"


def _guards_off(reading: Reading) -> Iterator[str]:
    for name, each in reading.variables.items():
        on_by_default = each.kind.off and each.default_text != "0"
        if on_by_default and each.kind.parse(reading.text(name)) is None:
            yield f"{name} is 0: this guard is off (by default it is {each.default_text})"


def _unbounded(reading: Reading, given: Models) -> Iterator[str]:
    """Where a price could be anything, or made by anybody for nothing."""
    names = ("MM_ANCHOR_MIN_PRICE", "MM_ANCHOR_MAX_PRICE")
    symbol = given.market.market_symbol
    bounds = given.anchor.bounds(symbol)
    missing = [name for name, bound in zip(names, bounds, strict=True) if bound is None]
    if missing:
        yield (
            f"{' and '.join(missing)} not set: a reference price of the wrong unit is believed; "
            f"set what {symbol} can never leave"
        )
    name = "MM_REFERENCE_MIN_SIZE"
    if reading.is_set(name) and not reference_min_size(given.quotes, given.limits):
        yield (
            f"{name} is 0: anybody's smallest order or trade makes the local price "
            "(by default a tenth of MM_ORDER_SIZE does)"
        )


def _useless(given: Models) -> Iterator[str]:
    symbol = given.market.market_symbol
    if given.external.enabled and symbol != BOOTSTRAP_MARKET:
        yield (
            f"{EXTERNAL}ENABLED is on, but applies to {BOOTSTRAP_MARKET} only, not to {symbol}: "
            "it is not used"
        )
    ages = (
        (
            "MM_REFERENCE_TRADE_MAX_AGE_SECONDS",
            given.limits.reference_trade_max_age_ms,
            "no last trade is ever a reference price",
        ),
        (
            "MM_ANCHOR_ORACLE_MAX_AGE_SECONDS",
            given.anchor.oracle_max_age_ms,
            "no answer of the feed is ever young enough",
        ),
        (
            f"{EXTERNAL}MAX_AGE_SECONDS",
            given.external.max_age_ms,
            "no external price is ever young enough",
        ),
    )
    for name, age_ms, effect in ages:
        if age_ms == 0:
            yield f"{name} is 0: {effect}"
    if not given.limits.max_long and not given.limits.max_short:
        yield (
            "MM_MAX_LONG_INVENTORY and MM_MAX_SHORT_INVENTORY are both 0: there is room for no "
            "position"
        )
    if given.quotes.order_life_ms > _LONG_LIFE_MS:
        yield (
            "MM_ORDER_EXPIRY_SECONDS is over an hour: nothing but its expiry ends a signature, "
            "not even a cancel"
        )
    if given.run.dry_run and given.run.mode is not OperatorMode.DRY_RUN_HEALTH:
        yield "MM_DRY_RUN is on: all is decided and logged, nothing is sent"


def _slower_than_limits(given: Models) -> Iterator[str]:
    poll_ms = given.run.poll_interval_ms
    for name, limit_ms in (
        ("MM_STALE_MARKET_DATA_TIMEOUT_SECONDS", given.limits.stale_market_data_ms),
        ("MM_STALE_BALANCE_TIMEOUT_SECONDS", given.limits.stale_balance_ms),
        ("MM_STALE_ANCHOR_TIMEOUT_SECONDS", given.limits.stale_anchor_ms),
    ):
        if limit_ms is not None and limit_ms <= poll_ms:
            yield (
                f"{name} is not above MM_POLL_INTERVAL_MS, {poll_ms} ms: it will halt between two "
                "reads"
            )


def _of_strategy(reading: Reading, given: Models) -> Iterator[str]:
    quotes, strategy = given.quotes, given.strategy
    if strategy.strategy not in (AS, GLFT) and quotes.skew_bps > quotes.half_spread_bps:
        yield (
            f"MM_INVENTORY_SKEW_BPS is above MM_HALF_SPREAD_BPS, {plain(quotes.skew_bps)} and "
            f"{plain(quotes.half_spread_bps)}: a full inventory moves the quote that reduces it "
            "past the reference"
        )
    yield from unused(reading, strategy, quote_policy(quotes, given.limits, _ONE, _ONE))
    yield from too_slow(strategy, given.run.poll_interval_ms)
    if given.anchor.source == ORACLE_CARRY and reading.is_set("MM_SHOCK_BPS"):
        yield (
            "MM_SHOCK_BPS with MM_ANCHOR_SOURCE_TYPE=oracle_carry: a feed that updates less often "
            "than every MM_SHOCK_PAUSE_SECONDS shows no calm, and a pause does not end"
        )


def _seen(reading: Reading, given: Models) -> Iterator[str]:
    host, port = given.observe.metrics_addr
    if host in _ANY_HOST:
        yield f"MM_METRICS_ADDR serves port {port} on every interface of this machine"
    for name, each in reading.variables.items():
        if each.kind.secret_file and reading.is_set(name):
            file = Path(reading.text(name))
            if file.exists() and file.stat().st_mode & stat.S_IROTH:
                yield f"{name} {reading.shown(name)} can be read by every user here"
