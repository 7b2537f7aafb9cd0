"""The on-chain cNGN/USD feed (Chainlink's interface), plain or carried to a future's expiry.

`answer / 10^decimals` is USD per cNGN, so the human price is its inverse, rounded half-even to 6
decimals. `updatedAt` is the data's time: a feed that nobody feeds goes stale although it answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from mm_bot.clock import Clock
from mm_bot.core.carry import fair_value
from mm_bot.core.exact import Price, round_half_even
from mm_bot.prices.parse import INVERSE_DECIMALS
from mm_bot.prices.source import AnchorError, AnchorSource, EthCall, Reading, RejectReason
from mm_bot.prices.spec import SourceContext, SourceSpec

DECIMALS_CALL = bytes.fromhex("313ce567")
LATEST_ROUND_CALL = bytes.fromhex("feaf968c")
WORD_BYTES = 32
DECIMALS_MAX = 36
"""More than any feed has; an answer beyond it comes from something that is no feed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleSpec:
    """`cngn-price-oracle`: the feed as it is."""

    address: str
    max_age_ms: int | None = None
    """Of its answers: a feed is written on deviation, or once in hours. None is the limit that
    every source has."""

    def build(self, context: SourceContext) -> OracleSource:
        assert context.eth_call is not None, "the feed needs an eth_call"
        if context.on_block is not None:
            context.on_block(context.moved.set)
        return OracleSource(
            self.address, context.eth_call, name="cngn-price-oracle", max_age_ms=self.max_age_ms
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrySpec:
    """`of`, a spot price, x exp(rate x T); `expiry_ms` is None on spot, where T is 0."""

    of: SourceSpec
    rate_apr: Decimal
    expiry_ms: int | None

    def build(self, context: SourceContext) -> CarriedSource:
        return CarriedSource(
            self.of.build(context),
            rate_apr=self.rate_apr,
            expiry_ms=self.expiry_ms,
            clock=context.clock,
        )


class OracleSource:
    """The feed at `address`, read through `eth_call`."""

    min_interval_ms = 0

    def __init__(
        self,
        address: str,
        eth_call: EthCall,
        *,
        name: str = "oracle",
        max_age_ms: int | None = None,
    ) -> None:
        self.name = name
        self._max_age_ms = max_age_ms
        self._address = address
        self._eth_call = eth_call

    async def read(self) -> Reading:
        # The scale is read with each round: what stands behind the address may be replaced.
        decimals = await self._feed_decimals()
        words = await self._call(LATEST_ROUND_CALL, words=5)
        # roundId, answer, startedAt, updatedAt, answeredInRound
        answer = int.from_bytes(words[1], signed=True)
        updated_at_seconds = int.from_bytes(words[3])
        if answer <= 0:
            raise AnchorError(self.name, RejectReason.NOT_POSITIVE, f"answer {answer}")
        if updated_at_seconds == 0:
            raise AnchorError(self.name, RejectReason.NO_PRICE, "no completed round")
        price = round_half_even(Decimal(10**decimals), Decimal(answer), INVERSE_DECIMALS)
        return Reading(
            price=Price(price), as_of_ms=updated_at_seconds * 1000, max_age_ms=self._max_age_ms
        )

    async def aclose(self) -> None:
        pass

    async def _feed_decimals(self) -> int:
        return await decimals_of(self._address, self._eth_call, self.name)

    async def _call(self, calldata: bytes, *, words: int) -> tuple[bytes, ...]:
        return await call_words(self._address, calldata, self._eth_call, self.name, words=words)


async def decimals_of(address: str, eth_call: EthCall, source: str) -> int:
    """The `decimals()` of a feed or a token."""
    (word,) = await call_words(address, DECIMALS_CALL, eth_call, source, words=1)
    decimals = int.from_bytes(word)
    if decimals > DECIMALS_MAX:
        raise AnchorError(source, RejectReason.MALFORMED, f"{decimals} decimals")
    return decimals


async def call_words(
    address: str, calldata: bytes, eth_call: EthCall, source: str, *, words: int
) -> tuple[bytes, ...]:
    """So many words of 32 bytes that a contract returns; refused where it returns otherwise."""
    returned = await eth_call(address, calldata)
    if not returned:
        raise AnchorError(source, RejectReason.EMPTY, f"no contract answers at {address}")
    if len(returned) != words * WORD_BYTES:
        detail = f"{len(returned)} bytes, {words * WORD_BYTES} are due"
        raise AnchorError(source, RejectReason.MALFORMED, detail)
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
    ) -> None:
        self.name = spot.name
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
            raise AnchorError(self.name, RejectReason.IMPLAUSIBLE, str(error)) from None
        return replace(spot, price=fair)

    async def aclose(self) -> None:
        await self._spot.aclose()
