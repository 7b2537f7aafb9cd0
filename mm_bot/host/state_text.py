"""The text of what survives a restart: one JSON object, snake case, flat where it can be.

`decode` takes nothing on trust: a file that is torn, of an unknown version or of another process is
a `ForeignStateError` with the reason, never half of a state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import orjson

from mm_bot.core.exact import exact, plain
from mm_bot.core.instrument import Side
from mm_bot.host.persistent import (
    AcceptedPrice,
    Allowance,
    AllowedSide,
    InventorySnapshot,
    LiveOrder,
    PersistentState,
    SignedOrder,
    StateIdentity,
)

VERSION = 1
NUMBERS_LIMIT = (1 << 256) - (1 << 64)
"""No number of ours reaches this: above it the contract's uint256 has no room for new nonces."""


class ForeignStateError(Exception):
    """The text is not the state of this process; the message says why."""


_NUMBERS = ("nonce_reserved_until", "next_buy_nonce", "next_sell_nonce")
_UNSIGNED = re.compile(r"\d{1,40}(\.\d{1,40})?", re.ASCII)
_DECIMALS = ("price", "size", "notional")
_TEXTS = (
    "last_submitted_bid_order_id",
    "last_submitted_ask_order_id",
    "last_adopted_bid_order_id",
    "last_adopted_ask_order_id",
    "last_halt_reason",
)


def encode(state: PersistentState, identity: StateIdentity) -> bytes:
    """The file's content. Integers of any size, decimals as text, one line a top-level field."""
    snapshot = state.last_inventory_snapshot
    fields: dict[str, object] = {
        "version": VERSION,
        "chain_id": identity.chain_id,
        "owner": identity.owner.lower(),
        "market": identity.market,
        "subaccount_id": identity.subaccount_id,
        **{name: getattr(state, name) for name in (*_NUMBERS, *_TEXTS)},
        "last_inventory_snapshot": None
        if snapshot is None
        else {"inventory": plain(snapshot.inventory), "at_ms": snapshot.at_ms},
        "fills_cursor": state.fills_cursor,
        "accepted_prices": {
            source: {"price": plain(accepted.price), "at_ms": accepted.at_ms}
            for source, accepted in state.accepted_prices.items()
        },
        "live_orders": [
            {
                "order_id": order.order_id,
                "nonce": order.nonce,
                "expiry_s": order.expiry_s,
                **{name: plain(getattr(order, name)) for name in _DECIMALS},
            }
            for order in state.live_orders
        ],
        "signed_orders": [
            {
                "order_id": order.order_id,
                "side": order.side,
                "size": plain(order.size),
                "notional": plain(order.notional),
                "expiry_s": order.expiry_s,
            }
            for order in state.signed_orders
        ],
        "allowance": {
            "expiry_s": state.allowance.expiry_s,
            **{
                side.value: {
                    "size": plain(state.allowance.side(side).size),
                    "notional": plain(state.allowance.side(side).notional),
                }
                for side in Side
            },
        },
        "books": dict(state.books),
        "strategy": dict(state.strategy),
    }
    lines = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def decode(content: bytes, identity: StateIdentity) -> PersistentState:
    """The state in a file's content.

    Raises:
        ForeignStateError: where it is not a whole state of this version and this process.
    """
    try:
        # This parser has a bound of its own on nesting; the other recurses in C, under a limit
        # that libraries raise, and keeps numbers exact.
        orjson.loads(content)
        fields = json.loads(content.decode())
    except (ValueError, RecursionError):
        raise ForeignStateError("it is torn: not one whole JSON object") from None
    if not isinstance(fields, dict):
        raise ForeignStateError("it is no JSON object")
    if _type_of(fields.get("version")) is not int or fields["version"] != VERSION:
        raise ForeignStateError(f"its version is {fields.get('version')!r}, not {VERSION}")
    _check_identity(fields, identity)
    return _state(fields)


def _check_identity(fields: Mapping[str, object], identity: StateIdentity) -> None:
    for name, ours in (
        ("chain_id", identity.chain_id),
        ("owner", identity.owner.lower()),
        ("market", identity.market),
        ("subaccount_id", identity.subaccount_id),
    ):
        theirs = fields.get(name)
        if _type_of(theirs) is not type(ours) or theirs != ours:
            raise ForeignStateError(f"its {name} is {theirs!r}, not {ours!r}")


def _state(fields: Mapping[str, object]) -> PersistentState:
    books = fields.get("books", {})
    if not isinstance(books, dict):
        raise _wrong("books", books)
    strategy = fields.get("strategy", {})
    if not isinstance(strategy, dict):
        raise _wrong("strategy", strategy)
    cursor = fields.get("fills_cursor")
    return PersistentState(
        nonce_reserved_until=_count(fields, "nonce_reserved_until"),
        next_buy_nonce=_count(fields, "next_buy_nonce"),
        next_sell_nonce=_count(fields, "next_sell_nonce"),
        last_submitted_bid_order_id=_text(fields, "last_submitted_bid_order_id"),
        last_submitted_ask_order_id=_text(fields, "last_submitted_ask_order_id"),
        last_adopted_bid_order_id=_text(fields, "last_adopted_bid_order_id"),
        last_adopted_ask_order_id=_text(fields, "last_adopted_ask_order_id"),
        last_halt_reason=_text(fields, "last_halt_reason"),
        last_inventory_snapshot=_snapshot(fields.get("last_inventory_snapshot")),
        live_orders=_orders(fields.get("live_orders", [])),
        signed_orders=_signed(fields.get("signed_orders", [])),
        allowance=_allowance(fields.get("allowance", {})),
        books=books,
        fills_cursor=None if cursor is None else _count(fields, "fills_cursor"),
        accepted_prices=_accepted(fields.get("accepted_prices", {})),
        strategy=strategy,
    )


def _snapshot(value: object) -> InventorySnapshot | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _wrong("last_inventory_snapshot", value)
    inventory = _decimal(value.get("inventory"), "last_inventory_snapshot.inventory")
    return InventorySnapshot(inventory=inventory, at_ms=_count(value, "at_ms"))


def _accepted(value: object) -> dict[str, AcceptedPrice]:
    if not isinstance(value, dict):
        raise _wrong("accepted_prices", value)
    found: dict[str, AcceptedPrice] = {}
    for source, each in value.items():
        if not isinstance(each, dict):
            raise _wrong("accepted_prices", value)
        price = _unsigned(each.get("price"), "accepted_prices.price")
        if price <= 0:
            raise _wrong("accepted_prices", value)
        found[source] = AcceptedPrice(price=price, at_ms=_count(each, "at_ms"))
    return found


def _orders(value: object) -> tuple[LiveOrder, ...]:
    if not isinstance(value, list):
        raise _wrong("live_orders", value)
    return tuple(_order(each) for each in value)


def _order(value: object) -> LiveOrder:
    if not isinstance(value, dict) or not isinstance(value.get("order_id"), str):
        raise _wrong("live_orders", value)
    return LiveOrder(
        order_id=value["order_id"],
        nonce=_count(value, "nonce"),
        expiry_s=_count(value, "expiry_s"),
        **{name: _unsigned(value.get(name, "0"), f"live_orders.{name}") for name in _DECIMALS},
    )


def _signed(value: object) -> tuple[SignedOrder, ...]:
    if not isinstance(value, list):
        raise _wrong("signed_orders", value)
    found = []
    for each in value:
        if not isinstance(each, dict) or not isinstance(each.get("order_id"), str):
            raise _wrong("signed_orders", each)
        if each.get("side") not in {side.value for side in Side}:
            raise _wrong("signed_orders.side", each.get("side"))
        found.append(
            SignedOrder(
                order_id=each["order_id"],
                side=each["side"],
                size=_unsigned(each.get("size"), "signed_orders.size"),
                notional=_unsigned(each.get("notional"), "signed_orders.notional"),
                expiry_s=_count(each, "expiry_s"),
            )
        )
    return tuple(found)


def _allowance(value: object) -> Allowance:
    if not isinstance(value, dict):
        raise _wrong("allowance", value)
    sides = {side.value: _allowed(value.get(side.value, {})) for side in Side}
    return Allowance(buy=sides["buy"], sell=sides["sell"], expiry_s=_count(value, "expiry_s"))


def _allowed(value: object) -> AllowedSide:
    if not isinstance(value, dict):
        raise _wrong("allowance", value)
    return AllowedSide(
        size=_unsigned(value.get("size", "0"), "allowance.size"),
        notional=_unsigned(value.get("notional", "0"), "allowance.notional"),
    )


def _count(fields: Mapping[str, object], name: str) -> int:
    value = fields.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < NUMBERS_LIMIT:
        raise _wrong(name, value)
    return value


def _decimal(value: object, name: str) -> Decimal:
    if not isinstance(value, str):
        raise _wrong(name, value)
    try:
        return exact(value)
    except (ValueError, InvalidOperation):
        raise _wrong(name, value) from None


def _unsigned(value: object, name: str) -> Decimal:
    if not isinstance(value, str) or not _UNSIGNED.fullmatch(value):
        raise _wrong(name, value)
    return exact(value)


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise _wrong(name, value)


def _type_of(value: object) -> type:
    """True is an int to Python and 1.0 equals 1; neither is what we wrote."""
    return type(value)


def _wrong(name: str, value: object) -> ForeignStateError:
    return ForeignStateError(f"its {name} makes no sense: {value!r:.80}")
