"""What the API asks the chain before it takes an order: custody and session keys.

Answers are kept for a short while, so that a market maker's burst costs one call and a session
key that was revoked stops working within seconds.
"""

from __future__ import annotations

import time
from typing import Any, Final

import httpx
import orjson

from integration_harness.stack.markets_api.errors import RefusedError
from integration_harness.stack.settings import ChainSettings
from integration_harness.stack.signed_data import address_word, selector, word

_KEEP_SECONDS: Final = 2
_MOST_KEPT: Final = 10_000
_OWNER_OF: Final = selector("ownerOf(uint256)")
_SESSION_KEYS: Final = selector("sessionKeys(address,address)")
_IS_VALID_SIGNATURE: Final = selector("isValidSignature(bytes32,bytes)")


class RpcError(Exception):
    """The node answered with an error; its text is the node's."""


class ChainGuard:
    """Read-only questions about subaccounts and session keys."""

    def __init__(self, chain: ChainSettings) -> None:
        self._chain = chain
        self._client = httpx.AsyncClient(timeout=5)
        self._kept: dict[tuple[str, str], tuple[float, bytes]] = {}

    async def require_custody(self, subaccount_id: str) -> None:
        """Refuse an order of a subaccount that Matching does not hold."""
        if not self._chain.rpc_url:
            raise RefusedError(400, "custody guard misconfigured: CHAIN_RPC_URL is required")
        if not (subaccount_id.isascii() and subaccount_id.isdecimal()) or len(subaccount_id) > 78:
            raise RefusedError(
                400, f'read subaccount owner: invalid subaccount_id "{subaccount_id}"'
            )
        calldata = _OWNER_OF + word(int(subaccount_id)).hex()
        try:
            answer = await self._call(self._chain.sub_accounts_address, calldata)
        except httpx.HTTPError as error:
            raise RefusedError(
                400, f'resolve subaccounts contract: Post "{self._chain.rpc_url}": {error}'
            ) from error
        except RpcError as error:
            raise RefusedError(400, f"read subaccount owner: {error}") from error
        if answer[-20:].hex() != self._chain.matching_address.removeprefix("0x"):
            raise RefusedError(
                400, f"subaccount_id {subaccount_id} is not deposited in matching custody"
            )

    async def is_session_key(self, signer: str, owner: str, now_seconds: int) -> bool:
        """Whether a key may sign for an owner now."""
        calldata = _SESSION_KEYS + address_word(signer).hex() + address_word(owner).hex()
        try:
            answer = await self._call(self._chain.matching_address, calldata)
        except (httpx.HTTPError, RpcError) as error:
            raise RefusedError(500, f"read session key: {error}") from error
        return int.from_bytes(answer, "big") >= now_seconds

    async def contract_accepts(self, signer: str, digest: bytes, signature: str) -> bool:
        """Whether a signer that is a contract vouches for a signature (ERC-1271)."""
        try:
            raw = bytes.fromhex(signature.removeprefix("0x"))
        except ValueError:
            return False
        padded = raw + b"\0" * (-len(raw) % 32)
        arguments = digest + word(64) + word(len(raw)) + padded
        try:
            answer = await self._call(signer, _IS_VALID_SIGNATURE + arguments.hex())
        except RpcError:
            return False
        except httpx.HTTPError as error:
            raise RefusedError(500, f"ask the signer's contract: {error}") from error
        return answer[:4].hex() == _IS_VALID_SIGNATURE.removeprefix("0x")

    async def close(self) -> None:
        """Let go of the node."""
        await self._client.aclose()

    async def _call(self, to: str, calldata: str) -> bytes:
        kept = self._kept.get((to, calldata))
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        request: dict[str, Any] = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "eth_call",
            "params": [{"to": to, "data": calldata}, "latest"],
        }
        response = await self._client.post(
            self._chain.rpc_url,
            content=orjson.dumps(request),
            headers={"content-type": "application/json"},
        )
        reply = orjson.loads(response.content)
        if "error" in reply:
            raise RpcError(str(reply["error"].get("message", reply["error"])))
        answer = bytes.fromhex(str(reply["result"]).removeprefix("0x"))
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[(to, calldata)] = (time.monotonic() + _KEEP_SECONDS, answer)
        return answer
