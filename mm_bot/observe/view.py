"""The last cycle as people and machines see it: ONE frozen `View`, from which status, metrics,
readiness, the log and the page are read.

What only some readers want is worked out when the first of them asks, and kept. Sizes and prices
are exact, money is in the quote, ages are milliseconds as of the cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from mm_bot.core.decide import Decision
from mm_bot.core.exact import BPS, Amount, Price, Size, multiply, plain, round_half_even
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.ledger import OpenOrder, Stage, stuck
from mm_bot.core.liability import last_expiry_ms, outstanding, worth
from mm_bot.core.memory import Memory
from mm_bot.core.policy import OperatorMode, Policy
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import Fill

FILLS_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """A cycle that sent something, would have in a dry run, or was the first."""

    decision: Decision
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedFill:
    """A fill, and what it captured in its time; None where there was no reference."""

    fill: Fill
    captured_bps: Decimal | None


@dataclass(frozen=True, kw_only=True)  # no slots: what was worked out is kept in its __dict__
class View:
    """One cycle, whole, and the little that a single cycle cannot tell."""

    decision: Decision
    report: Report
    memory: Memory
    market: Instrument | None
    """None where nobody said; then there is no unrealised result."""
    ended_ms: float
    """Monotonic; everything else is as of `at_ms`."""
    took_ms: float = 0.0
    reconciled: Reconciled | None = None
    """The last cycle that did something."""
    fills: tuple[NotedFill, ...] = ()
    """The last `FILLS_KEPT`, oldest first."""
    new_fills: tuple[NotedFill, ...] = ()
    """Those that this cycle saw first."""

    @property
    def quote(self) -> str:
        """What money is counted in."""
        return "" if self.market is None else self.market.quote

    @property
    def at_ms(self) -> int:
        """Unix time that the cycle decided at."""
        return self.decision.now_ms

    @cached_property
    def live(self) -> tuple[OpenOrder, ...]:
        """What rests as far as anybody knows: accepted or read as live, and not cancelled."""
        known = self.memory.open_orders
        return tuple(c for c in known if c.stage is not Stage.UNKNOWN and not c.cancel_acked)

    @cached_property
    def unknown(self) -> tuple[OpenOrder, ...]:
        """Orders of which nobody knows yet whether the exchange has them."""
        return tuple(c for c in self.memory.open_orders if c.stage is Stage.UNKNOWN)

    @cached_property
    def best(self) -> dict[Side, OpenOrder]:
        """The best live order of each side that has one. What the matcher died with in its hands
        rests in no book, and no side is quoted by it."""
        resting = [c for c in self.live if not stuck(c, self.at_ms)]
        return {
            side: min(found, key=lambda c: side.best_first(c.price))
            for side in Side
            if (found := [c for c in resting if c.side is side])
        }

    @property
    def expired(self) -> bool:
        """Whether the market was past its end, so that nothing can rest."""
        return self.market is not None and not self.market.is_open(self.at_ms)

    @cached_property
    def halt_reasons(self) -> tuple[str, ...]:
        return tuple(halt.reason.value for halt in self.decision.halts)

    @cached_property
    def unrealised(self) -> Amount | None:
        """Result of the open position at the reference price; None without one."""
        price = self.decision.reference.price
        if price is None or self.market is None:
            return None
        return self.decision.fill_totals.unrealised(self.market, price)

    @cached_property
    def spread_bps(self) -> Decimal | None:
        """Best ask minus best bid, of their mid; None while a side is missing."""
        if len(self.best) < len(Side):
            return None
        bid, ask = self.best[Side.BUY].price, self.best[Side.SELL].price
        return round_half_even(multiply((ask - bid).value, BPS * 2), (bid + ask).value, 4)

    @cached_property
    def liability(self) -> dict[Side, Size]:
        """What all unexpired signatures of each side could still fill."""
        return {side: outstanding(self.memory.signatures, side) for side in Side}

    @cached_property
    def liability_worth(self) -> dict[Side, Amount]:
        """The same in the quote, each signature at its own price."""
        return {side: worth(self.memory.signatures, side) for side in Side}

    @cached_property
    def liability_elsewhere(self) -> dict[Side, Amount]:
        """What those in other markets of the subaccount are worth, in their quote."""
        return {side: worth(self.memory.signed_elsewhere, side) for side in Side}

    @cached_property
    def executable_until_ms(self) -> int | None:
        """The last expiry of all signatures here; None where there is none."""
        return last_expiry_ms(self.memory.signatures)

    @cached_property
    def errors(self) -> dict[str, str | None]:
        """Each source that is read, and why its last reading failed; None where it did not."""
        snapshot = self.decision.snapshot
        venue = snapshot.venue
        return {
            "book": venue.book.error,
            "trades": venue.trades.error,
            "orders": venue.orders.error,
            "balances": venue.balances.error,
            "anchor": snapshot.anchor.error if snapshot.anchor else None,
            "external": snapshot.external.error if snapshot.external else None,
        }


def noted(fill: Fill, decision: Decision) -> NotedFill:
    """With how far from the reference of its time it was, in our favour."""
    reference = decision.reference.price
    if reference is None:
        return NotedFill(fill=fill, captured_bps=None)
    gain = (reference - fill.price).value * fill.side.sign
    captured = round_half_even(multiply(gain, BPS), reference.value, 2)
    return NotedFill(fill=fill, captured_bps=captured)


def wanted_sides(policy: Policy) -> tuple[Side, ...]:
    """Sides that must be quoted for the bot to be ready; none where it sends nothing."""
    if policy.dry_run or policy.mode is OperatorMode.DRY_RUN_HEALTH:
        return ()
    return tuple(side for side in Side if policy.mode.wants(side))


def seconds(age_ms: float | None) -> float | None:
    """As metrics and log lines have it; None stays None."""
    return None if age_ms is None else age_ms / 1000


def shown(value: Price | Size | None) -> str | None:
    """A quantity as plain text; None stays None."""
    return None if value is None else plain(value.value)
