"""What a fleet is: its markets, each with the environment of one bot, and what they share.

From a TOML file:

    [fleet]                       # all of it may be left out
    folder = "fleet"              # state files, kill switches and logs, beside the file
    metrics_addr = "127.0.0.1:9500"   # the parent's pages; the bots' follow on the ports after it

    [environment]                 # variables of every market
    MM_VENUE = "derive"

    [market.ETH-PERP]             # variables of this one; its name is MM_MARKET_SYMBOL
    MM_ORDER_SIZE = "0.5"

    [[budget]]                    # what markets share: a limit by account, by address, by IP
    name = "writes of our account"
    variable = "MM_DERIVE_REQUESTS_PER_MINUTE"
    total = 300
    markets = ["ETH-PERP"]        # all of them where it is left out

Below all of these stands the parent's own environment, so that keys need not be in the file. A
market of a budget that says nothing itself gets an even share of what the others leave.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeGuard

from mm_bot.errors import SettingsError
from mm_bot.fields.toml_file import parse, read_text

DEFAULT_FILE: Final = Path("fleet.toml")
DEFAULT_ADDRESS: Final = "127.0.0.1:9500"
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,48}")
_TOP: Final = {"fleet", "environment", "market", "budget"}
_FLEET: Final = {"folder", "metrics_addr"}
_BUDGET: Final = {"name", "variable", "total", "markets"}

Table = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One bot. `own` is what the fleet says of it, `environment` all that its process gets."""

    name: str
    own: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)
    url: str
    """Of its pages."""
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What markets share: the values of `variable` of all of them are at most `total`."""

    name: str
    variable: str
    total: int
    markets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All of it. `host` and `port` are the parent's pages."""

    folder: Path
    host: str
    port: int
    markets: tuple[Market, ...]
    budgets: tuple[Budget, ...] = ()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def read_file(path: Path, environment: Mapping[str, str]) -> Fleet:
    """The fleet of a file.

    Raises:
        SettingsError: with every fault.
    """
    content = parse(read_text(path), str(path), parse_float=str)
    return read(content, environment, path.parent)


def read(content: Table, environment: Mapping[str, str], beside: Path) -> Fleet:
    """The same of what a file has; paths are beside `beside`."""
    faults: list[str] = []
    _check_names("", content, _TOP, faults)
    given, common = content.get("fleet", {}), content.get("environment", {})
    sections, budgets = content.get("market", {}), content.get("budget", [])
    if not (_is_table(given) and _is_table(common) and _is_table(sections)):
        raise SettingsError(["fleet, environment and market must be tables: [fleet], [market.X]"])
    _check_names("fleet.", given, _FLEET, faults)
    if not sections:
        faults.append("market: there is none; give each one a table, such as [market.ETH-PERP]")
    shared = _budgets(budgets, tuple(sections), faults)
    own: dict[str, dict[str, str]] = {}
    for name, section in sections.items():
        if not _NAME.fullmatch(name) or not _is_table(section):
            faults.append(f"market.{name}: give a table named after a symbol")
            continue
        own[name] = {**_texts("environment", common, faults)}
        own[name] |= _texts(f"market.{name}", section, faults)
    host, port = _address(given.get("metrics_addr", DEFAULT_ADDRESS), len(own), faults)
    for budget in shared:
        _share(budget, own, faults)
    if faults:
        raise SettingsError(list(dict.fromkeys(faults)))
    folder = beside / str(given.get("folder", "fleet"))
    markets = tuple(
        _market(name, texts, environment, folder, host, port + number)
        for number, (name, texts) in enumerate(own.items(), start=1)
    )
    return Fleet(folder=folder, host=host, port=port, markets=markets, budgets=shared)


def _market(
    name: str,
    own: dict[str, str],
    environment: Mapping[str, str],
    folder: Path,
    host: str,
    port: int,
) -> Market:
    defaults = {
        "MM_MARKET_SYMBOL": name,
        "MM_METRICS_ADDR": f"{host}:{port}",
        "MM_STATE_FILE": str(folder / f"{name}.json"),
        "MM_KILL_SWITCH_FILE": str(folder / f"{name}.kill"),
        "MM_CANCEL_ON_SHUTDOWN": "true",
        "MM_WAIT_FOR_LOCK": "true",
    }
    own = {**defaults, **own}
    return Market(
        name=name,
        own=own,
        environment={**environment, **own},
        url=f"http://{own['MM_METRICS_ADDR']}",
        log=folder / f"{name}.log",
    )


def _budgets(given: object, names: tuple[str, ...], faults: list[str]) -> tuple[Budget, ...]:
    if not isinstance(given, list):
        faults.append("budget: give each one as [[budget]]")
        return ()
    found = []
    for number, each in enumerate(given, start=1):
        label = f"budget {number}"
        if not _is_table(each):
            faults.append(f"{label}: give it as [[budget]]")
            continue
        _check_names(f"{label}.", each, _BUDGET, faults)
        members = each.get("markets", list(names))
        total, variable = each.get("total"), each.get("variable")
        if not isinstance(total, int) or isinstance(total, bool) or total < 1:
            faults.append(f"{label}.total={total!r}: give a whole number above 0")
        elif not isinstance(variable, str) or not variable.startswith("MM_"):
            faults.append(f"{label}.variable={variable!r}: give the variable that is a share of it")
        elif not isinstance(members, list) or not all(each in names for each in members):
            faults.append(f"{label}.markets={members!r}: give names of markets of this file")
        else:
            name = str(each.get("name", variable))
            found.append(Budget(name=name, variable=variable, total=total, markets=tuple(members)))
    return tuple(found)


def _share(budget: Budget, own: dict[str, dict[str, str]], faults: list[str]) -> None:
    """Give who says nothing an even share of what the others leave."""
    members = [name for name in budget.markets if name in own]
    asked = {n: own[n][budget.variable] for n in members if budget.variable in own[n]}
    silent = [name for name in members if name not in asked]
    for name, text in asked.items():
        if not _COUNT.fullmatch(text):
            faults.append(f"market.{name}.{budget.variable}={text!r}: give a whole number")
            return
    left = budget.total - sum(map(int, asked.values()))
    if left < len(silent) or left < 0:
        faults.append(
            f"budget {budget.name!r}: its markets ask for {budget.total - left} of {budget.total} "
            f"({budget.variable}), and {len(silent)} more want a share; ask for less, or run fewer"
        )
        return
    for name in silent:
        own[name][budget.variable] = str(left // len(silent))


def _address(given: object, markets: int, faults: list[str]) -> tuple[str, int]:
    host, _, port = str(given).rpartition(":")
    if host and _COUNT.fullmatch(port) and 0 < int(port) < 2**16 - markets:
        return host, int(port)
    faults.append(
        f"fleet.metrics_addr={given!r}: give host:port, with a free port after it for each market"
    )
    return "", 0


def _texts(where: str, table: Mapping[str, object], faults: list[str]) -> dict[str, str]:
    """Variables as texts, as an environment has them."""
    found = {}
    for name, value in table.items():
        if isinstance(value, bool):
            found[name] = str(value).lower()
        elif isinstance(value, str | int):
            found[name] = str(value)
        else:
            faults.append(f"{where}.{name}={value!r}: give a text or a number")
    return found


def _check_names(where: str, table: Table, known: set[str], faults: list[str]) -> None:
    for name in table:
        if name not in known:
            faults.append(f"{where}{name}: unknown here; there are {', '.join(sorted(known))}")


def _is_table(value: object) -> TypeGuard[Table]:
    return isinstance(value, dict)
