"""What is signed: this chain and any EIP-712 library see the same bytes and the same signer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from integration_harness.stack.chain import Chain, contract
from integration_harness.stack.match_call import Action, Fill, Match, match_arguments
from tests.stack.signing_desk import (
    SPOT_PRICE,
    Order,
    action_of,
    domain,
    sign,
    typed_action,
)

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "eip712.json").read_text())


def test_domain_separator(chain: Chain) -> None:
    """The contract's domain separator is the one any EIP-712 library computes."""
    action = Action(
        subaccount_id=0, nonce=0, module="0x" + "00" * 20, data=b"", expiry=0,
        owner="0x" + "00" * 20, signer="0x" + "00" * 20,
    )  # fmt: skip
    separator = chain.matching.domainSeparator().call()
    assert separator == typed_action(domain(chain), action).header


def test_action_hash(chain: Chain, bid: Order) -> None:
    """The contract's action hash is the EIP-712 struct hash, under the exchange's selector."""
    action = action_of(chain, bid)
    asked = chain.matching.getActionHash(action.members)
    assert asked.selector == "0xef817240"
    assert asked.call() == typed_action(domain(chain), action).body


def test_action_type_hash(chain: Chain) -> None:
    """The type hash is the exchange's."""
    type_hash = chain.matching.ACTION_TYPEHASH().call()
    assert type_hash.hex() == "4d7a9f27c403ff9c0f19bce61d76d82f9aa29f8d6d4b0c5474607d9770d1af17"


def recovered(chain: Chain, digest: bytes, signature: bytes) -> str:
    """Who the contract says signed."""
    return str(chain.matching.recoverSigner(digest, signature).call())


def vector_digest(vector: dict[str, Any]) -> bytes:
    """The digest of a golden vector."""
    kind = "Action" if vector["kind"] == "action" else "Cancel"
    message = {}
    for member in VECTORS["types"][kind]:
        name = "subaccount_id" if member["name"] == "subaccountId" else member["name"]
        text = vector["message"][name]
        message[member["name"]] = int(text) if member["type"] == "uint256" else text
    signable = encode_typed_data(VECTORS["domain"], {kind: VECTORS["types"][kind]}, message)
    return keccak(b"\x19\x01" + signable.header + signable.body)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["kind"])
def test_golden_vectors(chain: Chain, vector: dict[str, Any]) -> None:
    """Signatures recorded from the real exchange recover to their signer on this chain."""
    signature = bytes.fromhex(vector["signature"][2:])
    signer = recovered(chain, vector_digest(vector), signature)
    assert signer.lower() == vector["message"]["signer"].lower()


def test_malformed_signatures(chain: Chain) -> None:
    """A high s, a v other than 27 and 28, and a length other than 65 recover to nobody."""
    vector = VECTORS["vectors"][0]
    digest = vector_digest(vector)
    good = bytes.fromhex(vector["signature"][2:])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high_s = (order - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
    other_v = bytes([27 + 28 - good[64]])
    malformed = (
        good[:32] + high_s + other_v,
        good[:64] + bytes([good[64] - 27]),
        good[:64],
        good + b"\0",
    )
    assert {recovered(chain, digest, each) for each in malformed} == {"0x" + "00" * 20}


def test_call_encoding(chain: Chain, ask: Order, bid: Order) -> None:
    """A match is packed as the exchange packs it, under its selector."""
    pairs = [sign(chain, bid), sign(chain, ask)]
    match = Match(
        taker_account=bid.account_id,
        taker_fee=7,
        fills=(Fill(filled_account=ask.account_id, amount_filled=5, price=SPOT_PRICE, fee=3),),
        manager_data=b"\x01" * 33,
    )
    actions = [
        (
            action.subaccount_id,
            action.nonce,
            action.module,
            action.data,
            action.expiry,
            action.owner,
            action.signer,
        )
        for action, _ in pairs
    ]
    order = (bid.account_id, 7, [(ask.account_id, 5, SPOT_PRICE, 3)], b"\x01" * 33)
    order_type = "(uint256,uint256,(uint256,uint256,int256,uint256)[],bytes)"
    action_type = "(uint256,uint256,address,bytes,uint256,address,address)"
    signatures = [signature for _, signature in pairs]
    packed = encode(
        [f"{action_type}[]", "bytes[]", "bytes"],
        [actions, signatures, encode([order_type], [order])],
    )
    arguments = match_arguments([action for action, _ in pairs], signatures, match)
    matching = contract(chain.web3, "Matching", chain.deployment.addresses.matching)
    call = matching.encode_abi("verifyAndMatch", args=list(arguments))
    selector = keccak(f"verifyAndMatch({action_type}[],bytes[],bytes)".encode())[:4]
    assert call == "0x" + (selector + packed).hex()
