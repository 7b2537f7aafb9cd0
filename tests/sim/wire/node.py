"""A node of the chain over the model: JSON-RPC in, JSON-RPC out.

Of the balances' program it runs what that does: the calls that it names, at one block.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import orjson

from mm_bot.venues.numo.account import calldata
from mm_bot.venues.numo.units import CHAIN_ONE, ref, to_chain_exact
from mm_bot.venues.signing import address_word, int_word, uint_word
from tests.sim.chain import BLOCK_MS
from tests.sim.model import US, Model
from tests.sim.wire import places
from tests.sim.wire.answers import Answer, Request

_HEAD_BYTES = 8
_CALL_BYTES = 59
_FILLED = calldata("filled(address,uint256)")
_BALANCES = calldata("getAccountBalances(uint256)")
_CONSTANTS = {
    calldata("domainSeparator()"): places.DOMAIN.separator,
    calldata("quoteAsset()"): address_word(places.CASH),
    calldata("ownerOf(uint256)"): address_word(places.MATCHING),
    calldata("subAccountToOwner(uint256)"): address_word(places.OWNER),
    calldata("sessionKeys(address,address)"): uint_word(4_000_000_000),
}


class Node:
    def __init__(self, model: Model) -> None:
        self._model = model

    def answer(self, request: Request, held_ms: int | None) -> Answer:
        """`held_ms` is the time of the block at which it stands still."""
        asked, shown_ms = orjson.loads(request.body), self._model.chain.shown_ms()
        latest_ms = shown_ms if held_ms is None else min(shown_ms, held_ms)
        result = self._result(asked["method"], asked["params"], latest_ms)
        return Answer.json(200, {"jsonrpc": "2.0", "id": asked["id"], "result": result})

    def _result(self, method: str, params: list[Any], latest_ms: int) -> Any:
        match method:
            case "eth_chainId":
                return hex(places.CHAIN_ID)
            case "eth_getCode":
                return "0x60"
            case "eth_blockNumber":
                return hex(latest_ms // BLOCK_MS)
            case "eth_getBlockByNumber":
                return {"number": hex(latest_ms // BLOCK_MS), "timestamp": hex(latest_ms // 1000)}
            case "eth_call":
                call, block = params
                at_ms = latest_ms if block == "latest" else int(block, 16) * BLOCK_MS
                data = bytes.fromhex(call["data"][2:])
                done = self._call(data, at_ms) if "to" in call else self._run(data, at_ms)
                return "0x" + done.hex()
        raise AssertionError(f"the bot asks a node for {method}")

    def _run(self, code: bytes, block_ms: int) -> bytes:
        *words, last = (self._call(data, block_ms) for data in _calls(code))
        return (
            uint_word(block_ms // BLOCK_MS)
            + uint_word(block_ms // 1000)
            + b"".join(word[:32] for word in words)
            + last
        )

    def _call(self, data: bytes, block_ms: int) -> bytes:
        selector = data[:4]
        if selector == _FILLED:
            return uint_word(self._filled(int.from_bytes(data[-32:], "big"), block_ms))
        if selector == _BALANCES:
            return self._balances(block_ms)
        return _CONSTANTS[selector]

    def _filled(self, nonce: int, block_ms: int) -> int:
        model = self._model
        order_id = model.nonces.get((US, nonce))
        steps = 0 if order_id is None else model.chain.filled_at(order_id, block_ms)
        return steps * (CHAIN_ONE if model.market.is_spot else CHAIN_ONE // 1000)

    def _balances(self, block_ms: int) -> bytes:
        base, quote = self._model.chain.holdings(block_ms)
        market = self._model.market
        traded, cash = (quote, base) if market.is_spot else (base, quote)
        where = ref(market)
        held = (
            (where.asset, where.sub_id, to_chain_exact(traded)),
            (places.CASH, 0, to_chain_exact(cash)),
        )
        entries = [each for each in held if each[2]]
        words = [uint_word(32), uint_word(len(entries))]
        for asset, sub_id, balance in entries:
            words += [address_word(asset), uint_word(sub_id), int_word(balance)]
        return b"".join(words)


def _calls(code: bytes) -> Iterator[bytes]:
    """The calldata of each call of `at_block_program`, which says where it keeps it."""
    at = _HEAD_BYTES
    while code[at] == 0x61:
        size, data_at = (int.from_bytes(code[i : i + 2], "big") for i in (at + 1, at + 4))
        yield code[data_at : data_at + size]
        at += _CALL_BYTES


def refusal(answer: Answer, random: Random) -> Answer:
    """What a node says instead of an answer."""
    asked = orjson.loads(answer.body)["id"]
    error = random.choice(
        (
            {"code": -32005, "message": "limit exceeded", "data": "see the plans of your account"},
            {"code": -32016, "message": "over rate limit"},
            {"code": -32000, "message": "header not found"},
            {"code": -32603, "message": "Internal error"},
            {"code": 429, "message": ""},
            {},
        )
    )
    return Answer.json(200, {"jsonrpc": "2.0", "id": asked, "error": error})
