"""The on-chain cNGN/USD feed (Chainlink's interface), plain or carried to a future's expiry.

`answer / 10^decimals` is USD per cNGN, so the human price is its inverse, rounded half-even to 6
decimals. `updatedAt` is the data's time: a feed that nobody feeds goes stale although it answers.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from mm_bot.clock import Clock
from mm_bot.core.carry import fair_value
from mm_bot.core.exact import Price, round_half_even
from mm_bot.prices.parse import INVERSE_DECIMALS
from mm_bot.prices.source import AnchorError, AnchorSource, EthCall, Reading, Refusal

DECIMALS_CALL = bytes.fromhex("313ce567")
LATEST_ROUND_CALL = bytes.fromhex("feaf968c")
WORD_BYTES = 32
DECIMALS_MAX = 36
"""More than any feed has; an answer beyond it comes from something that is no feed."""


class OracleSource:
    """The feed at `address`, read through `eth_call`."""

    min_interval_ms = 0

    def __init__(self, address: str, eth_call: EthCall, *, name: str = "oracle") -> None:
        self.name = name
        self._address = address
        self._eth_call = eth_call
        self._decimals: int | None = None

    async def read(self) -> Reading:
        decimals = await self._feed_decimals()
        words = await self._call(LATEST_ROUND_CALL, words=5)
        # roundId, answer, startedAt, updatedAt, answeredInRound
        answer = int.from_bytes(words[1], signed=True)
        updated_at_seconds = int.from_bytes(words[3])
        if answer <= 0:
            raise AnchorError(self.name, Refusal.NOT_POSITIVE, f"answer {answer}")
        if updated_at_seconds == 0:
            raise AnchorError(self.name, Refusal.NO_PRICE, "no completed round")
        price = round_half_even(Decimal(10**decimals), Decimal(answer), INVERSE_DECIMALS)
        return Reading(price=Price(price), as_of_ms=updated_at_seconds * 1000)

    async def aclose(self) -> None:
        pass

    async def _feed_decimals(self) -> int:
        if self._decimals is None:
            (word,) = await self._call(DECIMALS_CALL, words=1)
            decimals = int.from_bytes(word)
            if decimals > DECIMALS_MAX:
                raise AnchorError(self.name, Refusal.MALFORMED, f"{decimals} decimals")
            self._decimals = decimals
        return self._decimals

    async def _call(self, calldata: bytes, *, words: int) -> tuple[bytes, ...]:
        returned = await self._eth_call(self._address, calldata)
        if not returned:
            detail = f"no contract answers at {self._address}"
            raise AnchorError(self.name, Refusal.EMPTY, detail)
        if len(returned) != words * WORD_BYTES:
            detail = f"{len(returned)} bytes, a feed returns {words * WORD_BYTES}"
            raise AnchorError(self.name, Refusal.MALFORMED, detail)
        starts = range(0, len(returned), WORD_BYTES)
        return tuple(returned[start : start + WORD_BYTES] for start in starts)


class CarriedSource:
    """Another source's spot price x exp(rate x T), T being the time until `expiry_ms`."""

    def __init__(
        self,
        spot: AnchorSource,
        *,
        rate_apr: Decimal,
        expiry_ms: int | None,
        clock: Clock,
        name: str = "oracle_carry",
    ) -> None:
        self.name = name
        self.min_interval_ms = spot.min_interval_ms
        self._spot = spot
        self._rate_apr = rate_apr
        self._expiry_ms = expiry_ms
        self._clock = clock

    async def read(self) -> Reading:
        spot = await self._spot.read()
        try:
            fair = fair_value(
                spot=spot.price,
                rate_apr=self._rate_apr,
                carry_abs=Decimal(0),
                carry_bps=Decimal(0),
                now_ms=self._clock.now_ms(),
                expiry_ms=self._expiry_ms,
            )
        except ValueError as error:
            raise AnchorError(self.name, Refusal.IMPLAUSIBLE, str(error)) from None
        return replace(spot, price=fair)

    async def aclose(self) -> None:
        await self._spot.aclose()
