"""What a backtest is asked for, in one TOML file; docs/backtest.md shows all of it.

`[strategy]` holds the bot's own variables, read by the bot's own settings: a name or a value that
the bot would refuse is refused here. What an exchange would need to be reached (addresses, keys) is
filled in with texts that nobody uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from mm_bot.backtest.engine import Exchange
from mm_bot.backtest.generate import Generated, generate
from mm_bot.backtest.journal_tape import read as read_journal
from mm_bot.backtest.pieces import load_all
from mm_bot.backtest.tape import Market, Tape
from mm_bot.backtest.weather import Weather
from mm_bot.core.exact import Amount, Size, exact
from mm_bot.core.instrument import Instrument
from mm_bot.core.policy import Policy
from mm_bot.errors import SettingsError
from mm_bot.fields.toml_file import as_list, as_table, parse, read_text
from mm_bot.settings import load as load_settings

T = TypeVar("T")

_UNUSED: Final = {
    "MM_API_BASE_URL": "http://localhost",
    "MM_RPC_URL": "http://localhost",
    "MM_SUBACCOUNT_ID": "1",
    "MM_DATABASE_URL": "postgresql://localhost/unused",
    "MM_OWNER_PRIVATE_KEY": "0x" + "11" * 32,
}
DEFAULT_MARKET = Market(symbol="GENERATED", base="BASE", quote="QUOTE", tick="0.001", lot="1")
DEFAULT_STRATEGY: Final = {
    "MM_ORDER_SIZE": "1",
    "MM_HALF_SPREAD_BPS": "3",
    "MM_INVENTORY_SKEW_BPS": "5",
    "MM_MAX_LONG_INVENTORY": "20",
    "MM_MAX_SHORT_INVENTORY": "-20",
    "MM_POLL_INTERVAL_MS": "1000",
    "MM_MAX_CANCELS_PER_MINUTE": "0",
    "MM_CANCEL_STALE_ORDER_THRESHOLD_BPS": "1",
}
"""Of an experiment without a file: something to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What it begins with and pays; sizes and amounts as text."""

    position: str = "0"
    quote: str = "1000000"
    maker_fee_bps: str = "0"
    book_levels: int = 5
    """How deep into the book the bot reads."""
    book_reach_ticks: int = 100
    """How far from the best price it looks for them."""

    def __post_init__(self) -> None:
        for name in ("book_levels", "book_reach_ticks"):
            if not 1 <= getattr(self, name) <= 10_000:
                raise SettingsError([f"[account] {name} {getattr(self, name)}: 1 to 10000"])
        for name in ("position", "quote", "maker_fee_bps"):
            try:
                exact(str(getattr(self, name)))
            except (ValueError, TypeError) as error:
                raise SettingsError([f"[account] {name}: {error}"]) from None

    @property
    def start(self) -> tuple[Size, Amount, Decimal]:
        return Size.of(self.position), Amount.of(self.quote), exact(self.maker_fee_bps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uptime:
    """A side counts as quoted while at least `size` of ours rests within `bps` of the reference, as
    exchanges' programmes ask for it; anything at all where `size` is 0."""

    bps: int = 50
    size: str = "0"

    def __post_init__(self) -> None:
        try:
            exact(self.size)
        except (ValueError, TypeError) as error:
            raise SettingsError([f"[uptime] size: {error}"]) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """`tape_files` or `generated`, how the exchange answers, and the bot's variables."""

    tape_files: tuple[Path, ...] = ()
    generated: Generated | None = None
    market: Market | None = None
    exchange: Exchange = field(default_factory=Exchange)
    account: Account = field(default_factory=Account)
    uptime: Uptime = field(default_factory=Uptime)
    weather: Weather = field(default_factory=Weather)
    strategy: Mapping[str, str] = field(default_factory=dict)

    def tape(self) -> Tape:
        """The market that it is run on."""
        if self.tape_files:
            return load_all(self.tape_files, self.market)
        return generate(self.generated or Generated(), self.market or DEFAULT_MARKET)

    def with_variables(self, more: Mapping[str, str]) -> Experiment:
        return replace(self, strategy={**self.strategy, **more})


DEFAULT = Experiment(generated=Generated(), market=DEFAULT_MARKET, strategy=DEFAULT_STRATEGY)


def read(path: Path) -> Experiment:
    """An experiment from its file.

    Raises:
        SettingsError: with what is wrong in it.
    """
    members = parse(read_text(path), str(path))
    return made_of(members, path.parent, str(path))


def made_of(members: Mapping[str, Any], folder: Path, named: str) -> Experiment:
    """From the tables of a file; paths in it are below `folder`. Raises as `read` does."""
    known = ("tape", "market", "exchange", "account", "uptime", "weather", "strategy", "sweep")
    if extra := sorted(set(members) - set(known)):
        raise SettingsError([f"{named}: no table [{extra[0]}]; there are {', '.join(known)}"])
    tables = {name: as_table(value, f"{named}: [{name}]") for name, value in members.items()}
    tape = tables.get("tape", {})
    if extra := sorted(set(tape) - {"file", "files", "generate"}):
        raise SettingsError([f"{named}: [tape] has no {extra[0]}"])
    files = [*as_list(tape.get("files", []), f"{named}: [tape] files")]
    files += [tape["file"]] if "file" in tape else []
    if (not files) == ("generate" not in tape) and "files" not in tables.get("sweep", {}):
        raise SettingsError(
            [f"{named}: [tape] needs either file = ..., files = [...] or [tape.generate]"]
        )
    generate = tape.get("generate")
    return Experiment(
        tape_files=tuple(folder / str(file) for file in files),
        generated=None if generate is None else _made(Generated, generate, "tape.generate"),
        market=_made(Market, tables["market"], "market") if "market" in tables else None,
        exchange=_exchange(tables.get("exchange", {}), folder),
        account=_made(Account, tables.get("account", {}), "account"),
        uptime=_made(Uptime, tables.get("uptime", {}), "uptime"),
        weather=_made(Weather, tables.get("weather", {}), "weather"),
        strategy=_variables(tables.get("strategy", {}), named),
    )


def _variables(members: Mapping[str, Any], named: str) -> dict[str, str]:
    if other := [name for name in members if not name.startswith("MM_")]:
        raise SettingsError(
            [f"{named}: [strategy] {other[0]}: the bot's variables begin with MM_ (README.md)"]
        )
    return {name: str(value) for name, value in members.items()}


def _exchange(members: Mapping[str, Any], folder: Path) -> Exchange:
    """With `journal = PATH` the latencies are those that were measured there."""
    rest = {name: value for name, value in members.items() if name != "journal"}
    exchange = _made(Exchange, rest, "exchange")
    if "journal" not in members:
        return exchange
    latencies = read_journal(folder / str(members["journal"])).latencies
    if not latencies:
        raise SettingsError([f"[exchange] journal {members['journal']}: no answered command in it"])
    return replace(exchange, latencies=latencies)


def _made(kind: type[T], members: object, table: str) -> T:
    """A table as its class: numbers of money may be given as TOML strings or integers."""
    known = {each.name: each for each in fields(cast(Any, kind)) if each.type in _TAKES}
    faults, values = [], {}
    for name, value in as_table(members, f"[{table}]").items():
        if name not in known:
            faults.append(f"[{table}] has no {name}; there are {', '.join(known)}")
            continue
        takes, fits = _TAKES[cast(str, known[name].type)]
        if not fits(value):
            faults.append(f"[{table}] {name} = {value!r:.60}: write {takes}")
        values[name] = str(value) if known[name].type == "str" else value
    if faults:
        raise SettingsError(faults)
    try:
        return kind(**values)
    except TypeError as error:
        raise SettingsError([f"[{table}]: {error}"]) from None


def _is_whole(value: object) -> bool:
    return type(value) is int and abs(value) < 2**63


_TAKES: Final[Mapping[object, tuple[str, Callable[[object], bool]]]] = {
    "str": ("an exact number as text", lambda value: isinstance(value, str) or _is_whole(value)),
    "int": ("a whole number", _is_whole),
    "float": ("a number", lambda v: _is_whole(v) or (isinstance(v, float) and isfinite(v))),
}
"""What a member of each type takes; the latencies, which have another, are measured."""


def policy_of(strategy: Mapping[str, str], instrument: Instrument) -> tuple[Policy, int]:
    """The bot's policy by its variables, and its poll interval in milliseconds.

    Raises:
        SettingsError: with every fault that the bot itself would find.
    """
    settings = load_settings({**_UNUSED, "MM_MARKET_SYMBOL": instrument.symbol, **strategy})
    return settings.policy(instrument), settings.poll_interval_ms
