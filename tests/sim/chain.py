"""The chain: what it holds and counts as filled, and its nodes, which lag behind it and each other.

A block comes every two seconds. A node answers for its latest block; the state at a block holds
every move whose block is not later. Amounts of orders are steps: one cNGN on spot, one lot on a
future.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from mm_bot.core.exact import Amount, Size
from mm_bot.core.snapshot import Balances
from tests.sim.virtual_time import VirtualClock

BLOCK_MS = 2_000


@dataclass(frozen=True, slots=True)
class Move:
    """One settled match, as one order of ours sees it."""

    block_ms: int
    order_id: str
    steps: int
    base: Decimal
    quote: Decimal


class Chain:
    def __init__(self, clock: VirtualClock, random: Random, base: Decimal, quote: Decimal) -> None:
        self._clock = clock
        self._random = random
        self.start = (base, quote)
        self.lags_ms: tuple[int, ...] = (0,)
        """How far each of the nodes behind the one address is behind."""
        self.delay_ms: tuple[int, int] | None = None
        """How long after the row a match settles; None where the chain has it before."""
        self._moves: list[Move] = []

    def settle(self, order_id: str, steps: int, base: Decimal, quote: Decimal) -> None:
        """In the block of now, which nodes have, or in the one after the delay."""
        now_ms = self._clock.now_ms()
        block_ms = _block_of(now_ms)
        if self.delay_ms is not None:
            block_ms = _block_of(now_ms + self._random.randint(*self.delay_ms)) + BLOCK_MS
        self._moves.append(Move(block_ms, order_id, steps, base, quote))

    def moved(self, base: Decimal, quote: Decimal) -> None:
        """Somebody paid in, or out."""
        self._moves.append(Move(_block_of(self._clock.now_ms()), "", 0, base, quote))

    def latest_ms(self) -> int:
        return _block_of(self._clock.now_ms())

    def filled(self, order_id: str) -> int:
        """What `TradeModule.filled` says at the latest block."""
        return self.filled_at(order_id, self.latest_ms())

    def shown_ms(self) -> int:
        """The latest block of one of the nodes."""
        return _block_of(self._clock.now_ms() - self._random.choice(self.lags_ms))

    def holdings(self, block_ms: int) -> tuple[Decimal, Decimal]:
        """Base and quote at a block."""
        base, quote = self.start
        for move in self._moves:
            if move.block_ms <= block_ms:
                base, quote = base + move.base, quote + move.quote
        return base, quote

    def balances(self, asked: Iterable[str]) -> Balances:
        """What one of the nodes says at its latest block."""
        block_ms = self.shown_ms()
        base, quote = self.holdings(block_ms)
        return Balances(
            base=Size(base),
            quote=Amount(quote),
            block_number=block_ms // BLOCK_MS,
            block_time_ms=block_ms,
            settled={order_id: self.filled_at(order_id, block_ms) for order_id in asked},
        )

    def filled_at(self, order_id: str, block_ms: int) -> int:
        moves = (m for m in self._moves if m.order_id == order_id and m.block_ms <= block_ms)
        return sum(move.steps for move in moves)


def _block_of(at_ms: int) -> int:
    return at_ms // BLOCK_MS * BLOCK_MS
