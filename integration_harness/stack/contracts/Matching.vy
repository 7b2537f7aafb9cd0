# pragma version 0.4.3
"""
@title Matching
@notice Holds subaccounts in custody, checks signed actions, and hands them to a module.

Errors, in the order they are looked for:
  M_OnlyTradeExecutor, M_ArrayLengthMismatch, M_OnlyAllowedModule; then for each action
  M_MismatchedModule, OV_ActionExpired, OV_InvalidActionOwner (the subaccount is not in custody for
  that owner), OV_SignerNotOwnerOrSessionKeyExpired, OV_InvalidSignature.
"""

struct Action:
    subaccountId: uint256
    nonce: uint256
    module: address
    data: Bytes[MAX_DATA]
    expiry: uint256
    owner: address
    signer: address

struct VerifiedAction:
    subaccountId: uint256
    owner: address
    module: address
    data: Bytes[MAX_DATA]
    nonce: uint256

interface SubAccounts:
    def createAccount(owner: address) -> uint256: nonpayable
    def transferFrom(sender: address, receiver: address, tokenId: uint256): nonpayable

interface Module:
    def executeAction(
        actions: DynArray[VerifiedAction, MAX_ACTIONS], actionData: Bytes[MAX_ACTION_DATA]
    ): nonpayable

event DepositedSubAccount:
    accountId: indexed(uint256)
    owner: indexed(address)

event SessionKeyRegistered:
    owner: indexed(address)
    sessionKey: indexed(address)
    expiry: uint256

MAX_ACTIONS: constant(uint256) = 8
MAX_DATA: constant(uint256) = 512
MAX_SIGNATURE: constant(uint256) = 256
MAX_ACTION_DATA: constant(uint256) = 2048

ACTION_TYPEHASH: public(constant(bytes32)) = keccak256(
    "Action(uint256 subaccountId,uint256 nonce,address module,bytes data,uint256 expiry,address owner,address signer)"
)
DOMAIN_TYPEHASH: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
ERC1271_MAGIC: constant(bytes4) = 0x1626ba7e
# Half the order of secp256k1: of the two signatures (s and n - s) only the lower one is valid.
MAX_S: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168
DEREGISTER_SESSION_KEY_COOLDOWN: public(constant(uint256)) = 600

ADMIN: immutable(address)
SUB_ACCOUNTS: immutable(SubAccounts)
DOMAIN_SEPARATOR: immutable(bytes32)

subAccountToOwner: public(HashMap[uint256, address])
sessionKeys: public(HashMap[address, HashMap[address, uint256]])  # signer -> owner -> expiry
tradeExecutors: public(HashMap[address, bool])
allowedModules: public(HashMap[address, bool])


@deploy
def __init__(sub_accounts: address):
    ADMIN = msg.sender
    SUB_ACCOUNTS = SubAccounts(sub_accounts)
    DOMAIN_SEPARATOR = keccak256(
        abi_encode(DOMAIN_TYPEHASH, keccak256("Matching"), keccak256("1.0"), chain.id, self)
    )


@external
def setTradeExecutor(executor: address, allowed: bool):
    self._onlyAdmin()
    self.tradeExecutors[executor] = allowed


@external
def setAllowedModule(module: address, allowed: bool):
    self._onlyAdmin()
    self.allowedModules[module] = allowed


@external
def createSubAccountFor(owner: address) -> uint256:
    """Open an empty subaccount that is in custody for `owner` from the start."""
    account_id: uint256 = extcall SUB_ACCOUNTS.createAccount(self)
    self.subAccountToOwner[account_id] = owner
    log DepositedSubAccount(accountId=account_id, owner=owner)
    return account_id


@external
def depositSubAccount(accountId: uint256):
    """Take an approved subaccount of the caller into custody."""
    extcall SUB_ACCOUNTS.transferFrom(msg.sender, self, accountId)
    self.subAccountToOwner[accountId] = msg.sender
    log DepositedSubAccount(accountId=accountId, owner=msg.sender)


@external
def withdrawSubAccount(accountId: uint256):
    """Give a subaccount back. (The real exchange does so in two steps with a delay.)"""
    if self.subAccountToOwner[accountId] != msg.sender:
        raw_revert(method_id("M_OnlyOwner()"))
    self.subAccountToOwner[accountId] = empty(address)
    extcall SUB_ACCOUNTS.transferFrom(self, msg.sender, accountId)


@external
def registerSessionKey(sessionKey: address, expiry: uint256):
    self.sessionKeys[sessionKey][msg.sender] = expiry
    log SessionKeyRegistered(owner=msg.sender, sessionKey=sessionKey, expiry=expiry)


@external
def deregisterSessionKey(sessionKey: address):
    """End a key ten minutes from now, so that what it signed can still settle until then."""
    if self.sessionKeys[sessionKey][msg.sender] == 0:
        raw_revert(method_id("OV_SessionKeyInvalid()"))
    expiry: uint256 = block.timestamp + DEREGISTER_SESSION_KEY_COOLDOWN
    self.sessionKeys[sessionKey][msg.sender] = expiry
    log SessionKeyRegistered(owner=msg.sender, sessionKey=sessionKey, expiry=expiry)


@external
def verifyAndMatch(
    actions: DynArray[Action, MAX_ACTIONS],
    signatures: DynArray[Bytes[MAX_SIGNATURE], MAX_ACTIONS],
    actionData: Bytes[MAX_ACTION_DATA],
):
    if not self.tradeExecutors[msg.sender]:
        raw_revert(method_id("M_OnlyTradeExecutor()"))
    if len(actions) == 0 or len(actions) != len(signatures):
        raw_revert(method_id("M_ArrayLengthMismatch()"))
    module: address = actions[0].module
    if not self.allowedModules[module]:
        raw_revert(method_id("M_OnlyAllowedModule()"))

    verified: DynArray[VerifiedAction, MAX_ACTIONS] = []
    for i: uint256 in range(len(actions), bound=MAX_ACTIONS):
        action: Action = actions[i]
        if action.module != module:
            raw_revert(method_id("M_MismatchedModule()"))
        self._verify(action, signatures[i])
        verified.append(
            VerifiedAction(
                subaccountId=action.subaccountId,
                owner=action.owner,
                module=module,
                data=action.data,
                nonce=action.nonce,
            )
        )
    extcall Module(module).executeAction(verified, actionData)


@external
@view
def domainSeparator() -> bytes32:
    return DOMAIN_SEPARATOR


@external
@view
def getActionHash(action: Action) -> bytes32:
    """The EIP-712 struct hash of an action (not yet joined with the domain)."""
    return self._actionHash(action)


@external
@pure
def recoverSigner(digest: bytes32, signature: Bytes[MAX_SIGNATURE]) -> address:
    """Who signed a digest, by the rules of `verifyAndMatch`; zero where the form is invalid."""
    return self._recover(digest, signature)


@internal
@view
def _onlyAdmin():
    if msg.sender != ADMIN:
        raw_revert(method_id("M_OnlyAdmin()"))


@internal
@view
def _verify(action: Action, signature: Bytes[MAX_SIGNATURE]):
    # An action is valid through the whole second of its expiry.
    if action.expiry < block.timestamp:
        raw_revert(method_id("OV_ActionExpired()"))
    if action.owner == empty(address) or self.subAccountToOwner[action.subaccountId] != action.owner:
        raw_revert(method_id("OV_InvalidActionOwner()"))
    if (
        action.signer != action.owner
        and self.sessionKeys[action.signer][action.owner] < block.timestamp
    ):
        raw_revert(method_id("OV_SignerNotOwnerOrSessionKeyExpired()"))
    digest: bytes32 = keccak256(concat(x"1901", DOMAIN_SEPARATOR, self._actionHash(action)))
    if not self._isValidSignature(action.signer, digest, signature):
        raw_revert(method_id("OV_InvalidSignature()"))


@internal
@pure
def _actionHash(action: Action) -> bytes32:
    return keccak256(
        abi_encode(
            ACTION_TYPEHASH,
            action.subaccountId,
            action.nonce,
            action.module,
            keccak256(action.data),
            action.expiry,
            action.owner,
            action.signer,
        )
    )


@internal
@view
def _isValidSignature(signer: address, digest: bytes32, signature: Bytes[MAX_SIGNATURE]) -> bool:
    if not signer.is_contract:
        return signer != empty(address) and self._recover(digest, signature) == signer
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        signer,
        abi_encode(digest, signature, method_id=method_id("isValidSignature(bytes32,bytes)")),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return success and len(answer) == 32 and convert(slice(answer, 0, 4), bytes4) == ERC1271_MAGIC


@internal
@pure
def _recover(digest: bytes32, signature: Bytes[MAX_SIGNATURE]) -> address:
    if len(signature) != 65:
        return empty(address)
    r: uint256 = extract32(signature, 0, output_type=uint256)
    s: uint256 = extract32(signature, 32, output_type=uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    if s > MAX_S or (v != 27 and v != 28):
        return empty(address)
    return ecrecover(digest, v, r, s)
