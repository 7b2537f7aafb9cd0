"""Plain JSON-RPC, and the little of Solidity's ABI the deployment needs.

Not a client library: those take longer to import than the whole deployment takes to run.
"""

from __future__ import annotations

import http.client
import json
import select
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from Crypto.Hash import keccak

Word = int | str | bool
Call = tuple[str, Sequence[Any]]


class RpcError(Exception):
    """The node answered with an error; `data` holds what a reverted call returned, if anything."""

    def __init__(self, code: int, message: str, data: str) -> None:
        super().__init__(f"{message} ({code}) {data}".strip())
        self.code = code
        self.data = data


class Rpc:
    """A node over one kept connection. Not to be shared between threads."""

    def __init__(self, url: str, *, timeout_seconds: float = 10.0) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=timeout_seconds
        )

    def call(self, method: str, *params: Any) -> Any:
        """The result of one request, or RpcError."""
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """The results of several requests sent at once, in order; RpcError on the first error."""
        body = json.dumps(
            [
                {"jsonrpc": "2.0", "id": index, "method": method, "params": list(params)}
                for index, (method, params) in enumerate(calls)
            ]
        )
        answers = json.loads(self._post(body))
        results: list[Any] = []
        for answer in sorted(answers, key=lambda answer: int(answer["id"])):
            if "error" in answer:
                error = answer["error"]
                data = error.get("data")
                raise RpcError(
                    error["code"], error["message"], data if isinstance(data, str) else ""
                )
            results.append(answer["result"])
        return results

    def read(self, to: str, signature: str, *words: Word) -> list[int]:
        """Call a view function with static arguments; its answer as 32-byte words."""
        answer = self.call("eth_call", {"to": to, "data": call_data(signature, *words)}, "latest")
        raw = bytes.fromhex(answer[2:])
        return [int.from_bytes(raw[at : at + 32], "big") for at in range(0, len(raw), 32)]

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        self._connection.close()

    def __enter__(self) -> Rpc:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _post(self, body: str) -> bytes:
        # Between requests there is nothing to read but the end: the node went away meanwhile.
        # Found out now rather than by a failed request, which might not be safe to repeat.
        kept = self._connection.sock
        if kept is not None and select.select([kept], [], [], 0)[0]:
            self.close()
        try:
            self._connection.request("POST", "/", body, {"content-type": "application/json"})
            return self._connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise


def keccak256(data: bytes) -> bytes:
    """The hash of the EVM."""
    return keccak.new(digest_bits=256, data=data).digest()


def selector(signature: str) -> str:
    """The four bytes that name a function or a custom error, as 0x-prefixed hex."""
    return "0x" + keccak256(signature.encode())[:4].hex()


def call_data(signature: str, *words: Word) -> str:
    """The input of a call whose arguments are all static: integers, addresses, booleans."""
    return selector(signature) + encode_words(*words).hex()


def encode_words(*words: Word) -> bytes:
    """Static ABI values; text is an address in hex."""
    return b"".join(
        bytes.fromhex(word[2:]).rjust(32, b"\0")
        if isinstance(word, str)
        else (int(word) % 2**256).to_bytes(32, "big")
        for word in words
    )


def signed(word: int) -> int:
    """A word read as int256."""
    return word - 2**256 if word >> 255 else word


def address_of(word: int) -> str:
    """A word read as a checksummed address."""
    return checksum_address(f"0x{word:040x}")


def checksum_address(address: str) -> str:
    """The mixed-case form of EIP-55."""
    plain = address[2:].lower()
    digest = keccak256(plain.encode()).hex()
    return "0x" + "".join(
        letter.upper() if int(mark, 16) >= 8 else letter
        for letter, mark in zip(plain, digest, strict=False)
    )


def contract_address(sender: str, nonce: int) -> str:
    """Where the contract lands that `sender` creates with its transaction number `nonce`."""
    assert 0 <= nonce < 0x80, "longer nonces have another encoding"
    encoded = b"\xd6\x94" + bytes.fromhex(sender[2:]) + bytes([nonce or 0x80])
    return checksum_address("0x" + keccak256(encoded)[12:].hex())
