"""Order nonces: unique for ever per owner, though its processes never speak to each other.

A nonce is `step * 2**19 + lane`.

- The **lane** is a 19-bit hash of (subaccount, market): the numbers of one process.
- The **step** counts. It starts above four times the unix milliseconds, above the step of every
  nonce of this owner in Postgres, and above the state file's reserved limit, and grows by one.

What always holds, and what it rests on:

1. Two processes with different lanes never allocate the same number, whatever their clocks do,
   whatever files they lose, however fast they run: all numbers of a process are equal to its lane
   modulo 2**19. No time and no order of events enters this.
2. One process (the Postgres lock allows one for a subaccount and market) never repeats itself
   over restarts: a block is in the state file, durably, before its first number is used, and the
   next start begins at the end of the last block.
3. With the state file lost, (2) still holds for every nonce that reached Postgres, and for all
   others as long as fewer than 4,000 orders a second were signed on average since an earlier
   start and the clock was not set back: then the clock's step lies above every used one.
4. The first nonce of a start is above every one this owner used, seen in Postgres, and above the
   clock in microseconds x 2 (2,000 a millisecond, against 2**21 here). Numbers only grow.
5. Numbers stay below 2**63 until the year 2109, unless a foreign tool made a larger one: then they
   go on above that, up to uint256.

Limit: two (subaccount, market) pairs of one owner share a lane with a chance of 1 in 524,288
(fixed by the pair, `lane_of` tells). Even then they only meet where one process, since its start,
has allocated its way to the start of the other; the exchange then answers 409, and the order is
signed anew under the next number.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Protocol

from mm_bot.core.instrument import Side
from mm_bot.errors import IdentityError

LANE_BITS = 19
LANES = 1 << LANE_BITS
STEPS_PER_MS = 4
"""Steps the clock is worth: a sustained 4,000 nonces a second do not overtake it."""
BLOCK_SIZE = 512
"""Nonces reserved at once. Half of it (64 ms at 4,000 a second) hides one write to disk."""
UINT256_LIMIT = 1 << 256


def lane_of(subaccount_id: int, market: str) -> int:
    """The lane of a process: the same on every machine and after every restart."""
    digest = hashlib.sha256(f"{subaccount_id}:{market}".encode()).digest()
    return int.from_bytes(digest[:8]) % LANES


def nonce_of(step: int, lane: int) -> int:
    assert step >= 0, step
    assert 0 <= lane < LANES, lane
    nonce = step * LANES + lane
    assert nonce < UINT256_LIMIT, f"nonce {nonce} does not fit the contract's uint256"
    return nonce


def first_step(now_ms: int, reserved_until: int, highest_known: int) -> int:
    """The least step whose nonces, in any lane, are above the clock's, not below
    `reserved_until` (0: nothing reserved), and above `highest_known` (0: none known)."""
    assert min(now_ms, reserved_until, highest_known) >= 0
    return max(
        now_ms * STEPS_PER_MS + 1,
        -(-reserved_until // LANES),
        highest_known // LANES + 1,
    )


class NonceStore(Protocol):
    """Where the progress survives; the state file, outside of simulations."""

    def nonce_floor(self) -> int:
        """The least nonce that was never reserved; 0 where nothing is known."""

    async def reserve_nonces(self, until: int) -> None:
        """Returns once it is durable that every nonce below `until` may be in use.

        Raises:
            EdgeError: where it could not be made durable. The numbers must not be used.
        """

    def note_nonce(self, side: Side, nonce: int) -> None:
        """A nonce was handed out for that side. Not urgent: written with the next save."""


class NonceBlocks:
    """Hands out nonces from blocks that are reserved before they are used.

    The next block is reserved in the background when half of the current one is gone, so `take`
    waits for the disk only where the disk is slower than the orders.
    """

    def __init__(self, store: NonceStore, *, lane: int, block_size: int = BLOCK_SIZE) -> None:
        assert 0 <= lane < LANES, lane
        assert block_size >= 2, block_size
        self._store = store
        self._lane = lane
        self._block_size = block_size
        self._next_step = 0
        self._limit_step = 0
        self._reserving: asyncio.Task[None] | None = None

    async def open(self, now_ms: int, highest_known: int = 0) -> None:
        """Places the first block. `highest_known` is the highest nonce of this owner in Postgres,
        over all its markets; 0 where it has none. Call it once, before `take`.

        Raises:
            EdgeError: where the block could not be made durable.
            IdentityError: where somebody used up the owner's numbers.
        """
        assert self._limit_step == 0, "opened twice"
        step = first_step(now_ms, self._store.nonce_floor(), highest_known)
        limit = step + self._block_size
        if limit * LANES >= UINT256_LIMIT - (1 << 64):
            raise IdentityError(
                f"the owner has used nonce {max(highest_known, self._store.nonce_floor())}, and "
                "above it a uint256 has no room for more; trade with another owner"
            )
        await self._store.reserve_nonces(nonce_of(limit, 0))
        self._next_step, self._limit_step = step, limit

    async def take(self, side: Side) -> int:
        """The next nonce, larger than every one before it. A number handed out is gone, used or
        not.

        Raises:
            EdgeError: where a new block is needed and could not be made durable.
        """
        assert self._limit_step > 0, "take before open"
        while self._next_step >= self._limit_step:
            await asyncio.shield(self._reserve())
        nonce = nonce_of(self._next_step, self._lane)
        self._next_step += 1
        if (self._limit_step - self._next_step) * 2 <= self._block_size:
            self._reserve()
        self._store.note_nonce(side, nonce)
        return nonce

    async def close(self) -> None:
        """Waits for a reservation that is under way. What it says no longer matters."""
        if self._reserving is not None:
            await asyncio.wait([self._reserving])

    def _reserve(self) -> asyncio.Task[None]:
        if self._reserving is None or self._reserving.done():
            self._reserving = asyncio.create_task(self._extend(), name="nonce-block")
            self._reserving.add_done_callback(_observe)
        return self._reserving

    async def _extend(self) -> None:
        limit = self._limit_step + self._block_size
        await self._store.reserve_nonces(nonce_of(limit, 0))
        self._limit_step = limit


def _observe(task: asyncio.Task[None]) -> None:
    """A failure ahead of need is not reported here: `take` meets it when it needs the block."""
    if not task.cancelled():
        task.exception()
