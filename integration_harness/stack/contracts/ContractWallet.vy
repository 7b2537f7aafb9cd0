# pragma version 0.4.3
"""
@title ContractWallet
@notice A smart-contract signer (ERC-1271) that accepts exactly the digests its owner approved.
"""

OWNER: immutable(address)

approved: public(HashMap[bytes32, bool])


@deploy
def __init__():
    OWNER = msg.sender


@external
def approveDigest(digest: bytes32):
    assert msg.sender == OWNER, "only the owner approves"
    self.approved[digest] = True


@external
@view
def isValidSignature(digest: bytes32, signature: Bytes[256]) -> bytes4:
    return 0x1626ba7e if self.approved[digest] else 0xffffffff
