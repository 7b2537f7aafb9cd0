# pragma version 0.4.3
"""
@title TradeModule
@notice Checks that one taker order and its maker orders agree with a match, and settles it.

Only Matching calls it, with actions whose owner and signature are already verified. Errors:
  TM_OnlyMatching, TM_InvalidActionsLength, TM_SignedAccountMismatch (an action is not for the
  account the match names), TM_InvalidNonce (the nonce is bound to other data), TM_InvalidRecipientId,
  TM_IsBidMismatch (both on one side), TM_AssetMismatch, TM_AssetSubIdMismatch, TM_InvalidFillAmount,
  TM_PriceTooHigh, TM_PriceTooLow, TM_FeeTooHigh, TM_FillLimitCrossed.

Balances come off the signed subaccount and arrive at the signed recipient. Fees are cash, from the
subaccount to the fee recipient.
"""

struct VerifiedAction:
    subaccountId: uint256
    owner: address
    module: address
    data: Bytes[MAX_DATA]
    nonce: uint256

struct TradeData:
    asset: address
    subId: uint256
    limitPrice: int256
    desiredAmount: int256
    worstFee: uint256
    recipientId: uint256
    isBid: bool

struct FillDetails:
    filledAccount: uint256
    amountFilled: uint256
    price: int256
    fee: uint256

struct OrderData:
    takerAccount: uint256
    takerFee: uint256
    fillDetails: DynArray[FillDetails, MAX_ACTIONS]
    managerData: Bytes[512]

interface Matching:
    def subAccountToOwner(accountId: uint256) -> address: view

interface SubAccounts:
    def adjustBalance(
        account: uint256, asset: address, subId: uint256, delta: int256
    ) -> int256: nonpayable

interface TradedAsset:
    def settleTrade(
        seller: uint256,
        sellerRecipient: uint256,
        buyer: uint256,
        buyerRecipient: uint256,
        subId: uint256,
        price: int256,
        amount: uint256,
    ): nonpayable

event OrderMatched:
    asset: indexed(address)
    subId: indexed(uint256)
    taker: uint256
    maker: uint256
    takerIsBid: bool
    price: int256
    amount: uint256

MAX_ACTIONS: constant(uint256) = 8
MAX_DATA: constant(uint256) = 512
MAX_ACTION_DATA: constant(uint256) = 2048
ONE: constant(uint256) = 10**18

MATCHING: immutable(Matching)
SUB_ACCOUNTS: immutable(SubAccounts)
QUOTE_ASSET: immutable(address)
FEE_RECIPIENT: immutable(uint256)

filled: public(HashMap[address, HashMap[uint256, uint256]])  # owner -> nonce -> amount
seenNonces: public(HashMap[address, HashMap[uint256, bytes32]])  # owner -> nonce -> keccak(data)


@deploy
def __init__(matching: address, sub_accounts: address, quote_asset: address, fee_recipient: uint256):
    MATCHING = Matching(matching)
    SUB_ACCOUNTS = SubAccounts(sub_accounts)
    QUOTE_ASSET = quote_asset
    FEE_RECIPIENT = fee_recipient


@external
@view
def quoteAsset() -> address:
    return QUOTE_ASSET


@external
@view
def feeRecipient() -> uint256:
    return FEE_RECIPIENT


@external
def executeAction(
    actions: DynArray[VerifiedAction, MAX_ACTIONS], actionData: Bytes[MAX_ACTION_DATA]
):
    if msg.sender != MATCHING.address:
        raw_revert(method_id("TM_OnlyMatching()"))
    order: OrderData = abi_decode(actionData, OrderData)
    if len(actions) < 2 or len(actions) != len(order.fillDetails) + 1:
        raw_revert(method_id("TM_InvalidActionsLength()"))

    taker: VerifiedAction = actions[0]
    taker_data: TradeData = self._openOrder(taker, order.takerAccount)
    taker_filled: uint256 = 0
    for i: uint256 in range(len(order.fillDetails), bound=MAX_ACTIONS):
        fill: FillDetails = order.fillDetails[i]
        maker: VerifiedAction = actions[i + 1]
        maker_data: TradeData = self._openOrder(maker, fill.filledAccount)
        if maker_data.isBid == taker_data.isBid:
            raw_revert(method_id("TM_IsBidMismatch()"))
        if maker_data.asset != taker_data.asset:
            raw_revert(method_id("TM_AssetMismatch()"))
        if maker_data.subId != taker_data.subId:
            raw_revert(method_id("TM_AssetSubIdMismatch()"))
        if fill.amountFilled == 0:
            raw_revert(method_id("TM_InvalidFillAmount()"))
        self._checkPrice(taker_data, fill.price)
        self._checkPrice(maker_data, fill.price)
        self._fill(maker, maker_data, fill.amountFilled, fill.fee)
        self._settle(taker, taker_data, maker, maker_data, fill)
        taker_filled += fill.amountFilled
    self._fill(taker, taker_data, taker_filled, order.takerFee)


@internal
def _openOrder(action: VerifiedAction, account: uint256) -> TradeData:
    if action.subaccountId != account:
        raw_revert(method_id("TM_SignedAccountMismatch()"))
    # The first use of a nonce binds it to the data for ever: an order can be filled in parts, but
    # never replaced by another one.
    data_hash: bytes32 = keccak256(action.data)
    seen: bytes32 = self.seenNonces[action.owner][action.nonce]
    if seen == empty(bytes32):
        self.seenNonces[action.owner][action.nonce] = data_hash
    elif seen != data_hash:
        raw_revert(method_id("TM_InvalidNonce()"))
    data: TradeData = abi_decode(action.data, TradeData)
    if data.recipientId == 0 or (
        data.recipientId != action.subaccountId
        and staticcall MATCHING.subAccountToOwner(data.recipientId) != action.owner
    ):
        raw_revert(method_id("TM_InvalidRecipientId()"))
    return data


@internal
@pure
def _checkPrice(data: TradeData, price: int256):
    if data.isBid and price > data.limitPrice:
        raw_revert(method_id("TM_PriceTooHigh()"))
    if not data.isBid and price < data.limitPrice:
        raw_revert(method_id("TM_PriceTooLow()"))


@internal
def _fill(action: VerifiedAction, data: TradeData, amount: uint256, fee: uint256):
    """Count a fill against the order's size and take its fee."""
    if fee * ONE // amount > data.worstFee:
        raw_revert(method_id("TM_FeeTooHigh()"))
    total: uint256 = self.filled[action.owner][action.nonce] + amount
    if data.desiredAmount < 0 or total > convert(data.desiredAmount, uint256):
        raw_revert(method_id("TM_FillLimitCrossed()"))
    self.filled[action.owner][action.nonce] = total
    if fee > 0:
        paid: int256 = convert(fee, int256)
        extcall SUB_ACCOUNTS.adjustBalance(action.subaccountId, QUOTE_ASSET, 0, -paid)
        extcall SUB_ACCOUNTS.adjustBalance(FEE_RECIPIENT, QUOTE_ASSET, 0, paid)


@internal
def _settle(
    taker: VerifiedAction,
    taker_data: TradeData,
    maker: VerifiedAction,
    maker_data: TradeData,
    fill: FillDetails,
):
    seller: uint256 = maker.subaccountId
    seller_recipient: uint256 = maker_data.recipientId
    buyer: uint256 = taker.subaccountId
    buyer_recipient: uint256 = taker_data.recipientId
    if not taker_data.isBid:
        seller = taker.subaccountId
        seller_recipient = taker_data.recipientId
        buyer = maker.subaccountId
        buyer_recipient = maker_data.recipientId
    if seller == buyer_recipient or buyer == seller_recipient:
        raw_revert(method_id("AC_CannotTransferAssetToOneself()"))
    extcall TradedAsset(taker_data.asset).settleTrade(
        seller,
        seller_recipient,
        buyer,
        buyer_recipient,
        taker_data.subId,
        fill.price,
        fill.amountFilled,
    )
    log OrderMatched(
        asset=taker_data.asset,
        subId=taker_data.subId,
        taker=taker.subaccountId,
        maker=maker.subaccountId,
        takerIsBid=taker_data.isBid,
        price=fill.price,
        amount=fill.amountFilled,
    )
