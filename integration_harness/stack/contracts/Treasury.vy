# pragma version 0.4.3
"""
@title Treasury
@notice Moves funds across the ledger's border: deployed once to deposit, once to withdraw.

It stands for the deposit and the withdrawal module. No token lies behind it: the administrator
simply credits or debits a subaccount. Errors: TR_OnlyAdmin.
"""

interface SubAccounts:
    def adjustBalance(
        account: uint256, asset: address, subId: uint256, delta: int256
    ) -> int256: nonpayable

ADMIN: immutable(address)
SUB_ACCOUNTS: immutable(SubAccounts)
IS_DEPOSIT: public(immutable(bool))


@deploy
def __init__(sub_accounts: address, is_deposit: bool):
    ADMIN = msg.sender
    SUB_ACCOUNTS = SubAccounts(sub_accounts)
    IS_DEPOSIT = is_deposit


@external
def move(account: uint256, asset: address, amount: uint256):
    if msg.sender != ADMIN:
        raw_revert(method_id("TR_OnlyAdmin()"))
    delta: int256 = convert(amount, int256)
    if not IS_DEPOSIT:
        delta = -delta
    extcall SUB_ACCOUNTS.adjustBalance(account, asset, 0, delta)
