"""Signed orders and matches for the contract tests, made with an independent typed-data library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account as Signer
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.abi import function_signature_to_4byte_selector
from web3.exceptions import ContractLogicError

from integration_harness.stack.chain import Chain, address_for
from integration_harness.stack.deployment import Account
from integration_harness.stack.match_call import Action, Fill, Match

ONE = 10**18
DAY_SECONDS = 86_400
SPOT_PRICE = ONE // 1600  # USDC per cNGN
FIRST_MARK = 1_600 * ONE
ACTION_TYPE = [
    {"name": "subaccountId", "type": "uint256"},
    {"name": "nonce", "type": "uint256"},
    {"name": "module", "type": "address"},
    {"name": "data", "type": "bytes"},
    {"name": "expiry", "type": "uint256"},
    {"name": "owner", "type": "address"},
    {"name": "signer", "type": "address"},
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an owner signs; members left None follow from the others."""

    owner: Account
    is_bid: bool
    price: int
    amount: int
    nonce: int
    asset: str
    sub_id: int = 0
    worst_fee: int = 0
    subaccount_id: int | None = None
    recipient_id: int | None = None
    expiry: int | None = None
    signing_key: str | None = None
    signer: str | None = None
    module: str | None = None

    @property
    def account_id(self) -> int:
        return self.owner.subaccount_ids[0] if self.subaccount_id is None else self.subaccount_id

    @property
    def data(self) -> bytes:
        recipient = self.account_id if self.recipient_id is None else self.recipient_id
        return encode(
            ["address", "uint256", "int256", "int256", "uint256", "uint256", "bool"],
            [
                self.asset,
                self.sub_id,
                self.price,
                self.amount,
                self.worst_fee,
                recipient,
                self.is_bid,
            ],
        )


def domain(chain: Chain) -> dict[str, Any]:
    """The EIP-712 domain of a deployment."""
    return {
        "name": "Matching",
        "version": "1.0",
        "chainId": chain.deployment.chain_id,
        "verifyingContract": chain.deployment.addresses.matching,
    }


def typed_action(separator: Mapping[str, Any], action: Action) -> SignableMessage:
    """An action as the independent library encodes it."""
    message = {
        "subaccountId": action.subaccount_id,
        "nonce": action.nonce,
        "module": action.module,
        "data": action.data,
        "expiry": action.expiry,
        "owner": action.owner,
        "signer": action.signer,
    }
    return encode_typed_data(dict(separator), {"Action": ACTION_TYPE}, message)


def action_of(chain: Chain, order: Order) -> Action:
    """The action that carries an order."""
    key = order.signing_key or order.owner.private_key
    return Action(
        subaccount_id=order.account_id,
        nonce=order.nonce,
        module=order.module or chain.deployment.addresses.trade,
        data=order.data,
        expiry=chain.now() + 60 if order.expiry is None else order.expiry,
        owner=order.owner.address,
        signer=order.signer or address_for(key),
    )


def sign(chain: Chain, order: Order) -> tuple[Action, bytes]:
    """The action of an order and its signature."""
    action = action_of(chain, order)
    key = order.signing_key or order.owner.private_key
    signed = Signer.sign_message(typed_action(domain(chain), action), key)
    return action, bytes(signed.signature)


def trade(
    chain: Chain,
    taker: Order,
    maker: Order,
    *,
    amount: int,
    price: int | None = None,
    taker_fee: int = 0,
    maker_fee: int = 0,
    sender: str | None = None,
) -> None:
    """Match two orders; at the maker's price unless another is given."""
    pairs = [sign(chain, taker), sign(chain, maker)]
    fill = Fill(
        filled_account=maker.account_id,
        amount_filled=amount,
        price=maker.price if price is None else price,
        fee=maker_fee,
    )
    match = Match(taker_account=taker.account_id, taker_fee=taker_fee, fills=(fill,))
    chain.match([pair[0] for pair in pairs], [pair[1] for pair in pairs], match, sender=sender)


@contextmanager
def refused(error: str) -> Iterator[None]:
    """The block must end in a revert with this custom error."""
    with pytest.raises(ContractLogicError) as caught:
        yield
    data = str(caught.value.data)
    assert data[:10] == "0x" + function_signature_to_4byte_selector(error).hex(), caught.value
