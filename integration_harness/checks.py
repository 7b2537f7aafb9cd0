"""What must hold whatever a scenario does: each check is made from outside and names its claim.

1. One live order a slot, at every moment: the event log replayed, and the table as it is.
2. No nonce is used twice: one nonce, one signature, over every process.
3. No fill is lost or counted twice: `trade_fills` against the books in the bot's state file.
4. The chain agrees: what a party has moved by exactly what the fills say, to the last unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from integration_harness.api_proxy import Sent
from integration_harness.market_view import FillRow, MarketView, OrderRow
from integration_harness.stack.quantities import Side
from integration_harness.target import Party
from integration_harness.waiting import Limits, require, wait_until

_ONE: Final = 10**18
_CONTRACT_SIZE: Final = 10_000
SIDES: Final[tuple[Side, Side]] = ("buy", "sell")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What one party has on chain, 18 decimals: cash, and wrapped cNGN or the position."""

    cash: int
    asset: int


def holdings(view: MarketView, party: Party) -> Holdings:
    """Read now."""
    instrument, chain = view.instrument, view.chain
    cash, asset = chain.cash_asset(), instrument.asset_address
    return Holdings(
        cash=sum(chain.balance(each, cash) for each in party.subaccounts),
        asset=sum(chain.balance(each, asset, instrument.sub_id) for each in party.subaccounts),
    )


def moved_by(view: MarketView, start: Holdings, fills: Iterable[FillRow]) -> Holdings:
    """What a party must have after its fills; the cash is as at the start where it is not compared.
    A fee would show as a difference."""
    instrument = view.instrument
    cash, asset = start.cash, start.asset
    marked = not instrument.is_spot and compares_cash(view)
    mark = view.chain.mark(instrument.sub_id) if marked else None
    for fill in fills:
        if instrument.is_spot:
            # To buy USDC is to sell cNGN.
            worth = fill.engine_price * fill.steps * _ONE
            assert worth.denominator == 1, "a spot price has 18 decimals at most"
            sign = 1 if fill.side == "buy" else -1
            cash += sign * worth.numerator
            asset -= sign * fill.steps * _ONE
        else:
            quantity = instrument.chain_amount(fill.steps)
            sign = 1 if fill.side == "buy" else -1
            asset += sign * quantity
            if mark is not None:
                price = fill.engine_price * _ONE
                assert price.denominator == 1, "a future's price is whole"
                margin = _CONTRACT_SIZE * quantity * (mark - price.numerator)
                cash += sign * _towards_zero(margin, mark)
    return Holdings(cash=cash, asset=asset)


def check_chain(
    view: MarketView,
    name: str,
    party: Party,
    start: Holdings,
    fills: Sequence[FillRow],
    limits: Limits,
) -> None:
    """Claim 4 for one party. A node may be behind the order table for a moment."""
    expected = moved_by(view, start, fills)
    cash_too = compares_cash(view)
    wait_until(
        f"the chain to have moved what the {name} has by exactly its {len(fills)} fills, to "
        f"{expected}{'' if cash_too else ' (but for the cash)'}",
        lambda: holdings(view, party),
        lambda found: found == (expected if cash_too else replace(expected, cash=found.cash)),
        limits,
    )


def compares_cash(view: MarketView) -> bool:
    """The cash behind a future follows its mark, and on a foreign exchange anybody's trades move
    that: there the position alone is compared."""
    return view.instrument.is_spot or view.target.local


def books_fault(view: MarketView, books: dict[str, Any], fills: Sequence[FillRow]) -> str | None:
    """Claim 3, the state file's books are the fills of the table: what they get wrong."""
    return totals_fault(books, [(f.side, f.base_size(view.instrument)) for f in fills])


def totals_fault(books: dict[str, Any], fills: Sequence[tuple[Side, Fraction]]) -> str | None:
    """The same of sides and sizes in the base, as any exchange tells them."""
    wanted: dict[str, Fraction] = {}
    for side, count, total in (("buy", "buys", "bought"), ("sell", "sells", "sold")):
        sizes = [size for each, size in fills if each == side]
        wanted[count] = Fraction(len(sizes))
        wanted[total] = sum(sizes, Fraction(0))
    wanted["position"] = wanted["bought"] - wanted["sold"]
    found = {name: Fraction(str(books.get(name, 0))) for name in wanted}
    if found == wanted:
        return None
    return f"books {_plain(found)}, the exchange {_plain(wanted)}"


def check_slots(view: MarketView, levels: int, after_seq: int | None, live_before: int) -> int:
    """Claim 1; the number of blinks seen on the way."""
    bot = view.target.bot
    blinks = 0
    if after_seq is not None:
        history = view.history(bot, after_seq, live_before)
        blinks = history.blinks
        require(
            all(count <= levels for count in history.most_live.values()),
            f"never more than {levels} live orders on a side",
            dict(history.most_live),
        )
    check_resting(view.live(bot), levels)
    return blinks


def check_resting(orders: Sequence[OrderRow], levels: int) -> None:
    """At most one order a slot, and no own bid at or above an own ask.

    Two levels may share a price: each that would cross somebody's order is moved one tick behind
    that same order (behaviour.md section 4), and such an order may be gone by now.
    """
    by_side = {side: [o.price for o in orders if o.side == side] for side in SIDES}
    for prices in by_side.values():
        require(len(prices) <= levels, f"at most {levels} live orders on a side", prices)
    if by_side["buy"] and by_side["sell"]:
        require(max(by_side["buy"]) < min(by_side["sell"]), "own bids below own asks", by_side)


def check_nonces(rows: Sequence[OrderRow], placed: Sequence[str], sent: Sequence[Sent]) -> None:
    """Claim 2: by the table, by what the bots say they signed, and by what went over the wire."""
    require(len(placed) == len(set(placed)), "no order id was signed twice", sorted(placed))
    signatures: dict[str, set[str]] = {}
    for each in sent:
        signatures.setdefault(each.nonce, set()).add(each.signature)
    twice = {nonce: len(found) for nonce, found in signatures.items() if len(found) > 1}
    require(not twice, "one nonce has one signature, over every process", twice)
    nonces = [row.nonce for row in rows]
    require(len(nonces) == len(set(nonces)), "one nonce has one row", nonces)


def _towards_zero(number: int, by: int) -> int:
    return number // by if (number < 0) == (by < 0) else -(-number // by)


def _plain(values: dict[str, Fraction]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
