"""The variables of the anchors; `anchors` has what they come to.

Each source has variables of its own, in its file of `mm_bot.prices`; which sources are parts of an
anchor is `anchor_parts`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Annotated

from mm_bot.core.exact import Price
from mm_bot.fields.kinds import (
    ADDRESS,
    BOOLEAN,
    BPS,
    NODE_URL,
    SECONDS,
    Range,
    decimal,
    member_of,
    one_of,
    token,
    whole,
    zero_is_off,
)
from mm_bot.fields.model import Model, variable
from mm_bot.prices.registry import OF_THIS_MARKET, SOURCES
from mm_bot.prices.spec import PRICE

BOOTSTRAP_MARKET = "USDCcNGN-SPOT"
"""The one market that the external anchor's variables name."""
EXTERNAL = "MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_"
CNGN_LOW, CNGN_HIGH = Price.of(100), Price.of(100_000)
"""No cNGN per USDC was ever outside; a mistaken unit or an inverted price is."""
NO_ANCHOR, ORACLE_CARRY, EXPRESSION, MEDIAN = "none", "oracle_carry", "expression", "median"
_SOURCE_TYPE = one_of(
    NO_ANCHOR,
    *OF_THIS_MARKET,
    ORACLE_CARRY,
    *(word for word in SOURCES if word not in OF_THIS_MARKET),
    EXPRESSION,
    MEDIAN,
)
_SOURCES = token(
    "names and expressions of invert(x) and multiply(x, y), with commas between them",
    r"[A-Za-z0-9_.:,()* -]{1,1000}",
)


class ExternalProvider(Enum):
    ZERO_EX = "0x"
    CNGN_PRICE_ORACLE = "cngn-price-oracle"


class AnchorVariables(Model, title="Anchor price"):
    source: Annotated[str, _SOURCE_TYPE] = variable(
        "MM_ANCHOR_SOURCE_TYPE",
        "Where a price from outside this market comes from.",
        default="none",
    )
    oracle_address: Annotated[str | None, ADDRESS] = variable(
        "MM_ANCHOR_ORACLE_ADDRESS",
        "The cNGN/USD feed, for `oracle_carry` and `cngn-price-oracle`.",
        absent="the chain's own, where known",
    )
    oracle_max_age_ms: Annotated[int, SECONDS] = variable(
        "MM_ANCHOR_ORACLE_MAX_AGE_SECONDS", "Age of the on-chain feed's answer.", default="14400"
    )
    carry_rate_apr: Annotated[
        Decimal,
        decimal("", Range(at_least=Decimal(-2), at_most=Decimal(2)), hint=" (0.08 is 8 % a year)"),
    ] = variable(
        "MM_CARRY_RATE_APR",
        "Rate at which an anchor is carried to the expiry; not `http` and `fixed`, which are no "
        "spot.",
        default="0",
    )
    confirmations: Annotated[int, whole("readings", least=1, most=1000)] = variable(
        "MM_ANCHOR_CONFIRMATIONS",
        "Consecutive readings that make a refused jump the new base.",
        default="3",
    )
    expression: Annotated[str | None, _SOURCES] = variable(
        "MM_ANCHOR_EXPRESSION",
        "For `expression`: a spot price out of sources, such as `multiply(invert(pyth), "
        "coinbase)`; `pyth:<feed id>` and `coinbase:<product>` name another one than is set.",
    )
    median_of: Annotated[str | None, _SOURCES] = variable(
        "MM_ANCHOR_MEDIAN_OF",
        "For `median`: sources and expressions with commas between them; `pyth*2` weighs double.",
    )
    median_quorum: Annotated[int, whole("sources", least=1, most=20)] = variable(
        "MM_ANCHOR_MEDIAN_QUORUM",
        "For `median`: how many must be fresh and agree.",
        default="2",
    )
    median_outlier_bps: Annotated[Decimal, BPS] = variable(
        "MM_ANCHOR_MEDIAN_OUTLIER_BPS",
        "For `median`: a source further from it is left out.",
        default="100",
    )
    min_price: Annotated[Price | None, PRICE] = variable(
        "MM_ANCHOR_MIN_PRICE",
        "A lower reference is refused, whatever its source.",
        absent="100 on cNGN markets, else none",
    )
    max_price: Annotated[Price | None, PRICE] = variable(
        "MM_ANCHOR_MAX_PRICE",
        "A higher reference is refused, whatever its source.",
        absent="100000 on cNGN markets, else none",
    )
    max_jump_bps: Annotated[Decimal | None, zero_is_off(BPS)] = variable(
        "MM_ANCHOR_MAX_JUMP_BPS",
        "A source that moves further between two good readings needs `MM_ANCHOR_CONFIRMATIONS`.",
        default="500",
    )
    hard_jump_bps: Annotated[Decimal | None, zero_is_off(BPS)] = variable(
        "MM_ANCHOR_HARD_JUMP_BPS",
        "A source further than this from its own last accepted price is believed only where "
        "another source or the local price agrees, or by `mm-bot accept-reference`.",
        default="2000",
    )

    def bounds(self, market_symbol: str) -> tuple[Price | None, Price | None]:
        """What no reference may be below and above; None is no bound."""
        low, high = self.min_price, self.max_price
        if "cngn" not in market_symbol.lower():
            return low, high
        return low or CNGN_LOW, high or CNGN_HIGH


class ExternalVariables(Model, title="Bootstrap anchor of USDCcNGN-SPOT"):
    """Without those of `0x`, which are `ZeroExSettings`."""

    enabled: Annotated[bool, BOOLEAN] = variable(
        "ENABLED", "Seeds an empty book with an outside price.", default="false"
    )
    provider: Annotated[ExternalProvider, member_of(ExternalProvider)] = variable(
        "PROVIDER", "Where that price comes from.", default="0x"
    )
    rpc_url: Annotated[str | None, NODE_URL] = variable(
        "RPC_URL", "For `cngn-price-oracle`: a node of that chain.", absent="`MM_RPC_URL`"
    )
    timeout_ms: Annotated[int, whole("milliseconds", least=1)] = variable(
        "TIMEOUT_MS", "For one answer.", default="1500"
    )
    max_age_ms: Annotated[int, SECONDS] = variable(
        "MAX_AGE_SECONDS",
        "An older price is not used; raise it to the feed's heartbeat for `cngn-price-oracle`.",
        default="30",
    )
    max_deviation_bps: Annotated[Decimal | None, zero_is_off(BPS)] = variable(
        "MAX_DEVIATION_BPS", "A larger jump needs `MM_ANCHOR_CONFIRMATIONS`.", default="500"
    )
    bootstrap_only: Annotated[bool, BOOLEAN] = variable(
        "BOOTSTRAP_ONLY", "Use it only where there is no local price.", default="true"
    )
    spread_multiplier: Annotated[Decimal, decimal("times", Range(at_least=Decimal(1)))] = variable(
        "SPREAD_MULTIPLIER", "Widens the spread while it is the reference.", default="2"
    )
    size_multiplier: Annotated[
        Decimal, decimal("times", Range(above=Decimal(0), at_most=Decimal(1)))
    ] = variable("SIZE_MULTIPLIER", "Reduces the size while it is the reference.", default="0.5")
