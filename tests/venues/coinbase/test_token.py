"""The tokens are the vendor's, byte for byte where it signs as we do; keys of another kind are
refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from Crypto.PublicKey import ECC

from integration_harness.venues.coinbase.tokens import Key
from mm_bot.venues.coinbase.token import Tokens, scalar_of

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
SCALAR = bytes.fromhex(VECTORS["private_scalar_hex"])


@pytest.mark.parametrize("case", VECTORS["tokens"], ids=lambda case: case["case"])
def test_the_vendor_s_tokens_are_ours(case: dict[str, Any]) -> None:
    """Header, claims and the deterministic signature of each recorded token; and the vendor's own
    key takes it."""
    tokens = Tokens(VECTORS["key_name"], SCALAR)
    uri, nonce = case["claims"].get("uri"), case["header"]["nonce"]
    made = tokens.made(uri=uri, now_s=VECTORS["now"], nonce=nonce)
    assert made == case["rfc6979_token"]
    assert made.split(".")[:2] == case["sdk_token"].split(".")[:2]


def test_a_token_is_bound_to_method_path_and_time() -> None:
    """What the fake takes: the very request, now, by the exchange's clock."""
    tokens = Tokens(VECTORS["key_name"], SCALAR)
    key = Key(VECTORS["key_name"], VECTORS["public_key_pem"])
    token, uri = tokens.of_request("POST", "host", "/orders"), "POST host/orders"
    assert key.why_not(token, uri, 0) is None
    assert key.why_not(token, "GET host/orders", 0) == "it is for POST host/orders"
    assert key.why_not(token, None, 0) is not None
    assert key.why_not(token, uri, 300) == "it is not of now"
    tokens.ahead_s = 300
    assert key.why_not(tokens.of_request("POST", "host", "/orders"), uri, 300) is None
    assert key.why_not(tokens.of_subscription(), None, 300) is None
    other = Tokens(VECTORS["key_name"], b"\x05" * 32)
    assert key.why_not(other.of_subscription(), None, 0) == "the signature is wrong"


def test_a_key_in_pem_is_read_however_its_newlines_arrive() -> None:
    """SEC1 and PKCS8, with real line breaks and with the two characters."""
    key = ECC.construct(curve="P-256", d=int.from_bytes(SCALAR))
    for pkcs8 in (False, True):
        pem = str(key.export_key(format="PEM", use_pkcs8=pkcs8))
        assert scalar_of(pem) == SCALAR
        assert scalar_of(pem.replace("\n", "\\n")) == SCALAR


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----",
        VECTORS["public_key_pem"],
        str(ECC.generate(curve="Ed25519").export_key(format="PEM")),
        str(ECC.generate(curve="P-384").export_key(format="PEM")),
    ],
    ids=["nothing", "torn", "public", "Ed25519", "P-384"],
)
def test_another_kind_of_key_is_refused_with_what_to_give(wrong: str) -> None:
    """The words say what is wanted, and nothing of what was given."""
    with pytest.raises(ValueError, match="an EC P-256 private key in PEM"):
        scalar_of(wrong)
