"""From the body of `POST /v1/orders` to the row that is stored; no database, no chain.

1. What is malformed, off tick, off step or overdue is refused, and so is signed data that
   disagrees with the body. The signature itself is not looked at here.
2. Signed amounts and prices must be a whole multiple of the normalized ones, no more: measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from integration_harness.stack.instruments import SPOT_SPEC, Instrument, MarketList
from integration_harness.stack.markets_api.errors import RefusedError
from integration_harness.stack.markets_api.order_request import (
    REQUIRED,
    OrderRequest,
    UiIntent,
)
from integration_harness.stack.quantities import (
    KEPT,
    Side,
    decimal_text,
    engine_side,
    engine_spot_ticks,
    parse_amount,
    parse_price,
    price_text,
    steps,
)
from integration_harness.stack.signed_data import TradeData, decode_trade_data

_TRANSLATED: Final = ("desired_amount", "limit_price")
_SIGNED: Final = (
    ("subaccount_id", "subaccount_id"),
    ("nonce", "nonce"),
    ("owner", "owner_address"),
    ("signer", "signer_address"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What goes into the table."""

    instrument: Instrument
    order_id: str
    owner_address: str
    signer_address: str
    subaccount_id: str
    recipient_id: str
    nonce: str
    side: str
    desired_amount: str
    filled_amount: str
    limit_price: str
    limit_price_ticks: str
    worst_fee: str
    expiry: int
    action: Any
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRules:
    """Which of the exchange's optional checks are on."""

    check_action_data: bool
    expected_owner: str
    expected_signer: str


def normalize(
    request: OrderRequest, markets: MarketList, rules: EntryRules, now_seconds: int
) -> NewOrder:
    """The order as it will be stored; raises RefusedError with the exchange's words."""
    texts = request.texts
    for name in REQUIRED:
        if not texts[name] and not (request.ui_intent is not None and name in _TRANSLATED):
            raise RefusedError(400, f"{name} is required")
    if request.expiry <= now_seconds:
        raise RefusedError(400, "expiry must be in the future")
    if not request.has_action:
        raise RefusedError(400, "action_json must be valid JSON")
    _check_expected(texts, rules)
    instrument = markets.by_asset(texts["asset_address"], texts["sub_id"])
    if instrument is None:
        raise RefusedError(400, "asset_address must match a configured instrument")
    side, price, desired = _engine_words(request, instrument)
    ticks = _price_ticks(price, instrument)
    amount_steps = _amount_steps(desired, instrument)
    filled = _filled_steps(texts["filled_amount"], amount_steps, instrument)
    order = NewOrder(
        instrument=instrument,
        order_id=texts["order_id"],
        owner_address=texts["owner_address"].lower(),
        signer_address=texts["signer_address"].lower(),
        subaccount_id=texts["subaccount_id"],
        recipient_id=texts["recipient_id"],
        nonce=texts["nonce"],
        side=side,
        desired_amount=str(amount_steps),
        filled_amount=str(filled),
        limit_price=price_text(instrument, ticks),
        limit_price_ticks=str(ticks),
        worst_fee=texts["worst_fee"],
        expiry=request.expiry,
        action=request.action,
        signature=texts["signature"],
    )
    _check_action(request.action, texts)
    if rules.check_action_data:
        _check_trade(_trade_data(request.action), order, ticks, desired)
    return order


def _check_expected(texts: dict[str, str], rules: EntryRules) -> None:
    if rules.expected_owner not in ("", texts["owner_address"].lower()):
        raise RefusedError(400, "owner_address must match configured expected owner")
    if rules.expected_signer not in ("", texts["signer_address"].lower()):
        raise RefusedError(400, "signer_address must match configured expected signer")


def _engine_words(request: OrderRequest, instrument: Instrument) -> tuple[str, str, str]:
    """Side, price and amount engine-side, as text."""
    texts, intent = request.texts, request.ui_intent
    side, price, desired = texts["side"].lower(), texts["limit_price"], texts["desired_amount"]
    spec = texts["order_entry_spec"]
    if not instrument.is_spot:
        if spec or intent is not None:
            raise RefusedError(
                400,
                "order_entry_spec and ui_intent are only supported for the spot usdc/cngn contract",
            )
    elif intent is not None:
        if spec != SPOT_SPEC:
            raise RefusedError(400, f'order_entry_spec must be "{SPOT_SPEC}" for spot ui_intent')
        side, price, desired = _translate(intent, side, price, desired)
    elif spec:
        raise RefusedError(400, "ui_intent is required when order_entry_spec is provided")
    # An empty side of a future is only caught by the database: measured.
    if side not in ("buy", "sell") and (side or instrument.is_spot):
        raise RefusedError(400, "side must be 'buy' or 'sell'")
    return side, price, desired


@lru_cache(maxsize=KEPT)
def _translate(intent: UiIntent, side: str, price: str, desired: str) -> tuple[str, str, str]:
    """The engine order of a human one; what the body says besides must agree."""
    ui_side = intent.side.lower()
    if ui_side not in ("buy", "sell"):
        raise RefusedError(400, "ui_intent.side must be 'buy' or 'sell'")
    ui_price = _positive_amount("ui_intent.price", intent.price)
    ui_size = _positive_amount("ui_intent.size", intent.size)
    engine: Side = engine_side("buy" if ui_side == "buy" else "sell")
    ticks = engine_spot_ticks(engine, ui_price)
    if side not in ("", engine):
        raise RefusedError(400, "side does not match ui_intent translation")
    if price and parse_price(price) != Fraction(ticks, 10**18):
        raise RefusedError(400, "limit_price does not match ui_intent translation")
    if desired and parse_amount(desired) != ui_size * ui_price:
        raise RefusedError(400, "desired_amount does not match ui_intent translation")
    amount = ui_size * ui_price
    return engine, decimal_text(Fraction(ticks, 10**18)), f"{amount.numerator}/{amount.denominator}"


def _amount(name: str, text: str) -> Fraction:
    if not text.strip():
        raise RefusedError(400, f"{name}: decimal is required")
    value = parse_amount(text)
    if value is None:
        raise RefusedError(400, f'{name}: invalid decimal "{text}"')
    return value


def _positive_amount(name: str, text: str) -> Fraction:
    value = _amount(name, text)
    if value <= 0:
        raise RefusedError(400, f"{name} must be greater than zero")
    return value


@lru_cache(maxsize=KEPT)
def _price_ticks(text: str, instrument: Instrument) -> int:
    if not text.strip():
        raise RefusedError(400, f'parse price "{text}": value is required')
    value = parse_price(text)
    if value is None:
        raise RefusedError(400, f'parse price "{text}": invalid decimal')
    ticks = steps(value, instrument.tick_size)
    if ticks is None:
        raise RefusedError(400, f"price must align to tick size {instrument.tick_size}")
    if ticks == 0:
        raise RefusedError(400, "price must be positive")
    return ticks


@lru_cache(maxsize=KEPT)
def _amount_steps(text: str, instrument: Instrument) -> int:
    value = _amount("desired_amount", text)
    if value < 0:
        raise RefusedError(400, "desired_amount must be greater than zero")
    count = steps(value, instrument.amount_step)
    if count is None:
        raise RefusedError(
            400, f"desired_amount must align to amount step {instrument.amount_step}"
        )
    if count == 0:
        raise RefusedError(400, "normalized atomic size is 0")
    return count


def _filled_steps(text: str, desired_steps: int, instrument: Instrument) -> int:
    if not text:
        return 0
    value = _amount("filled_amount", text)
    if value < 0:
        raise RefusedError(400, "filled_amount cannot be negative")
    count = steps(value, instrument.amount_step)
    if count is None:
        raise RefusedError(400, f"filled_amount must align to amount step {instrument.amount_step}")
    if count > desired_steps:
        raise RefusedError(400, "filled_amount cannot exceed desired_amount")
    return count


def _check_action(action: Any, texts: dict[str, str]) -> None:
    members = {} if action is None else action
    if not isinstance(members, dict):
        raise RefusedError(
            400, "parse action_json: json: cannot unmarshal a value that is no object"
        )
    for member, field in _SIGNED:
        signed = members.get(member) or ""
        if not isinstance(signed, str):
            raise RefusedError(
                400, f"parse action_json: json: cannot unmarshal field .{member} of type string"
            )
        matches = signed.lower() == texts[field].lower()
        if not matches:
            raise RefusedError(400, f"action_json.{member} must match {field}")


def _trade_data(action: Any) -> TradeData:
    failed = "action_json.data invariant check failed"
    data = (action or {}).get("data")
    encoded = data.removeprefix("0x") if isinstance(data, str) else ""
    try:
        trade = decode_trade_data(bytes.fromhex(encoded)) if encoded.isascii() else None
    except ValueError as error:
        raise RefusedError(400, f"{failed}: decode action_json.data: {error}") from error
    if trade is None:
        raise RefusedError(400, f"{failed}: expected encoded TradeData tuple")
    for name, value in (("limitPrice", trade.limit_price), ("desiredAmount", trade.desired_amount)):
        if value <= 0:
            raise RefusedError(400, f"{failed}: action_json.data.{name} must be positive")
    return trade


def _check_trade(trade: TradeData, order: NewOrder, ticks: int, desired: str) -> None:
    at = "action_json.data"
    if trade.asset != order.instrument.asset_address:
        raise RefusedError(400, f"{at}.asset must match asset_address")
    if trade.sub_id != order.instrument.sub_id:
        raise RefusedError(400, f"{at}.subId must match sub_id")
    if trade.is_bid != (order.side == "buy"):
        raise RefusedError(400, f"{at}.isBid must match side")
    if trade.limit_price % ticks:
        raise RefusedError(400, f"{at}.limitPrice is not aligned with normalized limit_price")
    # An amount signed as the body's own number, unscaled, is let through: measured.
    if trade.desired_amount % int(order.desired_amount) and (
        parse_amount(desired) != trade.desired_amount
    ):
        raise RefusedError(400, f"{at}.desiredAmount is not aligned with normalized desired_amount")
