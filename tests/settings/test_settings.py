"""The settings as a whole: every name, every default, every fault at once."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Instrument, Kind, Margin
from mm_bot.core.policy import OperatorMode
from mm_bot.errors import SettingsError
from mm_bot.fields.keys import address_of
from mm_bot.prices.zero_ex import ZeroExSpec
from mm_bot.settings import VARIABLES, Settings, load
from mm_bot.settings.anchor_variables import ExternalProvider
from mm_bot.venues.numo.config import NumoConfig

EXTERNAL = "MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_"
KEY = "11" * 32
OTHER_KEY = "22" * 32
TOKEN = "0x" + "ab" * 20
REQUIRED = {
    "MM_API_BASE_URL": "http://127.0.0.1:8080",
    "MM_RPC_URL": "http://127.0.0.1:8545",
    "MM_DATABASE_URL": "postgres://bot:secret@127.0.0.1/exchange",
    "MM_OWNER_PRIVATE_KEY": "0x" + KEY,
    "MM_SUBACCOUNT_ID": "10",
}

ZERO_EX = {
    EXTERNAL + "ENABLED": "true",
    EXTERNAL + "BASE_URL": "https://api.example/price",
    EXTERNAL + "SELL_TOKEN": TOKEN,
    EXTERNAL + "BUY_TOKEN": "0x" + "cd" * 20,
    EXTERNAL + "AMOUNT": "1000000",
}


def market(kind: Kind = Kind.SPOT) -> Instrument:
    """A market of that kind."""
    return Instrument(
        symbol="ANY",
        kind=kind,
        base="USDC",
        quote="cNGN",
        price_tick=Price.of("0.01"),
        size_step=Size.of("0.001"),
        multiplier=Decimal(1),
        margin=Margin.FUNDED if kind is Kind.SPOT else Margin.BASE,
        margin_rate=Decimal(0),
        collateral="USDC",
        expiry_ms=None,
    )


def settings(**changes: str) -> Settings:
    """Settings from the required variables and these."""
    return load(REQUIRED | changes)


def numo(given: Settings) -> NumoConfig:
    """The configuration of the founding exchange."""
    assert isinstance(given.venue_config, NumoConfig)
    return given.venue_config


def faults(environment: Mapping[str, str]) -> list[str]:
    """What is wrong with an environment."""
    with pytest.raises(SettingsError) as caught:
        load(environment)
    return caught.value.faults


def fault(**changes: str) -> str:
    """The only fault of the required variables with these."""
    found = faults(REQUIRED | changes)
    assert len(found) == 1, found
    return found[0]


def test_each_default_is_the_specification_s() -> None:
    """With only the required variables set, everything is as the specification says."""
    s = settings()
    assert (s.chain_id, s.market_symbol, s.subaccount_id, numo(s).recipient_id) == (
        8453,
        "USDCcNGN-SPOT",
        10,
        10,
    )
    assert numo(s).matching == "0x9e90a9cd13d859bd6a08168082fb1f6f7405f191"
    assert numo(s).trade == "0x44813ad30b2ffc1bb2871eed9b19f63c8196ed1c"
    assert numo(s).sub_accounts == "0x7019244e25fa416e6ca2ed2f3ca25277aef72843"
    assert numo(s).owner_key == numo(s).signer_key == bytes.fromhex(KEY)
    assert s.owner_address == numo(s).signer == address_of(bytes.fromhex(KEY))
    assert (numo(s).worst_fee, numo(s).service_name, numo(s).price_tick) == (
        0,
        "market-maker",
        None,
    )
    assert (numo(s).contract_size, numo(s).margin_rate) == (
        Decimal(10000),
        Decimal("0.2"),
    )
    assert numo(s).protected_prefixes == ("validation:", "test:", "smoke:", "manual:")
    assert (s.mode, s.dry_run, s.log_level) == (OperatorMode.NORMAL, False, "INFO")
    assert (s.state_file, s.kill_switch_file) == (Path(".mm-bot-state.json"), None)
    assert (s.cancel_on_shutdown, s.wait_for_lock, s.poll_interval_ms) == (False, False, 2000)
    assert (s.metrics_host, s.metrics_port) == ("127.0.0.1", 8080)
    assert (s.readiness_missing_quote_timeout_ms, s.soak_log_interval_ms) == (30_000, None)
    assert s.anchor.source == "none"
    assert s.anchor.parts == ()
    assert (s.anchor.carry_rate_apr, s.anchor.max_jump_bps) == (Decimal(0), Decimal(500))
    assert (s.anchor.min_price, s.anchor.max_price) == (Price.of(100), Price.of(100_000))
    assert (s.anchor.hard_jump_bps, s.anchor.agreement_bps) == (Decimal(2000), Decimal(500))
    assert (s.anchor.quorum, s.anchor.confirmations) == (2, 3)
    assert s.anchor.outlier_bps == Decimal(100)
    assert s.external_anchor is None
    assert s.warnings == ()


def test_each_default_of_the_policy_is_the_specification_s() -> None:
    """The core's part of the defaults is as the specification says, on spot."""
    policy = settings().policy(market())
    assert policy.mode is OperatorMode.NORMAL
    assert not policy.dry_run
    assert policy.reference.trade_max_age_ms == 300_000
    assert not policy.reference.bootstrap
    assert policy.reference.bootstrap_only
    assert policy.reference.external_max_age_ms == 30_000
    quote = policy.quote
    assert (quote.half_spread_bps, quote.skew_bps) == (Decimal(25), Decimal(15))
    assert (quote.order_size, quote.levels) == (Size.of(100), 1)
    assert (quote.level_step_bps, quote.level_size_mult) == (Decimal(0), Decimal(1))
    assert (quote.max_long, quote.max_short) == (Size.of(1000), Size.of(-1000))
    assert quote.max_notional_per_side is None
    assert (quote.external_spread_mult, quote.external_size_mult) == (Decimal(2), Decimal("0.5"))
    risk = policy.risk
    assert (risk.market_data_max_age_ms, risk.balances_max_age_ms) == (10_000, 30_000)
    assert (risk.anchor_max_age_ms, risk.anchor_deviation_bps) == (60_000, Decimal(500))
    assert (risk.quote_max_age_ms, risk.max_cancels_per_minute) == (None, 30)
    assert (risk.max_long, risk.max_short) == (Size.of(1000), Size.of(-1000))
    assert (risk.max_notional_per_side, risk.min_base, risk.min_quote) == (None, None, None)
    reconcile = policy.reconcile
    assert (reconcile.stale_threshold_bps, reconcile.min_move_bps) == (Decimal(5), Decimal(0))
    assert reconcile.size_tolerance == Size.of("0.000001")
    assert (reconcile.min_lifetime_ms, reconcile.refresh_interval_ms) == (0, 5000)
    assert reconcile.order_life_ms == 300_000


def test_the_external_anchor_s_defaults_are_the_specification_s() -> None:
    """Switched on with only what 0x needs, it has the specified limits and the bot's chain."""
    s = settings(**ZERO_EX)
    external = s.external_anchor
    assert external is not None
    assert external.provider is ExternalProvider.ZERO_EX
    assert isinstance(external.spec, ZeroExSpec)
    assert (external.spec.chain_id, external.rpc_url) == (8453, REQUIRED["MM_RPC_URL"])
    policy = s.policy(market()).reference
    assert (external.timeout_ms, policy.external_max_age_ms) == (1500, 30_000)
    assert external.max_deviation_bps == 500
    assert policy.bootstrap_only
    assert external.spec.amount == 1_000_000
    assert s.policy(market()).reference.bootstrap


def test_the_scenarios_defaults_are_the_specification_s() -> None:
    """The live scenarios wait 120 s and look every 250 ms unless told otherwise."""
    for name, value in (("MM_INT_TIMEOUT_SECONDS", 120_000), ("MM_INT_POLL_INTERVAL_MS", 250)):
        variable = VARIABLES[name]
        assert variable.kind.parse(variable.default_text or "") == value


def test_all_faults_are_listed_at_once() -> None:
    """One message has every missing, malformed, contradictory and unknown variable."""
    found = faults(
        {
            "MM_CHAIN_ID": "base",
            "MM_POLL_INTERVAL_MS": "9",
            "MM_ORDER_EXPIRY_SECONDS": "1.9",
            "MM_QUOTE_LEVELS": "3",
            "MM_OPERATOR_MODE": "paused",
            "MM_HALF_SPRED_BPS": "10",
            "MM_ANCHOR_SOURCE_TYPE": "fixed",
            "MM_MATCHING_ADDRESS": "0x12",
        }
    )
    blamed = sorted(line.split()[0] for line in found)
    assert blamed == [
        "MM_ANCHOR_FIXED_PRICE",
        "MM_API_BASE_URL",
        "MM_CHAIN_ID",
        "MM_DATABASE_URL",
        "MM_HALF_SPRED_BPS",
        "MM_LEVEL_SPREAD_STEP_BPS",
        "MM_MATCHING_ADDRESS",
        "MM_OPERATOR_MODE",
        "MM_ORDER_EXPIRY_SECONDS",
        "MM_OWNER_PRIVATE_KEY",
        "MM_POLL_INTERVAL_MS",
        "MM_RPC_URL",
        "MM_SUBACCOUNT_ID",
    ]
    assert "MM_CHAIN_ID is 'base': give a whole number, at least 1" in found


def test_an_empty_or_blank_variable_is_an_unset_one() -> None:
    """An empty value means the default, and a blank around a value is not part of it."""
    s = settings(MM_POLL_INTERVAL_MS="", MM_SOAK_LOG_INTERVAL_SECONDS="  ", MM_CHAIN_ID=" 8453\n")
    assert (s.poll_interval_ms, s.soak_log_interval_ms, s.chain_id) == (2000, None, 8453)


def test_the_plain_database_variable_serves_where_ours_is_unset() -> None:
    """DATABASE_URL is used, but MM_DATABASE_URL wins, and one of them is needed."""
    rest = {n: v for n, v in REQUIRED.items() if n != "MM_DATABASE_URL"}
    plain = "postgresql:///exchange?host=/run/postgres"
    assert numo(load(rest | {"DATABASE_URL": plain})).database_url == plain
    assert numo(settings(DATABASE_URL=plain)).database_url == REQUIRED["MM_DATABASE_URL"]
    assert len(faults(rest)) == 1


def test_the_net_cap_tightens_both_inventory_caps() -> None:
    """The effective caps are min(long, net) and max(short, -net)."""
    s = settings(
        MM_MAX_LONG_INVENTORY="500", MM_MAX_SHORT_INVENTORY="-50", MM_MAX_NET_INVENTORY="100"
    )
    quote = s.policy(market()).quote
    assert (quote.max_long, quote.max_short) == (Size.of(100), Size.of(-50))


def test_the_base_balance_limit_does_not_apply_to_futures() -> None:
    """MM_MIN_BASE_BALANCE limits spot only; the quote balance limits both."""
    s = settings(MM_MIN_BASE_BALANCE="5", MM_MIN_QUOTE_BALANCE="7")
    assert s.policy(market()).risk.min_base == Size.of(5)
    assert s.policy(market(Kind.FUTURE)).risk.min_base is None
    assert s.policy(market(Kind.FUTURE)).risk.min_quote == Amount.of(7)


def test_an_explicit_zero_turns_a_guard_off_and_start_up_says_so() -> None:
    """Each guard that is on by default can be set to 0, is then None, and is warned about."""
    names = [
        "MM_STALE_MARKET_DATA_TIMEOUT_SECONDS",
        "MM_STALE_BALANCE_TIMEOUT_SECONDS",
        "MM_STALE_ANCHOR_TIMEOUT_SECONDS",
        "MM_MAX_ANCHOR_DEVIATION_BPS",
        "MM_MAX_CANCELS_PER_MINUTE",
        "MM_ANCHOR_PYTH_MAX_CONFIDENCE_BPS",
        "MM_ANCHOR_MAX_JUMP_BPS",
        EXTERNAL + "MAX_DEVIATION_BPS",
    ]
    s = load(REQUIRED | dict.fromkeys(names, "0"))
    risk = s.policy(market()).risk
    assert risk.market_data_max_age_ms is risk.balances_max_age_ms is None
    assert (risk.anchor_max_age_ms, risk.anchor_deviation_bps) == (None, None)
    assert risk.max_cancels_per_minute is None
    assert [w.split()[0] for w in s.warnings] == names


def test_a_reference_is_bounded_on_cngn_markets_and_elsewhere_start_up_says_so() -> None:
    """100 to 100000 cNGN without being asked; another market's bounds are to be set, both."""
    other = {"MM_MARKET_SYMBOL": "ETHcUSD-SPOT"}
    (warning,) = settings(**other).warnings
    assert warning.startswith("MM_ANCHOR_MIN_PRICE and MM_ANCHOR_MAX_PRICE not set")
    (warning,) = settings(**other, MM_ANCHOR_MIN_PRICE="1").warnings
    assert warning.startswith("MM_ANCHOR_MAX_PRICE not set")
    bounds = {"MM_ANCHOR_MIN_PRICE": "1500", "MM_ANCHOR_MAX_PRICE": "1700"}
    assert settings(**other, **bounds).warnings == ()
    policy = settings(**bounds).policy(market()).reference
    assert (policy.low, policy.high) == (Price.of(1500), Price.of(1700))
    policy = settings().policy(market()).reference
    assert (policy.low, policy.high) == (Price.of(100), Price.of(100_000))


def test_a_price_needs_a_tenth_of_the_order_size() -> None:
    """Unless told otherwise; 0 is off and start-up says so."""
    assert settings(MM_ORDER_SIZE="5").policy(market()).reference.min_size == Size.of("0.5")
    off = settings(MM_REFERENCE_MIN_SIZE="0")
    assert off.policy(market()).reference.min_size == Size.of(0)
    assert "MM_REFERENCE_MIN_SIZE is 0: anybody's smallest" in off.warnings[0]
    assert settings(MM_REFERENCE_MIN_SIZE="3").policy(market()).reference.min_size == Size.of(3)


def test_a_proxy_that_is_not_used_is_told() -> None:
    """By its name alone: its value may hold a password."""
    given = {"HTTPS_PROXY": "http://u:s3cret@proxy.test:3128", "http_proxy": "x", "NO_PROXY": "y"}
    told = settings(**given).warnings
    assert [warning.split()[0] for warning in told] == ["http_proxy", "HTTPS_PROXY"]
    assert "s3cret" not in " ".join(told)
