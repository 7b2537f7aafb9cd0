"""The tokens that Coinbase wants: JSON Web Tokens, ES256, one for each request or subscription.

Signed deterministically (RFC 6979), so that the vectors pin the bytes. A token is bound to method
and path, without the query, and lives for two minutes.
"""

from __future__ import annotations

import base64
import secrets
import time
from typing import Final

import orjson
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS

LIFE_S: Final = 120
CURVE: Final = "NIST P-256"


class Tokens:
    """Makes tokens with one key; neither shows in a repr."""

    __slots__ = ("_name", "_sign", "ahead_s")

    def __init__(self, name: str, scalar: bytes) -> None:
        self._name = name
        self.ahead_s = 0
        """How far the exchange's clock is ahead of ours: it refuses tokens that are not of now."""
        key = ECC.construct(curve="P-256", d=int.from_bytes(scalar))
        self._sign = DSS.new(key, "deterministic-rfc6979", encoding="binary")

    def of_request(self, method: str, host: str, path: str) -> str:
        """For one request by HTTP; the path has no query."""
        return self.made(uri=f"{method} {host}{path}", now_s=self._now_s(), nonce=_nonce())

    def of_subscription(self) -> str:
        """For one message to a socket."""
        return self.made(uri=None, now_s=self._now_s(), nonce=_nonce())

    def _now_s(self) -> int:
        return int(time.time()) + self.ahead_s

    def made(self, *, uri: str | None, now_s: int, nonce: str) -> str:
        header = {"alg": "ES256", "kid": self._name, "nonce": nonce, "typ": "JWT"}
        claims: dict[str, object] = {
            "sub": self._name,
            "iss": "cdp",
            "nbf": now_s,
            "exp": now_s + LIFE_S,
        }
        if uri is not None:
            claims["uri"] = uri
        signed = f"{_encoded(orjson.dumps(header))}.{_encoded(orjson.dumps(claims))}"
        signature = self._sign.sign(SHA256.new(signed.encode()))
        return f"{signed}.{_encoded(signature)}"


def scalar_of(pem: str) -> bytes:
    """The private number in a PEM file, whose newlines may have become the characters `\\n`.

    Raises:
        ValueError: for anything but an EC P-256 key; says what to give instead.
    """
    try:
        key = ECC.import_key(pem.replace("\\n", "\n").strip() + "\n")
    except (ValueError, IndexError, TypeError):
        raise ValueError("an EC P-256 private key in PEM") from None
    if key.curve != CURVE or not key.has_private():
        raise ValueError("an EC P-256 private key in PEM: make the API key with ECDSA")
    return int(key.d).to_bytes(32)


def _nonce() -> str:
    return secrets.token_hex(32)


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
