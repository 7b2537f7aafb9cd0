"""Who may trade: signatures, session keys, nonces and limits, each refusal with its own error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_utils.crypto import keccak

from integration_harness.stack.chain import Chain, address_for, contract, create
from integration_harness.stack.deployment import Account, Deposit
from integration_harness.stack.match_call import Fill, Match, match_arguments
from tests.stack.signing_desk import (
    ONE,
    SPOT_PRICE,
    Order,
    action_of,
    domain,
    refused,
    sign,
    trade,
    typed_action,
)


def test_partial_fills(chain: Chain, ask: Order, bid: Order) -> None:
    """Fills of one order add up to its size and not one unit more."""
    trade(chain, bid, ask, amount=400 * ONE)
    trade(chain, bid, ask, amount=600 * ONE)
    assert chain.filled(ask.owner.address, 1) == 1000 * ONE
    with refused("TM_FillLimitCrossed()"):
        trade(chain, replace(bid, nonce=2), ask, amount=1)


def test_nonce_is_bound_to_data(chain: Chain, ask: Order, bid: Order) -> None:
    """After its first use a nonce is good for the very same data only, whichever the expiry."""
    trade(chain, bid, ask, amount=ONE)
    assert chain.trade.seenNonces(ask.owner.address, 1).call() == keccak(ask.data)
    with refused("TM_InvalidNonce()"):
        trade(chain, bid, replace(ask, price=SPOT_PRICE - 1), amount=ONE)
    trade(chain, bid, replace(ask, expiry=chain.now() + 3600), amount=ONE)


def test_nonces_are_the_owners(chain: Chain, ask: Order, bid: Order) -> None:
    """A nonce is shared by all subaccounts of an owner, and by nobody else."""
    trade(chain, bid, ask, amount=ONE)
    spare = ask.owner.subaccount_ids[2]
    chain.deposit(spare, ask.asset, 10 * ONE)
    with refused("TM_InvalidNonce()"):
        trade(chain, bid, replace(ask, subaccount_id=spare), amount=ONE)


@pytest.mark.parametrize(
    ("changes", "match", "error"),
    [
        ({"price": SPOT_PRICE + 1}, {"price": SPOT_PRICE}, "TM_PriceTooLow()"),
        ({}, {"price": SPOT_PRICE + 1}, "TM_PriceTooHigh()"),
        ({"amount": ONE - 1}, {}, "TM_FillLimitCrossed()"),
        ({"recipient_id": 0}, {}, "TM_InvalidRecipientId()"),
        ({"recipient_id": 5}, {}, "TM_InvalidRecipientId()"),
        ({"is_bid": True}, {}, "TM_IsBidMismatch()"),
        ({"asset": "0x" + "11" * 20}, {}, "TM_AssetMismatch()"),
        ({"sub_id": 1}, {}, "TM_AssetSubIdMismatch()"),
        ({}, {"maker_fee": 1}, "TM_FeeTooHigh()"),
        ({}, {"taker_fee": 1}, "TM_FeeTooHigh()"),
        ({}, {"amount": 0}, "TM_InvalidFillAmount()"),
        ({"expiry": 1}, {}, "OV_ActionExpired()"),
        ({"subaccount_id": 5}, {}, "OV_InvalidActionOwner()"),
        ({"subaccount_id": 7}, {}, "OV_InvalidActionOwner()"),
        ({"signing_key": "0x" + "22" * 32}, {}, "OV_SignerNotOwnerOrSessionKeyExpired()"),
        ({"module": "0x" + "11" * 20}, {}, "M_MismatchedModule()"),
    ],
)
def test_refusals(
    chain: Chain,
    ask: Order,
    bid: Order,
    changes: dict[str, Any],
    match: dict[str, Any],
    error: str,
) -> None:
    """Each thing wrong with the maker's order or the match reverts with its own error."""
    with refused(error):
        trade(chain, bid, replace(ask, **changes), **{"amount": ONE, **match})
    assert chain.balances(bid.account_id)[1].amount == 1_600_000_000 * ONE


def test_wrong_key(chain: Chain, ask: Order, bid: Order) -> None:
    """A signature by another key than the named signer's is invalid."""
    forged = replace(ask, signing_key="0x" + "22" * 32, signer=ask.owner.address)
    with refused("OV_InvalidSignature()"):
        trade(chain, bid, forged, amount=ONE)


def test_only_the_executor(chain: Chain, ask: Order, bid: Order) -> None:
    """Nobody but a registered executor settles, not even the administrator."""
    with refused("M_OnlyTradeExecutor()"):
        trade(chain, bid, ask, amount=ONE, sender=chain.deployment.deployer.address)


def test_expiry_is_inclusive(chain: Chain, ask: Order, bid: Order) -> None:
    """An action is valid in the very second of its expiry and expired in the next one."""
    block = chain.web3.eth.get_block("latest")
    at = block["timestamp"]

    def settle(expiry: int) -> None:
        pairs = [sign(chain, replace(order, expiry=expiry)) for order in (bid, ask)]
        fill = Fill(filled_account=ask.account_id, amount_filled=ONE, price=SPOT_PRICE)
        arguments = match_arguments(
            [pair[0] for pair in pairs],
            [pair[1] for pair in pairs],
            Match(taker_account=bid.account_id, fills=(fill,)),
        )
        call = chain.matching.verifyAndMatch(*arguments)
        call.call({"from": chain.deployment.executor.address}, block["number"])

    settle(at)
    with refused("OV_ActionExpired()"):
        settle(at - 1)


def test_session_key(chain: Chain, ask: Order, bid: Order) -> None:
    """A session key signs for its owner until ten minutes after it was deregistered."""
    key = "0x" + "33" * 32
    by_key = replace(ask, signing_key=key, expiry=chain.now() + 10_000)
    far_bid = replace(bid, expiry=chain.now() + 10_000)
    maker = ask.owner
    chain.register_session_key(maker, address_for(key), chain.now() + 100_000)
    trade(chain, far_bid, by_key, amount=ONE)
    chain.deregister_session_key(maker, address_for(key))
    until = chain.matching.sessionKeys(address_for(key), maker.address).call()
    assert 590 <= until - chain.now() <= 600
    chain.advance(until - chain.now() - 30)
    trade(chain, far_bid, by_key, amount=ONE)
    chain.advance(31)
    with refused("OV_SignerNotOwnerOrSessionKeyExpired()"):
        trade(chain, far_bid, by_key, amount=ONE)


def test_contract_signer(chain: Chain, ask: Order, bid: Order) -> None:
    """A smart contract owns a subaccount and signs by ERC-1271."""
    wallet = create(chain.web3, "ContractWallet", sender=chain.deployment.deployer.address)
    account_id = chain.open_subaccount(wallet, Deposit(wrapped_cngn=10 * ONE))
    owner = Account(
        name="wallet", address=wallet, private_key="0x" + "44" * 32, subaccount_ids=(account_id,)
    )
    order = replace(ask, owner=owner, signer=wallet, expiry=chain.now() + 600)
    with refused("OV_InvalidSignature()"):
        trade(chain, bid, order, amount=ONE)
    message = typed_action(domain(chain), action_of(chain, order))
    digest = keccak(b"\x19\x01" + message.header + message.body)
    approved: Any = contract(chain.web3, "ContractWallet", wallet).functions
    chain.administer(approved.approveDigest(digest))
    trade(chain, bid, order, amount=ONE)
    assert chain.balance(account_id, ask.asset) == 9 * ONE
