"""The one place where a reading is judged: `Guard`, and `Guarded`, a source behind its guard.

A reading passes when its data is neither older than its limit nor from the future, its price is
positive and plausible, and it is no jump from the last accepted price. The guard never makes up a
value: what comes out is a reading that went in, with its time filled in.

1. A refused reading leaves the accepted one as it is.
2. Data without a time of its own is as old as the read that brought it.
3. A jump becomes the new base when `confirmations` consecutive fresh readings agree on it: each is
   within the jump limit of all the others. A reading near the base ends such a series; a stale or
   broken one neither ends nor prolongs it.
4. Time only goes forward: data that ends to be fresh before what was accepted, or what a jump was
   confirmed with, is older and refused, so that two backends out of step make no price that jumps.
5. Beyond the hard limit, from the last accepted price of this process or an earlier one, no number
   of readings is enough: another source, the local price or the operator must agree (`witness`).
   Confirmation by repetition is for moves, not for units.
6. Nothing needs a restart: age and plausibility look at one reading only, a jump that stays is
   accepted by (3) or (5).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal

from mm_bot.clock import Clock
from mm_bot.core.exact import Price, plain
from mm_bot.prices.source import AnchorError, AnchorSource, Reading, RejectReason
from mm_bot.prices.witness import Witnesses, deviation_bps, is_near

CONFIRMATIONS_DEFAULT = 3
AHEAD_MS_DEFAULT = 5_000
LOW_DEFAULT = Price(Decimal("0.000001"))
HIGH_DEFAULT = Price(Decimal(1_000_000_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPolicy:
    """What a reading must be to become a price. None turns a limit off."""

    max_age_ms: int | None
    """Of data that has no limit of its own. None judges no age: whoever uses the price does."""
    max_deviation_bps: Decimal | None
    """Furthest from the last accepted price without confirmation."""
    hard_jump_bps: Decimal | None = None
    """Furthest from the last accepted price without anybody else's word."""
    confirmations: int = CONFIRMATIONS_DEFAULT
    max_ahead_ms: int = AHEAD_MS_DEFAULT
    """How far the data's clock may be ahead of ours; such data counts as made now."""
    low: Price = LOW_DEFAULT
    high: Price = HIGH_DEFAULT

    def __post_init__(self) -> None:
        assert self.confirmations >= 1, self.confirmations
        assert Price(Decimal(0)) < self.low <= self.high, (self.low, self.high)


class Guard:
    """Judges the readings of one source, one after another."""

    def __init__(
        self, source: str, policy: GuardPolicy, witnesses: Witnesses | None = None
    ) -> None:
        self._source = source
        self._policy = policy
        self._witnesses = witnesses or Witnesses()
        self._base: Price | None = None
        self._newest_ms: int | None = None
        """Until when what was accepted last is fresh, by the time that it told."""
        self._jumped: tuple[Reading, ...] = ()

    def admit(self, reading: Reading, *, read_ms: int, now_ms: int) -> Reading:
        """`reading` with its time filled in; `read_ms` is when the read began.

        Raises:
            AnchorError: where it is no price; `stale` is set where the data is too old.
        """
        told_ms = reading.as_of_ms
        as_of_ms = read_ms - reading.age_ms if told_ms is None else told_ms
        timed = replace(reading, as_of_ms=min(as_of_ms, now_ms))
        self._refuse_untimely(timed, as_of_ms, now_ms)
        ends_ms = None if told_ms is None else fresh_until_ms(told_ms, self._limit_ms(reading))
        self._refuse_older(ends_ms)
        self._refuse_implausible(reading.price)
        if not self._confirmed_beyond_hard_limit(timed, now_ms):
            self._refuse_jump(timed, now_ms)
        self._base = timed.price
        self._newest_ms = ends_ms
        self._jumped = ()
        return timed

    def _limit_ms(self, reading: Reading) -> int | None:
        own_ms = reading.max_age_ms
        return self._policy.max_age_ms if own_ms is None else own_ms

    def _refuse_untimely(self, timed: Reading, as_of_ms: int, now_ms: int) -> None:
        age_ms = now_ms - as_of_ms
        limit_ms = None if self._policy.max_age_ms is None else self._limit_ms(timed)
        if age_ms < -self._policy.max_ahead_ms:
            raise AnchorError(self._source, RejectReason.FUTURE, f"{-age_ms} ms ahead of our clock")
        if limit_ms is not None and age_ms > limit_ms:
            detail = f"{age_ms} ms, limit {limit_ms} ms"
            raise AnchorError(self._source, RejectReason.STALE, detail, stale=timed)

    def _refuse_older(self, ends_ms: int | None) -> None:
        jumped_ms = [
            fresh_until_ms(r.as_of_ms, self._limit_ms(r))
            for r in self._jumped
            if r.as_of_ms is not None
        ]
        known_ms = [*jumped_ms, *([] if self._newest_ms is None else [self._newest_ms])]
        if ends_ms is not None and known_ms and ends_ms < max(known_ms):
            detail = f"by {max(known_ms) - ends_ms} ms"
            raise AnchorError(self._source, RejectReason.OLDER, detail)

    def _confirmed_beyond_hard_limit(self, reading: Reading, now_ms: int) -> bool:
        """Whether it is beyond the hard limit and somebody else says so too; refused where nobody
        does."""
        price, limit_bps = reading.price, self._policy.hard_jump_bps
        witnesses = self._witnesses
        if not reading.used:
            witnesses.said(self._source, price, now_ms)
        base = self._base or witnesses.last_accepted(self._source, now_ms)
        if base is None or limit_bps is None or is_near(price, base, limit_bps):
            return False
        if len(reading.used) > 1 or witnesses.confirms(self._source, price, now_ms):
            return True
        moved_bps = plain(deviation_bps(price, base))
        raise AnchorError(
            self._source,
            RejectReason.UNCONFIRMED,
            f"{base} -> {price}, {moved_bps} bps, limit {plain(limit_bps)}; no other source and no "
            f"local price agrees: if it is true, {witnesses.remedy.format(price=price)}",
        )

    def _refuse_implausible(self, price: Price) -> None:
        if price <= Price(Decimal(0)):
            raise AnchorError(self._source, RejectReason.NOT_POSITIVE, str(price))
        if not self._policy.low <= price <= self._policy.high:
            detail = f"{price} outside {self._policy.low} .. {self._policy.high}"
            raise AnchorError(self._source, RejectReason.IMPLAUSIBLE, detail)

    def _refuse_jump(self, reading: Reading, now_ms: int) -> None:
        limit_bps = self._policy.max_deviation_bps
        if self._base is None or limit_bps is None or is_near(reading.price, self._base, limit_bps):
            return
        still_fresh = [r for r in self._jumped if self._is_fresh(r, now_ms)]
        if not all(is_near(reading.price, earlier.price, limit_bps) for earlier in still_fresh):
            still_fresh = []
        self._jumped = (*still_fresh, reading)
        count, needed = len(self._jumped), self._policy.confirmations
        if count < needed:
            moved_bps = plain(deviation_bps(reading.price, self._base))
            detail = (
                f"{self._base} -> {reading.price}, {moved_bps} bps, limit {plain(limit_bps)};"
                f" confirmed {count} of {needed}"
            )
            raise AnchorError(self._source, RejectReason.JUMP, detail)

    def _is_fresh(self, reading: Reading, now_ms: int) -> bool:
        assert reading.as_of_ms is not None
        return self._policy.max_age_ms is None or now_ms <= fresh_until_ms(
            reading.as_of_ms, self._limit_ms(reading)
        )


def fresh_until_ms(as_of_ms: int, limit_ms: int | None) -> int:
    """The end of the data's freshness; without a limit its time, which orders as well."""
    return as_of_ms + (limit_ms or 0)


class Guarded:
    """A source whose every reading is bounded in time and has passed the guard."""

    def __init__(
        self,
        source: AnchorSource,
        policy: GuardPolicy,
        *,
        timeout_ms: int,
        clock: Clock,
        name: str | None = None,
        witnesses: Witnesses | None = None,
    ) -> None:
        self.name = name or source.name
        self.min_interval_ms = source.min_interval_ms
        self._source = source
        self._guard = Guard(self.name, policy, witnesses)
        self._timeout_ms = timeout_ms
        self._clock = clock

    async def read(self) -> Reading:
        """A good reading whose `as_of_ms` is set, within `timeout_ms`."""
        read_ms = self._clock.now_ms()
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                reading = await self._source.read()
        except TimeoutError:
            detail = f"no answer in {self._timeout_ms} ms"
            raise AnchorError(self.name, RejectReason.TIMEOUT, detail) from None
        return self._guard.admit(reading, read_ms=read_ms, now_ms=self._clock.now_ms())

    async def aclose(self) -> None:
        await self._source.aclose()
