"""What is looked at before the first order, for a start and for `mm-bot check`.

The specification leaves open whether a linked signer of another account is told apart from a bad
signature, and lists no way to ask about it. So our signing is proven by use: a signed cancel of an
order that does not exist, which changes nothing and answers `NotFound` to whoever may sign.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from mm_bot.core.commands import Outcome, Verdict
from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import CLOCK_SKEW_MS
from mm_bot.errors import EdgeError
from mm_bot.venues.checks import Checks, listed
from mm_bot.venues.ethereal import wire
from mm_bot.venues.ethereal.api import EtherealApi
from mm_bot.venues.ethereal.config import EtherealConfig
from mm_bot.venues.ethereal.signing import CANCEL_FIELDS, NAME, ORDER_FIELDS, VERSION
from mm_bot.venues.ethereal.stream import Stream
from mm_bot.venues.ethereal.wire import read

API: Final = "API"
LINK_NOTED_S: Final = 7 * 86_400
"""Links end after 90 days and are renewed in the last two; a week is time to do it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who we are there."""

    subaccount_id: str
    """The UUID that reads go by."""
    ahead_ms: int
    """How far the exchange's clock is ahead of ours."""


async def learn(api: EtherealApi, config: EtherealConfig, checks: Checks) -> Instrument | None:
    """Our market as it is listed; None after a failure."""
    where = f"Ethereal at {config.rest_url}"
    found = await checks.answer(
        API, "our market", api.all("product", ticker=config.market_symbol), where
    )
    if found is None:
        return None
    ours = [p for p in found if isinstance(p, dict) and p.get("ticker") == config.market_symbol]
    if not ours:
        checks.wrong(API, "our market", f"there is no product {config.market_symbol} at {where}")
        return None

    def made() -> tuple[Instrument, Decimal]:
        tick, rate = config.price_tick, config.margin_rate
        market = wire.instrument(ours[0], price_tick=tick, margin_rate=rate)
        return market, read.step(read.members(ours[0], "product"), "tickSize", "product")

    return listed(checks, API, where, made)


async def domain(api: EtherealApi, config: EtherealConfig, checks: Checks) -> bool:
    """Whether the exchange signs for what we do: else no signature of ours may leave."""
    answer = await checks.answer(API, "domain", api.read("rpc/config"), "rpc/config")
    if not isinstance(answer, dict):
        return False
    said, types = _members(answer, "domain"), _members(answer, "signatureTypes")
    wanted: dict[str, tuple[object, object]] = {
        "name": (said.get("name"), NAME),
        "version": (said.get("version"), VERSION),
        "chainId": (said.get("chainId"), config.chain_id),
        "verifyingContract": (str(said.get("verifyingContract")).lower(), config.contract),
        "TradeOrder": (types.get("TradeOrder"), ORDER_FIELDS),
        "CancelOrder": (types.get("CancelOrder"), CANCEL_FIELDS),
    }
    for name, (theirs, ours) in wanted.items():
        if theirs != ours:
            detail = f"{name} is {theirs!r} at the exchange, and we sign for {ours!r}"
            remedy = "nothing is traded under another domain; is MM_ETHEREAL_NETWORK right?"
            checks.wrong(API, "domain", f"{detail}: {remedy}")
            return False
    checks.ok(API, "domain", f"chain {config.chain_id}, contract {config.contract}")
    return True


async def account(api: EtherealApi, config: EtherealConfig, checks: Checks) -> Account | None:
    """Our subaccount, and how the clocks stand; None after a failure."""
    ahead_ms = await checks.answer(API, "clock", clock_ahead_ms(api), "time")
    if ahead_ms is None:
        return None
    if abs(ahead_ms) > CLOCK_SKEW_MS:
        away = f"{abs(ahead_ms) / 1000:.1f} s {'behind' if ahead_ms > 0 else 'ahead of'}"
        checks.note(API, "clock", f"ours is {away} the exchange's: set this machine's clock")
    else:
        checks.ok(API, "clock", f"within {CLOCK_SKEW_MS // 1000} s of ours")
    ask = api.all("subaccount", sender=config.owner)
    found = await checks.answer(API, "subaccount", ask, "subaccount")
    if found is None:
        return None
    word, names = "0x" + config.subaccount_word.hex(), []
    for entry in found:
        members = entry if isinstance(entry, dict) else {}
        name = str(members.get("name", "")).lower()
        if name == word and isinstance(members.get("id"), str):
            checks.ok(API, "subaccount", f"{config.subaccount} of {config.owner}")
            return Account(subaccount_id=members["id"], ahead_ms=ahead_ms)
        names.append(_as_text(name))
    has = f"it has {', '.join(names)}" if names else "it has none: deposit first"
    checks.wrong(
        API, "subaccount", f"{config.owner} has no subaccount {config.subaccount!r}; {has}"
    )
    return None


async def clock_ahead_ms(api: EtherealApi) -> int:
    """How far the exchange's clock is ahead of this machine's; raises EdgeError."""
    began_ms = time.time_ns() // 1_000_000
    said = read.integer(read.members(await api.read("time"), "time"), "time", "time")
    return said - (began_ms + time.time_ns() // 1_000_000) // 2


async def signing(
    config: EtherealConfig,
    signer: str,
    checks: Checks,
    probe: Callable[[], Awaitable[Outcome]],
) -> None:
    """That the exchange takes our signature; `probe` cancels what does not exist."""
    if config.dry_run:
        checks.skipped(API, "signing", "a dry run sends nothing signed")
        return
    outcome = await probe()
    who = "the owner" if signer == config.owner else f"a signer linked to {config.owner}"
    if outcome.detail == "NotFound":
        checks.ok(API, "signing", f"{signer} may sign, as {who}")
        return
    detail = f"a cancel signed by {signer}, as {who}, ends with: {outcome.detail}"
    if "ExchangeSuspended" in outcome.detail or outcome.verdict is Verdict.REFUSED:
        checks.silent(API, "signing", f"{detail}; the exchange takes nothing now: try again later")
    elif outcome.detail.startswith(("400", "401", "403", "422")):
        checks.wrong(API, "signing", f"{detail}; is it linked to this account, and not revoked?")
    else:
        checks.silent(API, "signing", detail)


async def link(
    api: EtherealApi, config: EtherealConfig, signer: str, subaccount_id: str, checks: Checks
) -> None:
    """When a linked signer's link ends. How links are listed is not documented: else a note."""
    if signer == config.owner:
        return
    try:
        links = await api.all("linked-signer", subaccountId=subaccount_id)
    except EdgeError as error:
        checks.note(
            API, "link", f"when it ends is not told here ({error.reason}): look at the site"
        )
        return
    for entry in links:
        members = entry if isinstance(entry, dict) else {}
        if str(members.get("signer", "")).lower() != signer:
            continue
        _link(members, signer, checks)
        return


_LINK_REMEDY: Final = {
    "PENDING": "wait until the chain has confirmed it",
    "ACTIVE": "extend it on the site, or link another signer",
}


def _link(members: Mapping[str, Any], signer: str, checks: Checks) -> None:
    """One link, in whatever words the exchange has for its state."""
    status, ends_ms = str(members.get("status")), members.get("expiresAt")
    remedy = _LINK_REMEDY.get(status, "link another signer: one that was revoked never comes back")
    if status != "ACTIVE":
        checks.wrong(API, "link", f"{signer} is {status}: {remedy}")
    elif not isinstance(ends_ms, int) or isinstance(ends_ms, bool):
        checks.note(API, "link", f"when {signer}'s ends is not told here: look at the site")
    else:
        left_s = (ends_ms - time.time_ns() // 1_000_000) // 1000
        if left_s <= 0:
            checks.wrong(API, "link", f"{signer}'s ended {-left_s // 3600} h ago: {remedy}")
        elif left_s < LINK_NOTED_S:
            checks.note(API, "link", f"{signer}'s ends in {left_s // 3600} h: extend it")
        else:
            checks.ok(API, "link", f"{signer}'s ends in {left_s // 86_400} days")


async def stream(stream: Stream, config: EtherealConfig, checks: Checks) -> None:
    """Whether the socket comes up; without it the bot polls."""
    stream.start()
    try:
        async with asyncio.timeout(config.reach_timeout_ms / 1000):
            await stream.up.wait()
    except TimeoutError:
        why = f"the socket at {config.socket_url} does not come up: {stream.problem}"
        checks.note(API, "socket", f"{why}; the bot polls meanwhile")
        return
    checks.ok(API, "socket", "subscribed to the book, trades and our orders")


async def state(api: EtherealApi, market: Instrument, subaccount_id: str, checks: Checks) -> None:
    """Whether trading is on, and what we hold already: it counts from the first quote on."""
    try:
        answer = read.members(await api.read("maintenance"), "maintenance")
        if answer.get("isEnabled"):
            checks.note(API, "maintenance", "the exchange is in maintenance and takes no orders")
    except EdgeError:
        pass  # whether it is, its answers to orders will say
    if not wire.listing(market).is_active:
        checks.wrong(API, "trading", f"{market.symbol} is not ACTIVE: it is not to be quoted")
        return
    ask = api.all("position", subaccountId=subaccount_id, open="true")
    held = await checks.answer(API, "position", ask, "position")
    if held is not None:
        try:
            size = wire.position(held, wire.listing(market).product_id).size
        except EdgeError as error:
            checks.silent(API, "position", error.reason)
            return
        checks.ok(API, "position", f"{size} {market.base}, counted before the first quote")


def _members(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = answer.get(name)
    return value if isinstance(value, dict) else {}


def _as_text(word: str) -> str:
    try:
        return repr(bytes.fromhex(word.removeprefix("0x")).rstrip(b"\0").decode())
    except (ValueError, UnicodeDecodeError):
        return repr(word[:20])
