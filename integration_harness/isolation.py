"""A market of our own: what must hold before a run, and what is left after it.

1. Only orders of the two accounts under test, in the one market under test, are ever cancelled.
2. A market in which anybody else has a live order is refused: results there would be chance.
3. `clear` returns only when Postgres shows none of ours live.
"""

from __future__ import annotations

import time
from decimal import Decimal
from fractions import Fraction
from typing import Final

import httpx

from integration_harness.market_view import MarketView, OrderRow
from integration_harness.target import Party, RefusedError, Target
from integration_harness.waiting import AWAY, Limits, WaitRanOutError, shown

_ONE: Final = 10**18
_ROUNDS_OF_FUNDS: Final = 4
"""An account must hold this many times what one order moves."""
_CONTRACT_SIZE: Final = Decimal(10_000)
_MARGIN_RATE: Final = Decimal("0.2")


def clear(view: MarketView, limits: Limits) -> int:
    """Cancel every live order of both accounts in this market; how many there were.

    Raises:
        WaitRanOutError: where some are still live at the limit.
    """
    target = view.target
    signers = {party.owner: party.signer(target.deployment) for party in _parties(target)}
    gone: set[str] = set()
    give_up_at = time.monotonic() + limits.timeout_seconds
    seen: object = ""
    while True:
        try:
            left = _ours(view)
            if not left:
                return len(gone)
            seen = [order.order_id for order in left]
            for order in left:
                gone.add(order.order_id)
                _cancel(view, signers[order.owner].cancel_body(order.nonce))
        except AWAY as error:
            seen = f"{type(error).__name__}: {error}"
        if time.monotonic() > give_up_at:
            raise WaitRanOutError(
                f"waited {limits.timeout_seconds:g} s for our own orders to be gone from "
                f"{target.instrument.symbol}; last seen: {shown(seen)}"
            )
        time.sleep(0.02)


def check_isolated(view: MarketView) -> None:
    """RefusedError where anybody has a live order after ours are gone."""
    owners = {party.owner for party in _parties(view.target)}
    strangers = [order for order in view.all_live() if order.owner not in owners]
    others = [order for order in view.all_live() if order.owner in owners]
    symbol = view.instrument.symbol
    if strangers:
        names = ", ".join(f"{o.order_id} of {o.owner}" for o in strangers[:5])
        raise RefusedError(
            f"{symbol} is not isolated: {len(strangers)} live orders of others ({names}). They are "
            "never touched here: have their owners cancel them, or choose another market"
        )
    if others:
        names = ", ".join(f"{o.order_id} of subaccount {o.subaccount_id}" for o in others[:5])
        raise RefusedError(
            f"{symbol} is not isolated: {len(others)} live orders of other subaccounts of the same "
            f"owners ({names}). Stop what places them, or cancel them yourself"
        )


def check_identity(view: MarketView) -> None:
    """RefusedError unless the node is of that chain and both accounts are theirs."""
    target = view.target
    chain_id = view.chain.chain_id()
    if chain_id != target.deployment.chain_id:
        raise RefusedError(
            f"MM_RPC_URL is a node of chain {chain_id}, MM_CHAIN_ID is "
            f"{target.deployment.chain_id}: correct one of them"
        )
    for name, party, variable in (
        ("bot", target.bot, "MM_SUBACCOUNT_ID"),
        ("taker", target.taker, "MM_INT_TAKER_SUBACCOUNT_ID"),
    ):
        owner = view.chain.subaccount_owner(party.subaccount_id)
        if owner != party.owner:
            raise RefusedError(
                f"the {name}'s subaccount {party.subaccount_id} belongs to {owner} and not to "
                f"{party.owner}: correct {variable} or the {name}'s key"
            )
    if target.bot.owner == target.taker.owner:
        raise RefusedError(
            "bot and taker have the same owner: their trades would count as our own on both "
            "sides; give MM_INT_TAKER_OWNER_PRIVATE_KEY of another owner"
        )


def check_funded(view: MarketView, price: Decimal, order_size: Decimal, levels: int) -> None:
    """RefusedError unless both accounts can pay for the orders of a scenario."""
    target = view.target
    cash = view.chain.cash_asset()
    size = Fraction(order_size) * levels * _ROUNDS_OF_FUNDS
    for name, party in (("bot", target.bot), ("taker", target.taker)):
        account = party.subaccount_id
        has = Fraction(view.chain.balance(account, cash), _ONE)
        if not view.instrument.is_spot:
            _require_funds(
                name, account, "cash", has, size * Fraction(_CONTRACT_SIZE * _MARGIN_RATE)
            )
            continue
        _require_funds(name, account, "cash", has, size)
        wrapped = Fraction(view.chain.balance(account, view.instrument.asset_address), _ONE)
        _require_funds(name, account, "wrapped cNGN", wrapped, size * Fraction(price))


def _require_funds(name: str, account: int, asset: str, has: Fraction, needs: Fraction) -> None:
    if has < needs:
        raise RefusedError(
            f"the {name}'s subaccount {account} holds {float(has):.2f} {asset} and needs "
            f"{float(needs):.2f}: deposit more, or set a smaller MM_ORDER_SIZE"
        )


def _parties(target: Target) -> tuple[Party, Party]:
    return (target.bot, target.taker)


def _ours(view: MarketView) -> list[OrderRow]:
    now = time.time()
    found = [order for party in _parties(view.target) for order in view.live(party)]
    return [order for order in found if order.expiry > now]


def _cancel(view: MarketView, body: dict[str, str]) -> None:
    try:
        view.api.cancel(body)
    except httpx.HTTPStatusError as error:
        # 404 is also what an order gets that the matcher holds at this moment: tried again.
        if error.response.status_code != 404:
            raise
