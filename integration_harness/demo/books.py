"""Do database, chain and bot agree, to the last unit?

Three accounts of the same fills are made independently and compared as integers at 1e18: what
`trade_fills` says, what the balances on chain did, and what the bot booked.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import psycopg

from integration_harness.stack.chain import Chain
from integration_harness.stack.instruments import Instrument
from integration_harness.stack.up import LocalExchange

ONE = 10**18
CONTRACT_SIZE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """Base and quote of one subaccount on chain, at 1e18."""

    base: int
    quote: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What fills did to a maker. `base` and `quote` at 1e18 as on chain; `booked_quote` is what
    changed hands in cNGN, which a future only settles as margin."""

    buys: int = 0
    sells: int = 0
    base: int = 0
    quote: int = 0
    booked_quote: int = 0


def holdings(exchange: LocalExchange, instrument: Instrument) -> Holdings:
    """The maker's balances of one market's two sides."""
    addresses = exchange.deployment.addresses
    _, subaccount_id = exchange.account_for(instrument)
    with Chain(exchange.rpc_url, exchange.deployment) as chain:
        cash = chain.balance(subaccount_id, addresses.cash)
        if instrument.is_spot:
            return Holdings(base=cash, quote=chain.balance(subaccount_id, addresses.wrapped_cngn))
        position = chain.balance(subaccount_id, instrument.asset_address, instrument.sub_id)
        return Holdings(base=position, quote=cash)


def flow_by_database(exchange: LocalExchange, instrument: Instrument) -> Flow:
    """The maker's fills as `trade_fills` has them, in the contracts' own arithmetic."""
    maker, subaccount_id = exchange.account_for(instrument)
    with psycopg.connect(exchange.admin_database_url) as connection:
        rows = connection.execute(
            """SELECT t.price, t.size, o.side FROM trade_fills t
               JOIN active_orders o ON o.order_id IN (t.maker_order_id, t.taker_order_id)
               WHERE o.owner_address = %s AND o.subaccount_id = %s
                 AND t.asset_address = %s AND t.sub_id = %s""",
            (maker.address.lower(), subaccount_id, instrument.asset_address, instrument.sub_id),
        ).fetchall()
    mark = 0
    if not instrument.is_spot:
        with Chain(exchange.rpc_url, exchange.deployment) as chain:
            mark = chain.mark(instrument.sub_id)
    flow = Flow()
    for price, size, side in rows:
        flow = _plus(flow, _one(instrument, Decimal(price), int(size), side == "buy", mark))
    return flow


def disagreements(
    exchange: LocalExchange, instrument: Instrument, before: Holdings, books: dict[str, Any]
) -> list[str]:
    """What does not agree, in words; empty where all three accounts are the same."""
    told = flow_by_database(exchange, instrument)
    now = holdings(exchange, instrument)
    position, cash = _at_18(books["position"]), _at_18(books["cash"])
    compared = {
        "buys: database, bot": (told.buys, books["buys"]),
        "sells: database, bot": (told.sells, books["sells"]),
        "base: database, chain": (told.base, now.base - before.base),
        "base: database, bot": (told.base, position),
        "quote: database, chain": (told.quote, now.quote - before.quote),
        "quote: database, bot": (told.booked_quote, cash),
    }
    return [
        f"{instrument.symbol}: {what} differ: {left} and {right}"
        for what, (left, right) in compared.items()
        if left != right
    ]


def _one(instrument: Instrument, price: Decimal, size: int, engine_buy: bool, mark: int) -> Flow:
    at_18 = int(price.scaleb(18))
    if instrument.is_spot:
        # The engine trades cNGN for USDC: who buys there sells USDC.
        usdc = at_18 * size
        cngn = size * ONE
        if engine_buy:
            return Flow(sells=1, base=-usdc, quote=cngn, booked_quote=cngn)
        return Flow(buys=1, base=usdc, quote=-cngn, booked_quote=-cngn)
    contracts = size * ONE // 1000
    margin = CONTRACT_SIZE * contracts * (mark - at_18) // mark
    if mark < at_18:
        margin = -(CONTRACT_SIZE * contracts * (at_18 - mark) // mark)  # cut towards zero
    worth = at_18 * contracts * CONTRACT_SIZE // ONE
    if engine_buy:
        return Flow(buys=1, base=contracts, quote=margin, booked_quote=-worth)
    return Flow(sells=1, base=-contracts, quote=-margin, booked_quote=worth)


def _plus(left: Flow, right: Flow) -> Flow:
    return Flow(
        buys=left.buys + right.buys,
        sells=left.sells + right.sells,
        base=left.base + right.base,
        quote=left.quote + right.quote,
        booked_quote=left.booked_quote + right.booked_quote,
    )


def _at_18(text: str) -> int:
    with localcontext() as context:
        context.prec = 100
        scaled = Decimal(text).scaleb(18)
        assert scaled == int(scaled), f"{text} has more than 18 decimals"
        return int(scaled)
