"""What the vendor's own tools sign, we sign: byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mm_bot.core.exact import Price
from mm_bot.venues.derive import wire
from mm_bot.venues.signing import Action, Domain, Signer, TradeData

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
NETWORKS = {"v3-mainnet": 1, "v3-testnet": 11155111}


@pytest.mark.parametrize("case", VECTORS["trade"], ids=lambda case: case["case"])
def test_the_vendor_s_signatures_are_ours(case: dict[str, Any]) -> None:
    """Words, digest and signature of each recorded order."""
    given = case["inputs"]
    domain = Domain(
        chain_id=case["domain"]["chainId"], matching=case["domain"]["verifyingContract"].lower()
    )
    assert "0x" + domain.separator.hex() == case["domain_separator"]
    data = TradeData(
        asset=given["asset_address"].lower(),
        sub_id=int(given["asset_sub_id"]),
        limit_price=wire.chain(Price.of(given["limit_price"]).value),
        desired_amount=wire.chain(Price.of(given["amount"]).value),
        worst_fee=wire.chain(Price.of(given["max_fee"]).value),
        recipient_id=given["recipient_id"],
        is_bid=given["is_bid"],
    )
    assert "0x" + data.encode().hex() == case["trade_data_abi"]
    action = Action(
        subaccount_id=given["subaccount_id"],
        nonce=int(given["nonce"]),
        module=given["module"].lower(),
        data=data.encode(),
        expiry_s=given["signature_expiry_sec"],
        owner=given["owner"].lower(),
        signer=given["signer"].lower(),
    )
    assert "0x" + domain.action_digest(action).hex() == case["digest"]
    signer = Signer(bytes.fromhex(given["signer_private_key"].removeprefix("0x")))
    assert "0x" + signer.sign_action(domain, action).hex() == case["signature"]


def test_the_networks_separators_are_the_vendor_s() -> None:
    """Chain id and contract of each network give the separator that the vendor publishes."""
    for name, chain_id in NETWORKS.items():
        domain = Domain(chain_id=chain_id, matching="0xeb8d770ec18db98db922e9d83260a585b9f0dead")
        assert "0x" + domain.separator.hex() == VECTORS["domain_separators"][name]
