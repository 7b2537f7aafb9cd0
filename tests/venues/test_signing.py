"""Signatures: the recorded ones, byte for byte, and nothing that could be signed by accident."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_bot.venues import signing
from mm_bot.venues.numo.units import to_chain_exact
from mm_bot.venues.signing import Action, CancelRequest, Domain, SharedWords, Signer, TradeData

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "eip712.json").read_text()
)
KEY = bytes.fromhex(GOLDEN["private_key"][2:])
DOMAIN = Domain(
    chain_id=GOLDEN["domain"]["chainId"], matching=GOLDEN["domain"]["verifyingContract"]
)
UINTS = st.integers(0, 2**256 - 1)
INTS = st.integers(-(2**255), 2**255 - 1)
ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())


def action_of(message: dict[str, str]) -> Action:
    """The action of a recorded message."""
    return Action(
        subaccount_id=int(message["subaccount_id"]),
        nonce=int(message["nonce"]),
        module=message["module"],
        data=bytes.fromhex(message["data"][2:]),
        expiry_s=int(message["expiry"]),
        owner=message["owner"],
        signer=message["signer"],
    )


@pytest.mark.parametrize("vector", GOLDEN["vectors"], ids=range(len(GOLDEN["vectors"])))
def test_recorded_signatures_come_out_again(vector: dict[str, Any]) -> None:
    """Every recorded action and cancel is signed to the very same 65 bytes."""
    signer, message = Signer(KEY), vector["message"]
    if vector["kind"] == "action":
        signature = signer.sign_action(DOMAIN, action_of(message))
    else:
        cancel = CancelRequest(
            owner=message["owner"],
            signer=message["signer"],
            nonce=int(message["nonce"]),
            expiry_s=int(message["expiry"]),
        )
        signature = signer.sign_cancel(DOMAIN, cancel)
    assert "0x" + signature.hex() == vector["signature"]


@pytest.mark.parametrize(
    "vector", [v for v in GOLDEN["vectors"] if v["kind"] == "action"], ids=lambda v: v["order_id"]
)
def test_recorded_trade_data_comes_out_again(vector: dict[str, Any]) -> None:
    """The seven words of each recorded order follow from its body."""
    body = vector["request_body"]
    price, amount = (
        to_chain_exact(Decimal(body[name])) for name in ("limit_price", "desired_amount")
    )
    data = TradeData(
        asset=body["asset_address"],
        sub_id=int(body["sub_id"]),
        limit_price=price,
        desired_amount=amount,
        worst_fee=int(body["worst_fee"]),
        recipient_id=int(body["recipient_id"]),
        is_bid=body["side"] == "buy",
    )
    assert "0x" + data.encode().hex() == vector["message"]["data"]


@settings(max_examples=40)
@given(UINTS, UINTS, ADDRESSES, st.binary(max_size=300), UINTS, ADDRESSES, ADDRESSES)
def test_an_independent_library_signs_the_same(
    subaccount_id: int,
    nonce: int,
    module: str,
    data: bytes,
    expiry_s: int,
    owner: str,
    signer: str,
) -> None:
    """For any action our bytes are those of eth_account's generic typed-data signing."""
    action = Action(
        subaccount_id=subaccount_id,
        nonce=nonce,
        module=module,
        data=data,
        expiry_s=expiry_s,
        owner=owner,
        signer=signer,
    )
    message = {
        "subaccountId": subaccount_id,
        "nonce": nonce,
        "module": module,
        "data": data,
        "expiry": expiry_s,
        "owner": owner,
        "signer": signer,
    }
    types = {"Action": GOLDEN["types"]["Action"]}
    encoded = encode_typed_data(GOLDEN["domain"], types, message)
    theirs = Account.sign_message(encoded, KEY).signature
    assert Signer(KEY).sign_action(DOMAIN, action) == bytes(theirs)


@settings(max_examples=40)
@given(
    words=st.tuples(UINTS, UINTS, UINTS, UINTS),
    addresses=st.tuples(ADDRESSES, ADDRESSES, ADDRESSES, ADDRESSES),
    orders=st.lists(st.tuples(UINTS, UINTS, INTS, INTS, st.booleans()), max_size=3),
)
def test_words_that_are_packed_once_give_the_bytes_of_each_order(
    words: tuple[int, int, int, int],
    addresses: tuple[str, str, str, str],
    orders: list[tuple[int, int, int, int, bool]],
) -> None:
    """The trade and the digest of each, whatever order the shared words were taken from."""
    (subaccount_id, sub_id, fee, recipient_id), (asset, *parties) = words, addresses

    def order(
        nonce: int, expiry_s: int, price: int, amount: int, is_bid: bool
    ) -> tuple[Action, TradeData]:
        trade = TradeData(asset, sub_id, price, amount, fee, recipient_id, is_bid)
        module, owner, signer = parties
        data = trade.encode()
        return Action(subaccount_id, nonce, module, data, expiry_s, owner, signer), trade

    shared = SharedWords(DOMAIN, *order(1, 2, 3, 4, True))
    for nonce, expiry_s, price, amount, is_bid in orders:
        action, trade = order(nonce, expiry_s, price, amount, is_bid)
        data = shared.data(price, amount, is_bid)
        assert data == trade.encode()
        assert shared.digest(nonce, data, expiry_s) == DOMAIN.action_digest(action)
    for wrong in ({"limit_price": 2**255}, {"desired_amount": 1.0}):
        given: dict[str, Any] = {"limit_price": 1, "desired_amount": 1, "is_bid": True, **wrong}
        with pytest.raises(ValueError, match="is no int256"):
            shared.data(**given)
    with pytest.raises(ValueError, match="is no uint256"):
        shared.digest(-1, b"", 1)


@settings(max_examples=40)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_signature_recovers_its_signer(key: bytes, digest: bytes) -> None:
    """Whatever the key and the digest: 65 bytes, low s, v 27 or 28, and our address comes back."""
    try:
        signer = Signer(key)
    except ValueError:
        return
    signature = signer.sign(digest)
    assert int.from_bytes(signature[32:64], "big") <= (2**256 - 2**32 - 977) // 2
    assert signing.recover(digest, signature) == signer.address
    signer.check()


def test_a_key_never_shows() -> None:
    """Neither repr, str nor an error carries the private key."""
    signer = Signer(KEY)
    assert KEY.hex() not in repr(signer) + str(signer) + str(vars(signing))
    with pytest.raises(ValueError, match="32 bytes") as caught:
        Signer(KEY[:31])
    assert KEY[:31].hex() not in str(caught.value)
    with pytest.raises(ValueError, match="range"):
        Signer(bytes(32))


@pytest.mark.parametrize(
    "wrong",
    [
        {"is_bid": "no"},
        {"is_bid": 1},
        {"sub_id": -1},
        {"sub_id": 1.0},
        {"limit_price": 2**255},
        {"asset": "0x12"},
        {"asset": "22" * 20},
        {"recipient_id": True},
    ],
)
def test_nothing_of_a_wrong_type_is_signed(wrong: dict[str, Any]) -> None:
    """A word of another type or range is refused, never signed as something else."""
    right: dict[str, Any] = {
        "asset": "0x" + "22" * 20,
        "sub_id": 1,
        "limit_price": 1,
        "desired_amount": 1,
        "worst_fee": 0,
        "recipient_id": 1,
        "is_bid": True,
    }
    assert len(TradeData(**right).encode()) == 224
    with pytest.raises(ValueError, match="is no"):
        TradeData(**{**right, **wrong}).encode()
