"""A healthy bot and one without any cNGN, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration_harness.demo.bots import BotProcess
from integration_harness.stack.deployment import Account
from integration_harness.stack.up import LocalExchange
from tests.cli.bench import ONLY_USDC, RICH, environment_of, open_account, running


@dataclass(frozen=True, slots=True, kw_only=True)
class Bots:
    """Two running bots of one owner, each on a subaccount of its own."""

    healthy: BotProcess
    bare: BotProcess


@pytest.fixture(scope="package")
def operator(exchange: LocalExchange) -> Account:
    """Subaccounts: rich, without cNGN, and a rich one whose orders are cancelled."""
    return open_account(exchange, RICH, ONLY_USDC, RICH)


@pytest.fixture(scope="package")
def bots(
    exchange: LocalExchange, operator: Account, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bots]:
    def prepared(index: int, **changes: str) -> tuple[dict[str, str], Path]:
        folder = tmp_path_factory.mktemp(f"bot{index}")
        subaccount_id = operator.subaccount_ids[index]
        return environment_of(exchange, subaccount_id, folder, **changes), folder

    healthy, folder = prepared(
        0,
        MM_QUOTE_LEVELS="2",
        MM_LEVEL_SPREAD_STEP_BPS="10",
        # Else it would move behind an order that crosses it before the matcher sees the two.
        MM_MIN_QUOTE_LIFETIME_SECONDS="30",
    )
    bare, bare_folder = prepared(1, MM_MAX_LONG_INVENTORY="1000", MM_MAX_SHORT_INVENTORY="-1000")
    with running(healthy, folder) as first, running(bare, bare_folder) as second:
        yield Bots(healthy=first, bare=second)
