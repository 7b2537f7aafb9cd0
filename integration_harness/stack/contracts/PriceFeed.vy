# pragma version 0.4.3
"""
@title PriceFeed
@notice A cNGN/USD feed with Chainlink's interface, whose owner may answer anything.

`setAnswer` is a healthy feed. `setRound` also chooses the time of the answer, so a stale feed, one
from the future, or a zero or negative answer can be shown. Errors: PF_OnlyOwner.
"""

struct Round:
    roundId: uint80
    answer: int256
    startedAt: uint256
    updatedAt: uint256
    answeredInRound: uint80

description: public(constant(String[16])) = "cNGN / USD"
version: public(constant(uint256)) = 4

OWNER: immutable(address)
DECIMALS: immutable(uint8)

latest: Round


@deploy
def __init__(decimals: uint8, answer: int256):
    OWNER = msg.sender
    DECIMALS = decimals
    self._set(answer, block.timestamp)


@external
@view
def decimals() -> uint8:
    return DECIMALS


@external
@view
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    return (
        self.latest.roundId,
        self.latest.answer,
        self.latest.startedAt,
        self.latest.updatedAt,
        self.latest.answeredInRound,
    )


@external
def setAnswer(answer: int256):
    self._onlyOwner()
    self._set(answer, block.timestamp)


@external
def setRound(answer: int256, updatedAt: uint256):
    self._onlyOwner()
    self._set(answer, updatedAt)


@internal
@view
def _onlyOwner():
    if msg.sender != OWNER:
        raw_revert(method_id("PF_OnlyOwner()"))


@internal
def _set(answer: int256, updated_at: uint256):
    round_id: uint80 = self.latest.roundId + 1
    self.latest = Round(
        roundId=round_id,
        answer=answer,
        startedAt=updated_at,
        updatedAt=updated_at,
        answeredInRound=round_id,
    )
