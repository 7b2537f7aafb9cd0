"""A tape: one market's events for the engine, and a manifest that says what they are.

On disk `NAME.npz` with one array `data` of the engine's events, and `NAME.json` beside it. An npz
of hftbacktest without a manifest is read too, its market given by whoever reads it.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
import zlib
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from mm_bot.backtest.arrays import CLEAR, EVENT, Array, np
from mm_bot.core.exact import Price, Size, exact
from mm_bot.core.instrument import Capabilities, Instrument, Kind, Margin
from mm_bot.errors import SettingsError

NS_A_MS = 1_000_000
NS_A_SECOND = 1_000_000_000
_DAMAGED = (
    *(EOFError, ValueError, KeyError, OverflowError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, struct.error, MemoryError, SyntaxError),
)
"""What reading raises of a file that is no archive of arrays, or a broken one. RuntimeError: one
that says of itself that it is encrypted, or packed in a way that nobody here knows."""
OFF_GRID = 1e-3
"""Of a tick: what a price as a float may be away from the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is traded, as text; `tick` and `lot` are the steps of price and size."""

    symbol: str
    base: str
    quote: str
    tick: str
    lot: str
    kind: str = "perpetual"
    multiplier: str = "1"

    def instrument(self) -> Instrument:
        """As the bot sees it. A perpetual's margin is left out: nothing runs short of collateral.

        Raises:
            SettingsError: where a number or the kind is none.
        """
        try:
            kind = Kind(self.kind)
            for name in ("tick", "lot", "multiplier"):
                if not exact(getattr(self, name)) > 0:
                    raise ValueError(f"{name} {getattr(self, name)}: above 0")
            return Instrument(
                symbol=self.symbol,
                base=self.base,
                quote=self.quote,
                kind=kind,
                price_tick=Price.of(self.tick),
                size_step=Size.of(self.lot),
                multiplier=Decimal(self.multiplier),
                margin=Margin.FUNDED if kind is Kind.SPOT else Margin.QUOTE,
                margin_rate=Decimal(0),
                collateral=self.quote,
                expiry_ms=None,
                capabilities=Capabilities(resend_safe=True),
            )
        except (ValueError, ArithmeticError) as error:
            raise SettingsError([f"market {self.symbol}: {error}"]) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """`events` are in the engine's order; `about` is a sentence for people. Of a piece of a longer
    one (pieces.py) the first `opening` events restate the book, and `follows` is the hash of the
    piece before it."""

    market: Market
    events: Array
    about: str
    generated: bool = False
    opening: int = 0
    follows: str = ""

    @property
    def begins_ns(self) -> int:
        return int(self.events["local_ts"][0])

    @property
    def ends_ns(self) -> int:
        return int(self.events["local_ts"].max())

    @property
    def seconds(self) -> float:
        return (self.ends_ns - self.begins_ns) / NS_A_SECOND

    def sha256(self) -> str:
        """Of the events and the market: two results with one hash saw one market."""
        digest = hashlib.sha256(json.dumps(asdict(self.market), sort_keys=True).encode())
        digest.update(np.ascontiguousarray(self.events).tobytes())
        return digest.hexdigest()

    def until(self, end_ns: int) -> Tape:
        """What of it was there before `end_ns`, by either clock."""
        rows = self.events
        early = np.minimum(rows["exch_ts"], rows["local_ts"]) < end_ns
        return replace(self, events=rows[early])

    def save(self, path: Path) -> None:
        """The npz and its manifest beside it."""
        np.savez_compressed(path, data=self.events)
        manifest = {
            "format": 1,
            "market": asdict(self.market),
            "about": self.about,
            "generated": self.generated,
            "events": len(self.events),
            "begins_ns": self.begins_ns,
            "ends_ns": self.ends_ns,
            "sha256": self.sha256(),
            "opening": self.opening,
            "follows": self.follows,
        }
        path.with_suffix(".json").write_text(json.dumps(manifest, indent=2) + "\n")


def load(path: Path, market: Market | None = None) -> Tape:
    """A tape from its npz; `market` where no manifest stands beside it.

    Raises:
        SettingsError: where it is none, or not what its manifest says.
    """
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file) as arrays:
            rows = arrays["data"]
    except OSError as error:
        raise SettingsError([f"{path} is no tape: {error.strerror or error}"]) from None
    except _DAMAGED as error:
        raise SettingsError(
            [
                f"{path} is no tape: {error}; give an npz of events, as `mm-backtest convert` and "
                "`tape` write"
            ]
        ) from None
    if rows.dtype != EVENT or not len(rows):
        raise SettingsError([f"{path} is no tape: not an array of the engine's events"])
    beside = path.with_suffix(".json")
    if market is not None:
        _fits(rows, market, path)
    if not beside.is_file():
        if market is None:
            raise SettingsError(
                [f"{path} has no manifest {beside.name} beside it: give [market] in the experiment"]
            )
        return Tape(market=market, events=rows, about=path.name)
    try:
        told: dict[str, Any] = orjson.loads(beside.read_bytes())  # has a bound on nesting
        tape = Tape(
            market=market or Market(**told["market"]),
            events=rows,
            about=str(told["about"]),
            generated=bool(told["generated"]),
            opening=int(told.get("opening", 0)),
            follows=str(told.get("follows", "")),
        )
        sha256 = str(told["sha256"])
    except (*_DAMAGED, TypeError) as error:
        raise SettingsError([f"{beside} is no manifest of a tape: {error}"]) from None
    if market is None and tape.sha256() != sha256:
        raise SettingsError([f"{path} is not what {beside.name} says: its SHA-256 differs"])
    return tape


def _fits(rows: Array, market: Market, path: Path) -> None:
    """Raises SettingsError where a price is not on the tick: the engine would move it silently."""
    market.instrument()
    prices = rows["px"][(rows["ev"] & np.uint64(0xFF)) != CLEAR]
    with np.errstate(all="ignore"):
        ticks = prices / float(market.tick)
        off = ~(np.abs(ticks - np.rint(ticks)) <= OFF_GRID)
    if off.any():
        raise SettingsError(
            [
                f"{path}: price {prices[off][0]:.12g} is no multiple of the tick {market.tick}: "
                "give this market's own in [market]"
            ]
        )
