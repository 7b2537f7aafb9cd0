"""The variables of quotes, limits and replacing, and the core's policies made of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from mm_bot.core.exact import BPS as ALL_BPS
from mm_bot.core.exact import Amount, Size, add, multiply, plain
from mm_bot.core.policy import QuotePolicy, ReconcilePolicy
from mm_bot.fields.kinds import (
    BOOLEAN,
    BPS,
    NOT_NEGATIVE,
    NOT_POSITIVE,
    POSITIVE,
    SECONDS,
    Range,
    decimal,
    mapped,
    seconds,
    whole,
    zero_is_off,
)
from mm_bot.fields.model import Model, Reading, variable

_UNIT = "the base (spot) or contracts"
_SIZE = mapped(decimal(_UNIT, NOT_NEGATIVE), Size)
_AGE = zero_is_off(SECONDS)
_A_TENTH = Decimal("0.1")


class QuoteSettings(Model, title="Quotes"):
    order_size: Annotated[Size, mapped(decimal(_UNIT, POSITIVE), Size)] = variable(
        "MM_ORDER_SIZE", "Size of the best level of each side.", default="100"
    )
    half_spread_bps: Annotated[Decimal, decimal("basis points", POSITIVE)] = variable(
        "MM_HALF_SPREAD_BPS", "Distance of the best level from the reference.", default="25"
    )
    skew_bps: Annotated[Decimal, BPS] = variable(
        "MM_INVENTORY_SKEW_BPS", "How far a full inventory moves both quotes.", default="15"
    )
    levels: Annotated[int, whole(least=1, most=20)] = variable(
        "MM_QUOTE_LEVELS", "Orders on each side.", default="1"
    )
    level_step_bps: Annotated[Decimal, BPS] = variable(
        "MM_LEVEL_SPREAD_STEP_BPS",
        "Distance from level to level; must be above 0 with several.",
        default="0",
    )
    level_size_mult: Annotated[
        Decimal, decimal("times", Range(above=Decimal(0), at_most=Decimal(100)), decimals=4)
    ] = variable(
        "MM_LEVEL_SIZE_MULT",
        "Size of each level as a multiple of the one before.",
        default="1",
    )
    order_life_ms: Annotated[int, seconds(at_least=2)] = variable(
        "MM_ORDER_EXPIRY_SECONDS",
        "Life of an order; renewed at two thirds of it. Nothing else ends a signature.",
        default="300",
    )


class LimitSettings(Model, title="Limits"):
    max_long: Annotated[Size, _SIZE] = variable(
        "MM_MAX_LONG_INVENTORY", "Largest inventory; bids are cut to stay below.", default="1000"
    )
    max_short: Annotated[
        Size,
        mapped(decimal(_UNIT, NOT_POSITIVE, hint="; write it as a negative number"), Size),
    ] = variable(
        "MM_MAX_SHORT_INVENTORY",
        "Smallest inventory, zero or negative; asks are cut to stay above.",
        default="-1000",
    )
    max_net: Annotated[Size | None, zero_is_off(_SIZE)] = variable(
        "MM_MAX_NET_INVENTORY",
        "Tightens both inventory limits to plus and minus this.",
        default="0",
    )
    max_notional_per_side: Annotated[
        Amount | None, zero_is_off(mapped(decimal("the quote", NOT_NEGATIVE), Amount))
    ] = variable(
        "MM_MAX_NOTIONAL_PER_SIDE", "Most that the open orders of one side are worth.", default="0"
    )
    min_base: Annotated[
        Size | None, zero_is_off(mapped(decimal("the base", NOT_NEGATIVE), Size))
    ] = variable(
        "MM_MIN_BASE_BALANCE",
        "Halts below this available base balance; not on futures.",
        default="0",
    )
    min_quote: Annotated[
        Amount | None,
        zero_is_off(mapped(decimal("the quote (spot) or of cash", NOT_NEGATIVE), Amount)),
    ] = variable("MM_MIN_QUOTE_BALANCE", "Halts below this available quote balance.", default="0")
    degrade: Annotated[bool, BOOLEAN] = variable(
        "MM_DEGRADE_BEFORE_HALT",
        "A low balance, balances or an anchor older than half their limit, an old balance of one "
        "asset, or others' orders on one side alone take away one side before they halt.",
        default="false",
    )
    stale_market_data_ms: Annotated[int | None, _AGE] = variable(
        "MM_STALE_MARKET_DATA_TIMEOUT_SECONDS",
        "Halts where book, trades or own orders are older.",
        default="10",
    )
    stale_balance_ms: Annotated[int | None, _AGE] = variable(
        "MM_STALE_BALANCE_TIMEOUT_SECONDS",
        "Halts where balances are older, by their block's time.",
        default="30",
    )
    stale_anchor_ms: Annotated[int | None, _AGE] = variable(
        "MM_STALE_ANCHOR_TIMEOUT_SECONDS", "Halts where the anchor is older.", default="60"
    )
    max_anchor_deviation_bps: Annotated[Decimal | None, zero_is_off(BPS)] = variable(
        "MM_MAX_ANCHOR_DEVIATION_BPS",
        "Halts while the local price is further from the anchor.",
        default="500",
    )
    max_quote_age_ms: Annotated[int | None, _AGE] = variable(
        "MM_MAX_QUOTE_AGE_SECONDS",
        "Halts where our quotes were not confirmed for longer.",
        default="0",
    )
    reference_trade_max_age_ms: Annotated[int, SECONDS] = variable(
        "MM_REFERENCE_TRADE_MAX_AGE_SECONDS",
        "An older last trade is no reference price.",
        default="300",
    )
    reference_min_size: Annotated[Size | None, _SIZE] = variable(
        "MM_REFERENCE_MIN_SIZE",
        "A local price, a trade or a best price with less of others' size behind it is none; "
        "0 takes any.",
        absent="a tenth of `MM_ORDER_SIZE`",
    )
    max_cancels_per_minute: Annotated[int | None, zero_is_off(whole(least=0, most=10**9))] = (
        variable(
            "MM_MAX_CANCELS_PER_MINUTE",
            "Halts rather than send more replace-driven cancels in any 60 s.",
            default="30",
        )
    )

    max_signed_liability: Annotated[
        Amount | None, zero_is_off(mapped(decimal("the quote", NOT_NEGATIVE), Amount))
    ] = variable(
        "MM_MAX_SIGNED_LIABILITY",
        "Most that the unexpired signatures of one side may be worth, cancelled ones and those of "
        "the subaccount's other markets included: from half of it on orders are replaced less "
        "often, at it none is placed.",
        default="0",
    )

    @property
    def inventory_caps(self) -> tuple[Size, Size]:
        """The long and the short cap, both tightened by the net one where it is set."""
        if self.max_net is None:
            return self.max_long, self.max_short
        return min(self.max_long, self.max_net), max(self.max_short, -self.max_net)


class ReplaceSettings(Model, title="Adopting and replacing orders"):
    refresh_interval_ms: Annotated[int, whole("milliseconds", least=10)] = variable(
        "MM_QUOTE_REFRESH_INTERVAL_MS",
        "Least time between two replaces of an order's slot.",
        default="5000",
    )
    stale_threshold_bps: Annotated[Decimal, BPS] = variable(
        "MM_CANCEL_STALE_ORDER_THRESHOLD_BPS",
        "How far from its target price an order is still good.",
        default="5",
    )
    size_tolerance: Annotated[Size, _SIZE] = variable(
        "MM_ADOPT_SIZE_TOLERANCE",
        "How far from its target size, beyond one lot, an order is still good.",
        default="0.000001",
    )
    min_lifetime_ms: Annotated[int, SECONDS] = variable(
        "MM_MIN_QUOTE_LIFETIME_SECONDS", "A younger order is not replaced.", default="0"
    )
    min_move_bps: Annotated[Decimal, BPS] = variable(
        "MM_MIN_PRICE_MOVE_BEFORE_REPLACE_BPS",
        "A smaller move replaces no order.",
        default="0",
    )
    max_deviation_bps: Annotated[Decimal | None, zero_is_off(BPS)] = variable(
        "MM_MAX_ORDER_DEVIATION_BPS",
        "An order that does not fit any more and is further from the reference goes at once, "
        "whatever the guards say.",
        default="0",
    )
    together: Annotated[bool, BOOLEAN] = variable(
        "MM_REPLACE_TOGETHER",
        "Post a replacement with the cancel of its predecessor, where limits let both rest.",
        default="false",
    )

    def policy(self, quotes: QuoteSettings) -> ReconcilePolicy:
        """What resting orders are held against what is wanted by."""
        return ReconcilePolicy(**dict(self), order_life_ms=quotes.order_life_ms)


_OF_QUOTES = tuple(name for name in QuoteSettings.model_fields if name != "order_life_ms")


def quote_policy(
    quotes: QuoteSettings, limits: LimitSettings, spread_mult: Decimal, size_mult: Decimal
) -> QuotePolicy:
    """What the strategy quotes by; the factors hold while the bootstrap anchor is the reference."""
    max_long, max_short = limits.inventory_caps
    return QuotePolicy(
        **{name: getattr(quotes, name) for name in _OF_QUOTES},
        max_long=max_long,
        max_short=max_short,
        max_notional_per_side=limits.max_notional_per_side,
        external_spread_mult=spread_mult,
        external_size_mult=size_mult,
    )


def reference_min_size(quotes: QuoteSettings, limits: LimitSettings) -> Size:
    """How much of others' size makes a price; 0 is any."""
    set_size = limits.reference_min_size
    return quotes.order_size.times(_A_TENTH) if set_size is None else set_size


def check_tolerance(reading: Reading, quotes: QuoteSettings, given: ReplaceSettings) -> None:
    """An order of another size is not as good as the wanted one."""
    smallest = min(quotes.order_size.value, _last_size(quotes))
    tolerance = given.size_tolerance
    if tolerance is not None and tolerance.value >= smallest:
        with_mult = " and MM_LEVEL_SIZE_MULT" if smallest != quotes.order_size.value else ""
        reading.fault(
            "MM_ADOPT_SIZE_TOLERANCE",
            f"by MM_ORDER_SIZE{with_mult} a level has {plain(smallest)}, so that an order of any "
            "size would do: give less",
        )


def _last_size(quotes: QuoteSettings) -> Decimal:
    size = quotes.order_size.value
    for _ in range(quotes.levels - 1):
        size = multiply(size, quotes.level_size_mult)
    return size


def check_levels(reading: Reading, quotes: QuoteSettings, multiplier: Decimal) -> None:
    """Bids stay above zero, levels apart. `multiplier` is the external anchor's, 1 where off."""
    levels, step = quotes.levels, quotes.level_step_bps
    spread = add(quotes.half_spread_bps, multiply(Decimal(levels - 1), step))
    furthest = add(multiply(spread, multiplier), quotes.skew_bps)
    if levels > 1 and not step:
        reading.fault(
            "MM_LEVEL_SPREAD_STEP_BPS",
            f"with MM_QUOTE_LEVELS={levels} give basis points above 0",
        )
    if furthest >= ALL_BPS:
        reading.fault(
            "MM_HALF_SPREAD_BPS",
            "with MM_INVENTORY_SKEW_BPS, MM_LEVEL_SPREAD_STEP_BPS and the external anchor's "
            f"multiplier the lowest bid would be {plain(furthest)} basis points below the "
            "reference: keep the sum below 10000",
        )
