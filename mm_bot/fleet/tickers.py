"""The fleet in the environment alone, in the words of the Ethereal bot that came before: `TICKERS`,
and settings of all of them with overrides of each.

| there | here |
| --- | --- |
| `TICKERS=BTCUSD,ETHUSD` | one market each |
| `QUOTE_REFRESH_CYCLE` (ms) | `MM_POLL_INTERVAL_MS` |
| `SPREAD_WIDTH` (bps between bid and ask), `BTC_USD_SPREAD_WIDTH` | `MM_HALF_SPREAD_BPS` |
| `MAX_PRICE_DEVIATION` (percent), of one too | `MM_CANCEL_STALE_ORDER_THRESHOLD_BPS` |
| `ORDER_SIZE`, `BTC_USD_ORDER_SIZE` | `MM_ORDER_SIZE` |

Every `MM_` variable holds for all markets, and is stronger than what the table gives for all; an
override of one market is stronger still.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from mm_bot.core.exact import plain
from mm_bot.errors import SettingsError
from mm_bot.fleet.plan import Fleet, read

TICKERS: Final = "TICKERS"
_QUOTE: Final = "USD"
_SETTINGS: Final[dict[str, tuple[str, Callable[[Decimal], Decimal]]]] = {
    "QUOTE_REFRESH_CYCLE": ("MM_POLL_INTERVAL_MS", lambda ms: ms),
    "SPREAD_WIDTH": ("MM_HALF_SPREAD_BPS", lambda bps: bps / 2),
    "MAX_PRICE_DEVIATION": ("MM_CANCEL_STALE_ORDER_THRESHOLD_BPS", lambda part: part * 100),
    "ORDER_SIZE": ("MM_ORDER_SIZE", lambda size: size),
}


def read_tickers(environment: Mapping[str, str], folder: Path) -> Fleet:
    """The fleet of an environment; its files go into `folder`.

    Raises:
        SettingsError: with every fault.
    """
    faults: list[str] = []
    names = [name.strip() for name in environment[TICKERS].split(",") if name.strip()]
    common = _given(environment, "", faults)
    weak = {name: text for name, text in common.items() if name not in environment}
    markets = {}
    for name in names:
        base = name.removesuffix(_QUOTE)
        markets[name] = {**weak, **_given(environment, f"{base}_{_QUOTE}_", faults)}
    if faults:
        raise SettingsError(faults)
    return read({"fleet": {"folder": str(folder)}, "market": markets}, environment, Path())


def _given(environment: Mapping[str, str], prefix: str, faults: list[str]) -> dict[str, str]:
    found = {}
    for name, (variable, convert) in _SETTINGS.items():
        text = environment.get(prefix + name)
        if not text:
            continue
        try:
            number = Decimal(text)
            if not (number.is_finite() and number > 0):
                raise InvalidOperation
        except InvalidOperation:
            faults.append(f"{prefix}{name}={text!r}: give a number above 0")
            continue
        found[variable] = plain(convert(number))
    return found
