"""The fleet in the environment alone, in the words of the Ethereal bot that came before: `TICKERS`,
and settings of all of them with overrides of each.

| there | here |
| --- | --- |
| `TICKERS=BTCUSD,ETHUSD` | one market each |
| `QUOTE_REFRESH_CYCLE` (ms) | `MM_POLL_INTERVAL_MS` |
| `SPREAD_WIDTH` (bps between bid and ask), `BTC_USD_SPREAD_WIDTH` | `MM_HALF_SPREAD_BPS` |
| `MAX_PRICE_DEVIATION` (percent), of one too | `MM_MAX_ORDER_DEVIATION_BPS` |
| `ORDER_SIZE`, `BTC_USD_ORDER_SIZE` | `MM_ORDER_SIZE` |
| `HERMES_ENDPOINT` | `MM_ANCHOR_PYTH_BASE_URL` |
| `ETHEREAL_API_BASE_URL` | `MM_ETHEREAL_REST_URL`, without its `/v1` |

Every `MM_` variable holds for all markets, and is stronger than what the table gives for all. An
override of one market is stronger still, and may be of any variable: `BTC_USD_MM_ORDER_SIZE`.
All tickers share the writes that Ethereal takes of one address (`MM_ETHEREAL_WRITES_PER_MINUTE`).
The venue is `ethereal` where `MM_VENUE` says nothing else. Keys are read under our own names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from mm_bot.core.exact import plain
from mm_bot.errors import SettingsError
from mm_bot.fleet.plan import Fleet, read
from mm_bot.settings import models

TICKERS: Final = "TICKERS"
_QUOTE: Final = "USD"
_WRITES: Final = "MM_ETHEREAL_WRITES_PER_MINUTE"
_SETTINGS: Final[dict[str, tuple[str, Callable[[Decimal], Decimal]]]] = {
    "QUOTE_REFRESH_CYCLE": ("MM_POLL_INTERVAL_MS", lambda ms: ms),
    "SPREAD_WIDTH": ("MM_HALF_SPREAD_BPS", lambda bps: bps / 2),
    "MAX_PRICE_DEVIATION": ("MM_MAX_ORDER_DEVIATION_BPS", lambda part: part * 100),
    "ORDER_SIZE": ("MM_ORDER_SIZE", lambda size: size),
}


def read_tickers(environment: Mapping[str, str], folder: Path) -> Fleet:
    """The fleet of an environment; its files go into `folder`.

    Raises:
        SettingsError: with every fault.
    """
    faults: list[str] = []
    names = [name.strip() for name in environment[TICKERS].split(",") if name.strip()]
    common = {"MM_VENUE": "ethereal", **_given(environment, "", faults), **_places(environment)}
    weak = {name: text for name, text in common.items() if name not in environment}
    markets = {}
    for name in names:
        base = name.removesuffix(_QUOTE)
        prefix = f"{base}_{_QUOTE}_"
        any_other = {
            each.removeprefix(prefix): text
            for each, text in environment.items()
            if each.startswith(f"{prefix}MM_")
        }
        markets[name] = {**weak, **_given(environment, prefix, faults), **any_other}
    if faults:
        raise SettingsError(faults)
    given: dict[str, object] = {"fleet": {"folder": str(folder)}, "market": markets}
    if environment.get("MM_VENUE", "ethereal") == "ethereal":
        total = environment.get(_WRITES, "") or _default(_WRITES)
        shared = {"name": "writes of our address", "variable": _WRITES}
        given["budget"] = [
            {**shared, "total": int(total) if re.fullmatch("[0-9]{1,9}", total) else total}
        ]
    return read(given, environment, Path())


def _default(variable: str) -> str:
    """Of a variable of the Ethereal venue."""
    venue = models.venue_module({"MM_VENUE": "ethereal"})
    known = (each for section in models.sections(venue) for each in section.variables)
    return next(each.default_text or "" for each in known if each.name == variable)


def _places(environment: Mapping[str, str]) -> dict[str, str]:
    """Addresses."""
    found = {}
    if hermes := environment.get("HERMES_ENDPOINT"):
        found["MM_ANCHOR_PYTH_BASE_URL"] = hermes
    if api := environment.get("ETHEREAL_API_BASE_URL"):
        found["MM_ETHEREAL_REST_URL"] = api.rstrip("/").removesuffix("/v1")
    return found


def _given(environment: Mapping[str, str], prefix: str, faults: list[str]) -> dict[str, str]:
    found = {}
    for name, (variable, convert) in _SETTINGS.items():
        text = environment.get(prefix + name)
        if not text:
            continue
        try:
            number = Decimal(text)
            if not (number.is_finite() and number > 0 and abs(number.adjusted()) < 30):
                raise InvalidOperation
        except InvalidOperation:
            faults.append(f"{prefix}{name}={text!r}: give a number above 0")
            continue
        found[variable] = plain(convert(number))
    return found
