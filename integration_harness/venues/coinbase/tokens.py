"""Checks the tokens that requests and subscriptions carry."""

from __future__ import annotations

import base64
import time
from typing import Any, Final

import orjson
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS

SKEW_S: Final = 60
LONGEST_LIFE_S: Final = 120


class Key:
    """One API key: its name, and what proves that a token is of it."""

    def __init__(self, name: str, public_key_pem: str) -> None:
        self.name = name
        self._verifier = DSS.new(ECC.import_key(public_key_pem), "fips-186-3", encoding="binary")

    def why_not(self, token: str, uri: str | None, ahead_s: float) -> str | None:
        """Why a token does not count; None where it does. `uri` is what it must be bound to."""
        try:
            header, claims, signature = token.split(".")
            told: dict[str, Any] = orjson.loads(_decoded(header))
            said: dict[str, Any] = orjson.loads(_decoded(claims))
            signed = SHA256.new(f"{header}.{claims}".encode())
            self._verifier.verify(signed, _decoded(signature))
        except (ValueError, orjson.JSONDecodeError):
            return "the signature is wrong"
        now = time.time() + ahead_s
        if told.get("alg") != "ES256" or told.get("typ") != "JWT" or not told.get("nonce"):
            return "the header is wrong"
        if told.get("kid") != self.name or said.get("sub") != self.name or said.get("iss") != "cdp":
            return "the key is another"
        if said.get("uri") != uri:
            return f"it is for {said.get('uri')}"
        if not said["nbf"] - SKEW_S <= now <= said["exp"]:
            return "it is not of now"
        return "it lives too long" if said["exp"] - said["nbf"] > LONGEST_LIFE_S else None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
