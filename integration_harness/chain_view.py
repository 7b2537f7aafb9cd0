"""The chain as a reader sees it: balances and identities by `eth_call`, over any node's URL."""

from __future__ import annotations

from typing import Any

import httpx

from integration_harness.stack.deployment import Deployment
from integration_harness.stack.rpc import Word, address_of, call_data, signed


class ChainView:
    """Reads only."""

    def __init__(self, rpc_url: str, deployment: Deployment) -> None:
        self._url = rpc_url
        self._where = deployment.addresses
        self._client = httpx.Client(timeout=10)
        self._cash: str | None = None

    def close(self) -> None:
        self._client.close()

    def request(self, method: str, *params: object) -> Any:
        """The result of one JSON-RPC request; httpx.HTTPError where there is none."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._client.post(self._url, json=body).raise_for_status().json()
        if "result" not in answer:
            raise httpx.HTTPError(f"the node refuses {method}: {answer.get('error')}")
        return answer["result"]

    def chain_id(self) -> int:
        return int(self.request("eth_chainId"), 16)

    def cash_asset(self) -> str:
        """The quote asset of the trade module."""
        if self._cash is None:
            self._cash = address_of(self._read(self._where.trade, "quoteAsset()")[0]).lower()
        return self._cash

    def balance(self, subaccount_id: int, asset: str, sub_id: int = 0) -> int:
        """One balance with 18 decimals, zero where there is none."""
        signature = "getAccountBalances(uint256)"
        words = self._read(self._where.sub_accounts, signature, subaccount_id)
        for at in range(2, len(words), 3):
            if (address_of(words[at]).lower(), words[at + 1]) == (asset.lower(), sub_id):
                return signed(words[at + 2])
        return 0

    def subaccount_owner(self, subaccount_id: int) -> str:
        """Who Matching keeps a subaccount for; the zero address where for nobody."""
        words = self._read(self._where.matching, "subAccountToOwner(uint256)", subaccount_id)
        return address_of(words[0]).lower()

    def mark(self, expiry: int) -> int:
        """The mark of a future of the local exchange."""
        return signed(self._read(self._where.future, "mark(uint256)", expiry)[0])

    def _read(self, to: str, signature: str, *words: Word) -> list[int]:
        call = {"to": to, "data": call_data(signature, *words)}
        raw = bytes.fromhex(str(self.request("eth_call", call, "latest"))[2:])
        return [int.from_bytes(raw[at : at + 32], "big") for at in range(0, len(raw), 32)]
