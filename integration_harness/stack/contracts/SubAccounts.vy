# pragma version 0.4.3
"""
@title SubAccounts
@notice The ledger: who owns which subaccount (an ERC-721 token) and what each one holds.

A balance belongs to (account, asset, sub id), is a signed integer with 18 decimals, and is moved
only by contracts the administrator authorised. The ledger itself allows negative balances; an
asset that must not go below zero says so when it moves.
"""

struct AssetBalance:
    asset: address
    subId: uint256
    balance: int256

struct AssetKey:
    asset: address
    subId: uint256

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    tokenId: indexed(uint256)

event BalanceAdjusted:
    account: indexed(uint256)
    asset: indexed(address)
    subId: uint256
    delta: int256
    balance: int256

# Kinds of things one account may ever have held; bounds the loop of `getAccountBalances`.
MAX_KINDS: constant(uint256) = 64

ADMIN: immutable(address)

lastAccountId: public(uint256)
authorised: public(HashMap[address, bool])
getApproved: public(HashMap[uint256, address])

owners: HashMap[uint256, address]
balances: HashMap[uint256, HashMap[address, HashMap[uint256, int256]]]
everHeld: HashMap[uint256, HashMap[address, HashMap[uint256, bool]]]
kinds: HashMap[uint256, DynArray[AssetKey, MAX_KINDS]]


@deploy
def __init__():
    ADMIN = msg.sender


@external
def authorise(mover: address, allowed: bool):
    """Let a module or an asset move balances, or stop it."""
    if msg.sender != ADMIN:
        raw_revert(method_id("AC_OnlyAdmin()"))
    self.authorised[mover] = allowed


@external
def createAccount(owner: address) -> uint256:
    """Open an empty account for anybody; ids count up from 1."""
    self.lastAccountId += 1
    self.owners[self.lastAccountId] = owner
    log Transfer(sender=empty(address), receiver=owner, tokenId=self.lastAccountId)
    return self.lastAccountId


@external
@view
def ownerOf(tokenId: uint256) -> address:
    return self._ownerOf(tokenId)


@external
def approve(to: address, tokenId: uint256):
    if msg.sender != self._ownerOf(tokenId):
        raw_revert(abi_encode(msg.sender, method_id=method_id("ERC721InvalidApprover(address)")))
    self.getApproved[tokenId] = to


@external
def transferFrom(sender: address, receiver: address, tokenId: uint256):
    owner: address = self._ownerOf(tokenId)
    if owner != sender:
        raw_revert(
            abi_encode(
                sender,
                tokenId,
                owner,
                method_id=method_id("ERC721IncorrectOwner(address,uint256,address)"),
            )
        )
    if msg.sender != owner and msg.sender != self.getApproved[tokenId]:
        raw_revert(
            abi_encode(
                msg.sender,
                tokenId,
                method_id=method_id("ERC721InsufficientApproval(address,uint256)"),
            )
        )
    self.getApproved[tokenId] = empty(address)
    self.owners[tokenId] = receiver
    log Transfer(sender=sender, receiver=receiver, tokenId=tokenId)


@external
@view
def getBalance(account: uint256, asset: address, subId: uint256) -> int256:
    return self.balances[account][asset][subId]


@external
@view
def getAccountBalances(account: uint256) -> DynArray[AssetBalance, MAX_KINDS]:
    """All balances that are not zero, in the order the account first held them."""
    result: DynArray[AssetBalance, MAX_KINDS] = []
    for key: AssetKey in self.kinds[account]:
        balance: int256 = self.balances[account][key.asset][key.subId]
        if balance != 0:
            result.append(AssetBalance(asset=key.asset, subId=key.subId, balance=balance))
    return result


@external
def adjustBalance(account: uint256, asset: address, subId: uint256, delta: int256) -> int256:
    """Add `delta` to a balance and return the new one; authorised contracts only."""
    if not self.authorised[msg.sender]:
        raw_revert(method_id("AC_NotAuthorised()"))
    self._ownerOf(account)
    if not self.everHeld[account][asset][subId]:
        self.everHeld[account][asset][subId] = True
        self.kinds[account].append(AssetKey(asset=asset, subId=subId))
    balance: int256 = self.balances[account][asset][subId] + delta
    self.balances[account][asset][subId] = balance
    log BalanceAdjusted(account=account, asset=asset, subId=subId, delta=delta, balance=balance)
    return balance


@internal
@view
def _ownerOf(tokenId: uint256) -> address:
    owner: address = self.owners[tokenId]
    if owner == empty(address):
        raw_revert(abi_encode(tokenId, method_id=method_id("ERC721NonexistentToken(uint256)")))
    return owner
