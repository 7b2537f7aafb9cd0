# pragma version 0.4.3
"""
@title Future
@notice Deliverable USDC/cNGN futures; the sub id is the expiry in unix seconds. One contract is
10,000 USDC, prices are cNGN per USDC, everything has 18 decimals.

A position is always worth zero at its mark, because every change of value has been paid in cash:

  a fill of `amount` at `price`:      buyer  += vm(amount, price, mark)
                                      seller -= vm(amount, price, mark)
  a mark moving from `old` to `new`:  every holder += vm(position, old, new), position signed

  vm(quantity, from, to) = 10000 * quantity * (to - from) / to, cut towards zero

That is: one contract gains (to - from) x 10,000 cNGN, turned into USDC at the price `to`. So the
cash of an account is a sum over its fills and the marks set while it held a position, exact to the
last integer, and `vm(-q) = -vm(q)`.

Errors: FA_OnlyTradeModule, FA_OnlyKeeper, FA_InvalidMark, FA_NotListed (no mark was ever set),
FA_Expired, FA_OnlyReduceBeforeExpiry (within 3 days before expiry no party's absolute position may
grow).
"""

interface SubAccounts:
    def adjustBalance(
        account: uint256, asset: address, subId: uint256, delta: int256
    ) -> int256: nonpayable
    def getBalance(account: uint256, asset: address, subId: uint256) -> int256: view

event MarkSet:
    subId: indexed(uint256)
    old: int256
    new: int256

CONTRACT_SIZE: public(constant(int256)) = 10_000
REDUCE_ONLY_SECONDS: public(constant(uint256)) = 259_200
# Accounts that ever held one expiry; bounds the loop of `setMark`.
MAX_HOLDERS: constant(uint256) = 128

name: public(constant(String[32])) = "USDC/cNGN future"
decimals: public(constant(uint8)) = 18

KEEPER: immutable(address)
SUB_ACCOUNTS: immutable(SubAccounts)
TRADE_MODULE: immutable(address)
CASH: immutable(address)

mark: public(HashMap[uint256, int256])

holders: HashMap[uint256, DynArray[uint256, MAX_HOLDERS]]
everHeld: HashMap[uint256, HashMap[uint256, bool]]


@deploy
def __init__(sub_accounts: address, trade_module: address, cash: address):
    KEEPER = msg.sender
    SUB_ACCOUNTS = SubAccounts(sub_accounts)
    TRADE_MODULE = trade_module
    CASH = cash


@external
def setMark(subId: uint256, new: int256):
    """Set the mark and pay the difference to every holder. The first mark lists the expiry."""
    if msg.sender != KEEPER:
        raw_revert(method_id("FA_OnlyKeeper()"))
    if new <= 0:
        raw_revert(method_id("FA_InvalidMark()"))
    old: int256 = self.mark[subId]
    self.mark[subId] = new
    for holder: uint256 in self.holders[subId]:
        position: int256 = staticcall SUB_ACCOUNTS.getBalance(holder, self, subId)
        if position != 0:
            paid: int256 = self._variationMargin(position, old, new)
            extcall SUB_ACCOUNTS.adjustBalance(holder, CASH, 0, paid)
    log MarkSet(subId=subId, old=old, new=new)


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
        raw_revert(method_id("FA_OnlyTradeModule()"))
    mark: int256 = self.mark[subId]
    if mark == 0:
        raw_revert(method_id("FA_NotListed()"))
    if block.timestamp >= subId:
        raw_revert(method_id("FA_Expired()"))
    quantity: int256 = convert(amount, int256)
    # The seller's cash moves with the seller's position, wherever its proceeds were to go: a
    # position and its margin never part.
    margin: int256 = self._variationMargin(quantity, price, mark)
    self._move(seller, subId, -quantity, -margin)
    self._move(buyerRecipient, subId, quantity, margin)


@internal
def _move(account: uint256, subId: uint256, quantity: int256, margin: int256):
    position: int256 = extcall SUB_ACCOUNTS.adjustBalance(account, self, subId, quantity)
    if block.timestamp + REDUCE_ONLY_SECONDS >= subId and abs(position) > abs(position - quantity):
        raw_revert(method_id("FA_OnlyReduceBeforeExpiry()"))
    if not self.everHeld[subId][account]:
        self.everHeld[subId][account] = True
        self.holders[subId].append(account)
    if margin != 0:
        extcall SUB_ACCOUNTS.adjustBalance(account, CASH, 0, margin)


@internal
@pure
def _variationMargin(quantity: int256, start: int256, end: int256) -> int256:
    return CONTRACT_SIZE * quantity * (end - start) // end
