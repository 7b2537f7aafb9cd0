# pragma version 0.4.3
"""
@title WrappedCngn
@notice The spot asset, sub id 0. A trade moves cNGN one way and price x amount of cash the other.

  cash = price * amount / 10^18, cut towards zero

The seller of cNGN may not go below zero (WA_InsufficientBalance); the buyer's cash may. Other
errors: WA_OnlyTradeModule, WA_InvalidSubId.
"""

interface SubAccounts:
    def adjustBalance(
        account: uint256, asset: address, subId: uint256, delta: int256
    ) -> int256: nonpayable

ONE: constant(int256) = 10**18

name: public(constant(String[16])) = "Wrapped cNGN"
decimals: public(constant(uint8)) = 18

SUB_ACCOUNTS: immutable(SubAccounts)
TRADE_MODULE: immutable(address)
CASH: immutable(address)


@deploy
def __init__(sub_accounts: address, trade_module: address, cash: address):
    SUB_ACCOUNTS = SubAccounts(sub_accounts)
    TRADE_MODULE = trade_module
    CASH = cash


@external
def settleTrade(
    seller: uint256,
    sellerRecipient: uint256,
    buyer: uint256,
    buyerRecipient: uint256,
    subId: uint256,
    price: int256,
    amount: uint256,
):
    if msg.sender != TRADE_MODULE:
        raw_revert(method_id("WA_OnlyTradeModule()"))
    if subId != 0:
        raw_revert(method_id("WA_InvalidSubId()"))
    quantity: int256 = convert(amount, int256)
    cash: int256 = price * quantity // ONE
    left: int256 = extcall SUB_ACCOUNTS.adjustBalance(seller, self, 0, -quantity)
    if left < 0:
        raw_revert(method_id("WA_InsufficientBalance()"))
    extcall SUB_ACCOUNTS.adjustBalance(buyerRecipient, self, 0, quantity)
    extcall SUB_ACCOUNTS.adjustBalance(buyer, CASH, 0, -cash)
    extcall SUB_ACCOUNTS.adjustBalance(sellerRecipient, CASH, 0, cash)
