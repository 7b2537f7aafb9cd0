"""The markets the local exchange lists: what each is made of and how the API presents it.

A market is a value; nothing here reads a clock or a file. `local_instruments` derives the three
markets of a fresh local exchange from a given moment, `parse_instruments` and `dump_instruments`
carry them between processes as one JSON setting.

1. Engine prices are a whole number of `tick_size`, engine amounts a whole number of `amount_step`.
2. A symbol once listed and then disabled is refused; one never listed falls back to spot.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

import orjson

Kind = Literal["spot", "deliverable_fx_future"]
SPOT_SPEC: Final = "usdc_cngn_spot_v1"
_NEAR_LEAST_DAYS: Final = 40
_FAR_LEAST_DAYS: Final = 210


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One market; `sub_id` of a future is its expiry in unix seconds."""

    symbol: str
    kind: Kind
    asset_address: str
    sub_id: int
    enabled: bool = True

    def __post_init__(self) -> None:
        assert self.asset_address == self.asset_address.lower(), "addresses are kept lower case"
        assert (self.kind == "spot") == (self.sub_id == 0), "only spot has sub id 0"

    @property
    def is_spot(self) -> bool:
        return self.kind == "spot"

    @property
    def market_key(self) -> str:
        """The name of the market in `market_events`."""
        return f"{self.asset_address}:{self.sub_id}"

    @property
    def tick_size(self) -> str:
        return "0.000000000000000001" if self.is_spot else "1"

    @property
    def amount_step(self) -> str:
        return "1" if self.is_spot else "0.001"

    @property
    def expiry_seconds(self) -> int | None:
        return None if self.is_spot else self.sub_id

    def chain_price(self, price_ticks: int) -> int:
        """Ticks to the 18-decimal fixed point of signed data."""
        return price_ticks if self.is_spot else price_ticks * 10**18

    def chain_amount(self, amount_steps: int) -> int:
        """Stored amount to the 18-decimal fixed point of signed data."""
        return amount_steps * 10**18 if self.is_spot else amount_steps * 10**15


def future_symbol(expiry_seconds: int) -> str:
    """`USDCcNGN-NOV30-2026` for a future that expires then."""
    moment = datetime.fromtimestamp(expiry_seconds, UTC)
    return f"USDCcNGN-{_month(moment)}{moment.day:02d}-{moment.year}"


def local_instruments(now: datetime, spot_asset: str, future_asset: str) -> tuple[Instrument, ...]:
    """Spot and two futures, one a good month ahead of `now` and one about seven months ahead."""
    near = _month_end_at_least(now, _NEAR_LEAST_DAYS)
    far = _month_end_at_least(now, _FAR_LEAST_DAYS)
    spot = Instrument(
        symbol="USDCcNGN-SPOT", kind="spot", asset_address=spot_asset.lower(), sub_id=0
    )
    futures = (
        Instrument(
            symbol=future_symbol(expiry),
            kind="deliverable_fx_future",
            asset_address=future_asset.lower(),
            sub_id=expiry,
        )
        for expiry in (near, far)
    )
    return (spot, *futures)


def local_expiries(now: datetime) -> tuple[int, int]:
    """The expiries `local_instruments` lists, for whoever sets the contracts up."""
    return (
        _month_end_at_least(now, _NEAR_LEAST_DAYS),
        _month_end_at_least(now, _FAR_LEAST_DAYS),
    )


def dump_instruments(instruments: Sequence[Instrument]) -> str:
    """The markets as one JSON setting."""
    fields = ("symbol", "kind", "asset_address", "sub_id", "enabled")
    return orjson.dumps([{f: getattr(i, f) for f in fields} for i in instruments]).decode()


def parse_instruments(text: str) -> tuple[Instrument, ...]:
    """The inverse of `dump_instruments`."""
    return tuple(Instrument(**entry) for entry in orjson.loads(text))


class MarketList:
    """Look-up of markets the way the API resolves a request's words."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.listed: Final = tuple(
            sorted((i for i in instruments if i.enabled), key=lambda i: i.symbol)
        )
        self._by_symbol = {i.symbol: i for i in instruments}
        self._by_asset = {(i.asset_address, str(i.sub_id)): i for i in instruments}
        self._spot = next(i for i in self.listed if i.is_spot)

    def by_asset(self, asset_address: str, sub_id: str) -> Instrument | None:
        """The enabled market of an order's asset and sub id (none given means 0)."""
        found = self._by_asset.get((asset_address.lower(), sub_id or "0"))
        return found if found is not None and found.enabled else None

    def by_query(self, symbol: str, asset_address: str, sub_id: str) -> Instrument | None:
        """The market of a read, None where it is disabled.

        A symbol or an asset that was never listed silently answers with spot: measured.
        """
        if symbol:
            canonical = symbol.replace("USDC-cNGN-", "USDCcNGN-", 1)
            found = self._by_symbol.get(canonical, self._spot)
        elif asset_address:
            found = self._by_asset.get((asset_address.lower(), sub_id or "0"), self._spot)
        else:
            found = self._spot
        return found if found.enabled else None


def presentation(
    instrument: Instrument, last_trade_timestamp: int | None
) -> dict[str, str | int | None]:
    """What `/v1/markets` and `market_presentation` say of a market, in the exchange's order."""
    spot = instrument.is_spot
    shown: dict[str, str | int | None] = {**order_presentation(instrument)}
    del shown["tick_size"]
    shown["last_trade_timestamp"] = last_trade_timestamp
    shown["tick_size"] = instrument.tick_size
    shown["settlement_note"] = _SPOT_NOTE if spot else _FUTURE_NOTE
    shown["pricing_model"] = "linear"
    shown["display_price_kind"] = "direct"
    shown["asset_address"] = instrument.asset_address
    shown["sub_id"] = str(instrument.sub_id)
    if spot:
        shown.update(_SPOT_FIELDS)
    return shown


def order_presentation(instrument: Instrument) -> dict[str, str | int | None]:
    """The market's fields that every listed order carries."""
    shown: dict[str, str | int | None] = {
        "market": instrument.symbol,
        "contract_type": instrument.kind,
        "settlement_type": "spot" if instrument.is_spot else "physical_delivery",
        "base_asset_symbol": "USDC",
        "quote_asset_symbol": "cNGN",
    }
    if instrument.expiry_seconds is not None:
        shown["expiry_timestamp"] = instrument.expiry_seconds
    shown["price_semantics"] = "linear"
    shown["display_name"] = _display_name(instrument)
    shown["display_label"] = "cNGN per USDC"
    shown["display_semantics"] = "direct"
    shown["tick_size"] = instrument.tick_size
    return shown


def lot_size(instrument: Instrument) -> Decimal:
    """The step of the body's `desired_amount`."""
    return Decimal(instrument.amount_step)


def _display_name(instrument: Instrument) -> str:
    if instrument.expiry_seconds is None:
        return "USDC/cNGN Spot"
    moment = datetime.fromtimestamp(instrument.expiry_seconds, UTC)
    return f"USDC-cNGN {_month(moment)}-{moment.day:02d}-{moment.year} Future"


def _month(moment: datetime) -> str:
    # calendar follows the locale; the exchange does not.
    names = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
    return names[moment.month - 1]


def _month_end_at_least(now: datetime, days_ahead: int) -> int:
    """00:00 UTC of the first last-of-month that lies at least `days_ahead` days ahead."""
    earliest = (now.astimezone(UTC) + timedelta(days=days_ahead)).date()
    for months in range(3):
        index = earliest.month - 1 + months
        year, month = earliest.year + index // 12, index % 12 + 1
        last = date(year, month, calendar.monthrange(year, month)[1])
        if last > earliest:
            return int(datetime(last.year, last.month, last.day, tzinfo=UTC).timestamp())
    raise AssertionError("one of three month ends lies ahead of any date")


_SPOT_NOTE: Final = (
    "Spot-style orderbook market on Base. Trades exchange WRAPPED_CNGN against internal USDC cash "
    "using the existing single quote-asset rail."
)
_FUTURE_NOTE: Final = (
    "Physically delivered on Base. Long pays cNGN and receives fixed USDC notional; short pays "
    "fixed USDC notional and receives cNGN."
)
_SPOT_FIELDS: Final = {
    "order_entry_spec": SPOT_SPEC,
    "ui_price_unit": "cNGN per USDC",
    "ui_size_unit": "USDC notional",
    "ui_side_meaning": (
        "BUY acquires USDC and sells cNGN inventory; SELL delivers USDC and buys cNGN inventory."
    ),
    "engine_price_unit": "USDC per cNGN",
    "engine_amount_unit": "cNGN amount",
    "engine_side_policy": "invert_ui_side",
    "ui_price_to_engine": "engine_price = 1 / ui_price",
    "ui_size_to_engine": "engine_amount = ui_size * ui_price",
}
