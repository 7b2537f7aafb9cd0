"""Reads of the chain: raw JSON-RPC, one request a read, calldata packed by hand. Over HTTP, or over
one WebSocket where the node's URL is of one; that tells of new blocks too.

**Balances and their block belong together.** A batch of "latest block" and "call at latest" may be
answered from two blocks, or by two backends. So the balances are asked by a single `eth_call` of a
small program (as creation code; nothing is deployed) that makes the contract call and puts the
number and the time of the block it runs in in front of the answer. One round trip, one block,
whatever stands between the node and us. A node that refuses a call without a receiver is asked for
its latest block and then for the balances at that very block: two round trips, still one block.
One refusal may be a moment of the node's, such as a rate limit: the one call is tried again, first
after a second, at the latest after a minute.

Failures are `EdgeError`s of source `node`; a call that the contract itself refused is
`CallRevertedError`, which says something of the contract and not of the node. A revert is code 3 or
carries hex `data`; everything else that a node answers is no answer.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx
import orjson

from mm_bot.errors import EdgeError
from mm_bot.io.errors import answered, edge, excerpt
from mm_bot.io.http import LeanClient
from mm_bot.io.shapes import Latest, Members, Reader
from mm_bot.venues.numo.account import (
    NODE,
    AccountBalances,
    Call,
    FilledCounts,
    at_block_program,
    calldata,
    decode_balances,
    word,
)
from mm_bot.venues.signing import address_word, uint_word

if TYPE_CHECKING:
    from mm_bot.venues.numo.node_socket import NodeSocket

_REVERTED: Final = 3
"""JSON-RPC error code of a call that the contract reverted."""
# The payload of a revert; some nodes write a word before it. A provider's prose is none.
_REVERT_DATA: Final = re.compile(r"(Reverted )?0x([0-9a-fA-F]{2})*")
_PROGRAM_AGAIN_S: Final = 1.0
_PROGRAM_AGAIN_AT_MOST_S: Final = 60.0
_read: Final = Reader(NODE)


class CallRevertedError(EdgeError):
    """The contract refused the call."""


class RequestRefusedError(EdgeError):
    """The node answered that it does not do this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The latest block, and its time in unix seconds."""

    number: int
    time_s: int


class Chain:
    """One node. `client` has its timeouts; the URL may carry a key and is never shown."""

    def __init__(self, client: LeanClient, rpc_url: str) -> None:
        self._client = client
        self._rpc_url = rpc_url
        self._socket = _socket(rpc_url, client.timeout.read)
        self._ids = itertools.count(1)
        self._program: Latest[str] = Latest()
        """What asks for the balances; the same as long as the same orders rest."""
        self._program_pause_s = 0.0
        self._program_not_before_s = 0.0

    def on_block(self, told: Callable[[], None]) -> None:
        """`told` is called for each new block while `blocks` runs, where the node tells of them. It
        must not wait."""
        if self._socket is not None:
            self._socket.told.append(told)

    async def blocks(self, on_source: Callable[[str, str], None]) -> None:
        """Hears of new blocks until cancelled, where the URL is a WebSocket's. `on_source` is told
        `subscription`, or `poll` and why."""
        if self._socket is not None:
            await self._socket.follow(lambda: self._request("eth_subscribe", "newHeads"), on_source)

    async def aclose(self) -> None:
        """Close what is not the client's."""
        if self._socket is not None:
            await self._socket.aclose()

    async def chain_id(self) -> int:
        return _quantity(await self._request("eth_chainId"), "eth_chainId")

    async def block_time_s(self) -> int:
        """The time of the latest block."""
        return (await self.head()).time_s

    async def head(self) -> Head:
        """The latest block."""
        block = _read.members(await self._request("eth_getBlockByNumber", "latest", False), "block")
        number, time_s = (_read.member(block, name, "block") for name in ("number", "timestamp"))
        return Head(
            number=_quantity(number, "block.number"), time_s=_quantity(time_s, "block.timestamp")
        )

    async def has_code(self, address: str) -> bool:
        return len(_hex(await self._request("eth_getCode", address, "latest"), "code")) > 0

    async def eth_call(self, to: str, data: bytes) -> bytes:
        """Call a contract at the latest block."""
        return await self._call({"to": to, "data": "0x" + data.hex()})

    async def balances(
        self, sub_accounts: str, subaccount_id: int, counted: FilledCounts | None = None
    ) -> AccountBalances:
        """All balances of a subaccount, with the block they are of and what is filled by then."""
        words = counted.calls if counted is not None else ()
        call = calldata("getAccountBalances(uint256)", uint_word(subaccount_id))
        now_s = asyncio.get_running_loop().time()
        if now_s < self._program_not_before_s:
            return await self._balances_at_latest(sub_accounts, call, words)
        program = self._program.made(
            (sub_accounts, call, words),
            lambda: "0x" + at_block_program(sub_accounts, call, words).hex(),
        )
        try:
            answer = await self._call({"data": program})
        except RequestRefusedError:
            account = await self._balances_at_latest(sub_accounts, call, words)
            # It answers that and not this: a while without this.
            longer_s = max(2 * self._program_pause_s, _PROGRAM_AGAIN_S)
            self._program_pause_s = min(longer_s, _PROGRAM_AGAIN_AT_MOST_S)
            self._program_not_before_s = now_s + self._program_pause_s
            return account
        self._program_pause_s = 0.0
        return decode_balances(answer, len(words))

    async def _balances_at_latest(
        self, sub_accounts: str, call: bytes, words: Sequence[Call]
    ) -> AccountBalances:
        latest = await self._request("eth_getBlockByNumber", "latest", False)
        block = _read.members(latest, "block")
        number = _quantity(_read.member(block, "number", "block"), "block.number")
        time_s = _quantity(_read.member(block, "timestamp", "block"), "block.timestamp")
        answers = []
        for to, data in (*words, (sub_accounts, call)):
            transaction = {"to": to, "data": "0x" + data.hex()}
            answers.append(_hex(await self._request("eth_call", transaction, hex(number)), "call"))
        packed = uint_word(number) + uint_word(time_s) + b"".join(answers)
        return decode_balances(packed, len(words))

    async def owner_of(self, sub_accounts: str, subaccount_id: int) -> str:
        """Who holds a subaccount's token; `CallRevertedError` where there is none of that id."""
        return await self._address(sub_accounts, "ownerOf(uint256)", uint_word(subaccount_id))

    async def subaccount_owner(self, matching: str, subaccount_id: int) -> str:
        """For whom Matching holds a subaccount; the zero address where it does not."""
        return await self._address(matching, "subAccountToOwner(uint256)", uint_word(subaccount_id))

    async def session_key_expiry_s(self, matching: str, signer: str, owner: str) -> int:
        """Until when `signer` may sign for `owner`; 0 where never."""
        words = address_word(signer) + address_word(owner)
        answer = await self.eth_call(matching, calldata("sessionKeys(address,address)", words))
        return int.from_bytes(word(answer, 0), "big")

    async def domain_separator(self, matching: str) -> bytes:
        return word(await self.eth_call(matching, calldata("domainSeparator()")), 0)

    async def quote_asset(self, trade: str) -> str:
        """The cash that the trade module settles in, lower case."""
        return await self._address(trade, "quoteAsset()", b"")

    async def _address(self, to: str, function: str, words: bytes) -> str:
        answer = await self.eth_call(to, calldata(function, words))
        return "0x" + word(answer, 0)[-20:].hex()

    async def _call(self, transaction: dict[str, str]) -> bytes:
        return _hex(await self._request("eth_call", transaction, "latest"), "eth_call")

    async def _request(self, method: str, *params: object) -> object:
        request_id = next(self._ids)
        body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        if self._socket is not None:
            answer = await self._socket.ask(request_id, orjson.dumps(body))
        else:
            answer = await self._posted(method, orjson.dumps(body))
        if answer.get("error") is not None:
            raise _rpc_error(method, _read.members(answer["error"], f"{method}.error"))
        if answer.get("id") != request_id:
            raise EdgeError(NODE, f"{method} was answered with another request's id")
        return _read.member(answer, "result", method)

    async def _posted(self, method: str, body: bytes) -> Members:
        with edge(NODE):
            response = await self._client.post_json(self._rpc_url, body)
        if response.status_code != httpx.codes.OK:
            raise EdgeError(NODE, f"{method} {answered(response, _error_text(response.content))}")
        return _read.members(_read.json(response.content), method)


def _socket(rpc_url: str, timeout_s: float | None) -> NodeSocket | None:
    """None where the URL is not of a WebSocket, and nothing of that is loaded."""
    if not rpc_url.lower().startswith(("ws:", "wss:")):
        return None
    from mm_bot.venues.numo.node_socket import NodeSocket

    assert timeout_s is not None, "every client of ours has its timeouts"
    return NodeSocket(rpc_url, timeout_s)


def _rpc_error(method: str, error: Members) -> EdgeError:
    code, data, message = (error.get(name) for name in ("code", "data", "message"))
    # Nodes agree that a revert carries its data; not all of them on the code.
    reverted = code == _REVERTED or (isinstance(data, str) and _REVERT_DATA.fullmatch(data))
    kind = CallRevertedError if reverted else RequestRefusedError
    shown = code if type(code) is int else excerpt(repr(code))
    words = [excerpt(text) for text in (message, data) if isinstance(text, str) and text]
    said = "" if reverted and not words else f": {', '.join(words) or 'no error text'}"
    return kind(NODE, f"{method} {'reverted' if reverted else 'failed'} with code {shown}{said}")


def _error_text(body: bytes) -> str | None:
    """What a JSON-RPC error says that came with another status than 200; None where it is none."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    error = answer.get("error") if isinstance(answer, dict) else None
    text = error.get("message") if isinstance(error, dict) else error
    return excerpt(text) if isinstance(text, str) else None


def _quantity(value: object, where: str) -> int:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise _read.fault(where, value, "a hex quantity")
    return _read.converted(lambda: int(value, 16), where)


def _hex(value: object, where: str) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise _read.fault(where, value, "hex data")
    return _read.converted(lambda: bytes.fromhex(value[2:]), where)
