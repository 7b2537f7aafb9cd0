"""Order entry: `POST /v1/orders` and `POST /v1/orders/cancel`, from the body to the stored row.

1. With `verify_signatures` an order needs the owner's or a live session key's signature (a
   contract's by ERC-1271) and a cancel the owner's, over the very members that are stored;
   without, both are taken on trust, as on the services that were measured.
2. A cancel touches only an `active` order: one that is `matching` at that moment is "not found".
3. The reason of a cancel is kept nowhere: `cancel_reason` is empty in every answer (measured).
   A protected prefix is one whatever its case.
4. What the database refuses is answered with its own words: 409 for a duplicate, else 500.
"""

from __future__ import annotations

from typing import Any, Final

import asyncpg
import orjson

from integration_harness.stack.instruments import MarketList
from integration_harness.stack.markets_api.chain_guard import ChainGuard
from integration_harness.stack.markets_api.database import Database, database_text
from integration_harness.stack.markets_api.errors import RefusedError
from integration_harness.stack.markets_api.order_request import (
    read_json_object,
    read_order_request,
    read_texts,
)
from integration_harness.stack.markets_api.order_rules import EntryRules, NewOrder, normalize
from integration_harness.stack.markets_api.rendering import ORDER_COLUMNS, render_order
from integration_harness.stack.settings import ApiSettings
from integration_harness.stack.signed_data import Domain, recover

_PROTECTED: Final = ("validation:", "smoke:", "manual:")
_CANCEL_TEXTS: Final = (
    "owner_address",
    "nonce",
    "reason",
    "service",
    "signer_address",
    "expiry",
    "signature",
)
_NEW_ORDER_FIELDS: Final = (
    "order_id",
    "owner_address",
    "signer_address",
    "subaccount_id",
    "recipient_id",
    "nonce",
    "side",
    "desired_amount",
    "filled_amount",
    "limit_price",
    "limit_price_ticks",
    "worst_fee",
    "expiry",
    "signature",
)
_INSERT: Final = f"""
    INSERT INTO active_orders (order_id, owner_address, signer_address, subaccount_id,
        recipient_id, nonce, side, asset_address, sub_id, desired_amount, filled_amount,
        limit_price, limit_price_ticks, worst_fee, expiry, action_json, signature)
    VALUES (%(order_id)s, %(owner_address)s, %(signer_address)s, %(subaccount_id)s::text::numeric,
        %(recipient_id)s::text::numeric, %(nonce)s::text::numeric, %(side)s, %(asset_address)s,
        %(sub_id)s, %(desired_amount)s, %(filled_amount)s, %(limit_price)s,
        %(limit_price_ticks)s, %(worst_fee)s, %(expiry)s, %(action)s::text::jsonb, %(signature)s)
    RETURNING {ORDER_COLUMNS}
"""
_CANCEL: Final = f"""
    WITH target AS (
        SELECT order_id AS id, asset_address AS asset, sub_id::text AS sub,
               (SELECT prefix FROM unnest(%(protected)s::text[]) AS prefix
                WHERE starts_with(lower(order_id), prefix) LIMIT 1) AS protected
        FROM active_orders
        WHERE owner_address = %(owner)s AND nonce = %(nonce)s::text::numeric AND status = 'active'
        LIMIT 1),
    done AS (
        UPDATE active_orders SET status = 'cancelled' FROM target
        WHERE order_id = target.id AND status = 'active' AND target.protected IS NULL
        RETURNING {ORDER_COLUMNS})
    SELECT target.*, done.* FROM target LEFT JOIN done ON true
"""
_NOT_FOUND: Final = "active order not found"


class OrderEntry:
    """Takes orders and cancels; raises RefusedError where the exchange refuses."""

    def __init__(
        self, database: Database, markets: MarketList, guard: ChainGuard, settings: ApiSettings
    ) -> None:
        self._database = database
        self._markets = markets
        self._guard = guard
        self._settings = settings
        self._rules = EntryRules(
            check_action_data=settings.check_action_data,
            expected_owner=settings.expected_owner,
            expected_signer=settings.expected_signer,
        )
        self._domain = (
            Domain(settings.chain_id, settings.matching_address)
            if settings.verify_signatures
            else None
        )

    async def place(self, body: bytes) -> dict[str, Any]:
        """Store a new order."""
        request = read_order_request(body)
        order = normalize(request, self._markets, self._rules, self._now())
        if self._settings.check_custody:
            await self._guard.require_custody(order.subaccount_id)
        if self._domain is not None:
            await self._check_order_signature(self._domain, order)
        return {"order": await self._insert(order)}

    async def cancel(self, body: bytes) -> dict[str, Any]:
        """Cancel an active order by its owner and nonce."""
        texts = read_texts(read_json_object(body, allow_trailing=False), _CANCEL_TEXTS)
        for name in ("owner_address", "nonce"):
            if not texts[name]:
                raise RefusedError(400, f"{name} is required")
        owner = texts["owner_address"].lower()
        if self._domain is not None:
            self._check_cancel_signature(self._domain, owner, texts)
        protected = list(_PROTECTED if texts["service"] else ())
        try:
            rows = await self._database.fetch(
                _CANCEL, {"owner": owner, "nonce": texts["nonce"], "protected": protected}
            )
        except asyncpg.DataError as error:
            raise RefusedError(500, "failed to resolve cancel target") from error
        if not rows:
            raise RefusedError(404, _NOT_FOUND)
        _, asset_address, sub_id, prefix, *cancelled = rows[0]
        if prefix is not None:
            raise RefusedError(
                403, f'service-tagged cancels are not allowed for protected namespace "{prefix}"'
            )
        instrument = self._markets.by_asset(asset_address, sub_id)
        if cancelled[0] is None or instrument is None:
            raise RefusedError(404, _NOT_FOUND)
        return {"order": render_order(tuple(cancelled), instrument)}

    async def _insert(self, order: NewOrder) -> orjson.Fragment:
        parameters: dict[str, Any] = {name: getattr(order, name) for name in _NEW_ORDER_FIELDS}
        parameters["asset_address"] = order.instrument.asset_address
        parameters["sub_id"] = order.instrument.sub_id
        parameters["action"] = orjson.dumps(order.action).decode()
        try:
            rows = await self._database.fetch(_INSERT, parameters)
        except asyncpg.UniqueViolationError as error:
            raise RefusedError(409, f"duplicate order: {database_text(error)}") from error
        return render_order(rows[0], order.instrument)

    async def _check_order_signature(self, domain: Domain, order: NewOrder) -> None:
        try:
            digest = domain.action_digest(order.action)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RefusedError(400, "action_json cannot be hashed") from error
        if recover(digest, order.signature) != order.signer_address and not (
            await self._guard.contract_accepts(order.signer_address, digest, order.signature)
        ):
            raise RefusedError(400, "signature is not the signer's over action_json")
        if order.signer_address == order.owner_address:
            return
        if not await self._guard.is_session_key(
            order.signer_address, order.owner_address, self._now()
        ):
            raise RefusedError(400, "signer_address is not a live session key of owner_address")

    def _check_cancel_signature(self, domain: Domain, owner: str, texts: dict[str, str]) -> None:
        for name in ("signer_address", "expiry", "signature"):
            if not texts[name]:
                raise RefusedError(400, f"{name} is required")
        signer = texts["signer_address"].lower()
        if signer != owner:
            raise RefusedError(400, "a cancel must be signed by its owner")
        try:
            nonce, expiry = int(texts["nonce"]), int(texts["expiry"])
            digest = domain.cancel_digest(owner=owner, signer=signer, nonce=nonce, expiry=expiry)
        except ValueError as error:
            raise RefusedError(400, "cancel cannot be hashed") from error
        if expiry < self._now():
            raise RefusedError(400, "cancel signature has expired")
        if recover(digest, texts["signature"]) != signer:
            raise RefusedError(400, "signature is not the owner's over this cancel")

    def _now(self) -> int:
        return self._settings.clock.now_seconds()
