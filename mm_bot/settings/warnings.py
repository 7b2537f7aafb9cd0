"""What start-up says about settings that are valid and yet may surprise."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from mm_bot.core.policy import OperatorMode
from mm_bot.settings import table as t
from mm_bot.settings import table_anchors as a
from mm_bot.settings import table_run as r
from mm_bot.settings.anchors import price_bounds, reference_min_size
from mm_bot.settings.reading import VARIABLES, Reading

_LONG_LIFE_MS = 3_600_000
_ANY_HOST = ("0.0.0.0", "::")


def warnings(reading: Reading) -> tuple[str, ...]:
    """Guards turned off first, then everything else; the reading has no faults."""
    assert not reading.faults
    return (
        *_guards_off(reading),
        *_unbounded(reading),
        *_useless(reading),
        *_slower_than_limits(reading),
        *_seen(reading),
    )


def _guards_off(reading: Reading) -> Iterator[str]:
    for variable in VARIABLES.values():
        on_by_default = variable.kind.off and variable.default_text != "0"
        if on_by_default and reading.sound(variable) and reading[variable] is None:
            yield (
                f"{variable.name} is 0: this guard is off "
                f"(by default it is {variable.default_text})"
            )


def _unbounded(reading: Reading) -> Iterator[str]:
    """Where a price could be anything, or made by anybody for nothing."""
    named = zip((a.MIN_PRICE, a.MAX_PRICE), price_bounds(reading), strict=True)
    missing = [variable.name for variable, bound in named if bound is None]
    if missing:
        yield (
            f"{' and '.join(missing)} not set: a reference price of the wrong unit is believed; "
            f"set what {reading[t.MARKET_SYMBOL]} can never leave"
        )
    if reading.is_set(t.REFERENCE_MIN_SIZE) and not reference_min_size(reading):
        yield (
            f"{t.REFERENCE_MIN_SIZE.name} is 0: anybody's smallest order or trade makes the local "
            "price (by default a tenth of MM_ORDER_SIZE does)"
        )


def _useless(reading: Reading) -> Iterator[str]:
    if reading[r.EXTERNAL_ENABLED] and reading[t.MARKET_SYMBOL] != r.BOOTSTRAP_MARKET:
        yield (
            f"{r.EXTERNAL_ENABLED.name} is on, but applies to {r.BOOTSTRAP_MARKET} only, "
            f"not to {reading[t.MARKET_SYMBOL]}: it is not used"
        )
    ages = (
        (t.REFERENCE_TRADE_MAX_AGE, "no last trade is ever a reference price"),
        (r.ANCHOR_ORACLE_MAX_AGE, "no answer of the feed is ever young enough"),
        (r.EXTERNAL_MAX_AGE, "no external price is ever young enough"),
    )
    for variable, effect in ages:
        if reading[variable] == 0:
            yield f"{variable.name} is 0: {effect}"
    if not reading[t.MAX_LONG_INVENTORY] and not reading[t.MAX_SHORT_INVENTORY]:
        yield (
            f"{t.MAX_LONG_INVENTORY.name} and {t.MAX_SHORT_INVENTORY.name} are both 0: "
            "there is room for no position"
        )
    if reading[t.ORDER_EXPIRY] > _LONG_LIFE_MS:
        yield (
            f"{t.ORDER_EXPIRY.name} is over an hour: nothing but its expiry ends a signature, "
            "not even a cancel"
        )
    if reading[r.DRY_RUN] and reading[r.MODE] is not OperatorMode.DRY_RUN_HEALTH:
        yield f"{r.DRY_RUN.name} is on: all is decided and logged, nothing is sent"


def _slower_than_limits(reading: Reading) -> Iterator[str]:
    poll = reading[r.POLL_INTERVAL]
    for variable in (t.STALE_MARKET_DATA, t.STALE_BALANCE, t.STALE_ANCHOR):
        limit = reading[variable]
        if limit is not None and limit <= poll:
            yield (
                f"{variable.name} is not above {r.POLL_INTERVAL.name}, {poll} ms: "
                "it will halt between two reads"
            )


def _seen(reading: Reading) -> Iterator[str]:
    host, port = reading[r.METRICS_ADDR]
    if host in _ANY_HOST:
        yield f"{r.METRICS_ADDR.name} serves port {port} on every interface of this machine"
    for variable in (
        t.OWNER_KEYSTORE_PASSWORD_FILE,
        t.SIGNER_KEYSTORE_PASSWORD_FILE,
    ):
        file = reading[variable]
        if file is not None and file.exists() and file.stat().st_mode & stat.S_IROTH:
            yield f"{variable.name} {reading.shown(variable)} can be read by every user here"
