"""The body of `POST /v1/orders` as JSON: members and their types, nothing about their sense.

Null counts as not given, and unknown members are ignored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import orjson

from integration_harness.stack.markets_api.errors import RefusedError

_INVALID: Final = "invalid JSON body"
REQUIRED: Final = (
    "order_id",
    "owner_address",
    "signer_address",
    "subaccount_id",
    "recipient_id",
    "nonce",
    "asset_address",
    "desired_amount",
    "limit_price",
    "worst_fee",
    "signature",
)
_TEXTS: Final = (*REQUIRED, "side", "sub_id", "filled_amount", "order_entry_spec")


@dataclass(frozen=True, slots=True, kw_only=True)
class UiIntent:
    """A spot order in human words, as text."""

    side: str
    price: str
    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """The body as it came; `action` is None where the member is missing."""

    texts: dict[str, str]
    expiry: int
    action: Any
    has_action: bool
    ui_intent: UiIntent | None


def read_json_object(body: bytes, *, allow_trailing: bool) -> dict[str, Any]:
    """The JSON object of a body; order entry ignores what follows it, cancel does not."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _first_value(body) if allow_trailing else ...
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RefusedError(400, _INVALID)
    return value


def read_texts(value: dict[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """String members, empty where missing or null; any other type is refused."""
    texts = {name: value.get(name) or "" for name in names}
    for name, text in texts.items():
        if not isinstance(text, str) or value.get(name) in (0, False):
            raise RefusedError(400, _INVALID)
    return texts


def read_order_request(body: bytes) -> OrderRequest:
    """The body's members with their JSON types checked."""
    value = read_json_object(body, allow_trailing=True)
    texts = read_texts(value, _TEXTS)
    expiry = value.get("expiry") or 0
    if type(expiry) is not int or not -(2**63) <= expiry < 2**63:
        raise RefusedError(400, _INVALID)
    intent = value.get("ui_intent")
    if intent is not None and not isinstance(intent, dict):
        raise RefusedError(400, _INVALID)
    return OrderRequest(
        texts=texts,
        expiry=expiry,
        action=value.get("action_json"),
        has_action="action_json" in value,
        ui_intent=None
        if intent is None
        else UiIntent(**read_texts(intent, ("side", "price", "size"))),
    )


def _first_value(body: bytes) -> Any:
    try:
        return json.JSONDecoder().raw_decode(body.decode().lstrip())[0]
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        return ...
