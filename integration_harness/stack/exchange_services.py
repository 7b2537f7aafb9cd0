"""What a local exchange may be asked for, and its two own services, told of it: API and matcher."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from integration_harness.stack.deploy import DeployOptions
from integration_harness.stack.deployment import Deployment
from integration_harness.stack.evm_node import DEFAULT_CHAIN_ID
from integration_harness.stack.instruments import Instrument, dump_instruments
from integration_harness.stack.service import Service
from integration_harness.stack.supervisor import Supervisor, answers

_REPOSITORY: Final = Path(__file__).parents[2]
_PACKAGE: Final = "integration_harness.stack"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOptions:
    """Everything a test or a scenario may want otherwise."""

    chain_id: int = DEFAULT_CHAIN_ID
    block_time_seconds: int = 1
    matcher_poll_ms: int = 250
    blink_hold_ms: int = 2
    verify_signatures: bool = True
    faults: bool = True
    chain_agrees: bool = False
    """Mine every transaction at once, and book a fill when it is mined. By default, as on the real
    exchange, the table leads the chain by up to a block."""
    price: Decimal = Decimal("1600")
    funding: DeployOptions | None = None
    instruments: tuple[Instrument, ...] | None = None
    api_environment: Mapping[str, str] | None = None
    matcher_environment: Mapping[str, str] | None = None


def exchange_services(
    supervisor: Supervisor,
    options: ExchangeOptions,
    *,
    api_port: int,
    database_url: str,
    rpc_url: str,
    deployment: Deployment,
    instruments: tuple[Instrument, ...],
) -> dict[str, Service]:
    """`api` and `matcher`, not yet started; `database_url` may write."""
    addresses = deployment.addresses
    common = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(_REPOSITORY),
        "STACK_DATABASE_URL": database_url,
        "STACK_MARKETS": dump_instruments(instruments),
        "STACK_RPC_URL": rpc_url,
        "STACK_CHAIN_ID": str(options.chain_id),
        "STACK_MATCHING_ADDRESS": addresses.matching,
        "STACK_TRADE_ADDRESS": addresses.trade,
        "STACK_SUBACCOUNTS_ADDRESS": addresses.sub_accounts,
    }
    return {
        "api": Service(
            supervisor,
            name="api",
            argv=(sys.executable, "-m", f"{_PACKAGE}.markets_api"),
            environment={
                **common,
                "STACK_API_PORT": str(api_port),
                "STACK_VERIFY_SIGNATURES": str(options.verify_signatures).lower(),
                "STACK_FAULTS": str(options.faults).lower(),
                **(options.api_environment or {}),
            },
            ready=lambda log: answers(api_port),
        ),
        "matcher": Service(
            supervisor,
            name="matcher",
            argv=(sys.executable, "-m", f"{_PACKAGE}.matcher"),
            environment={
                **common,
                "STACK_EXECUTOR_ADDRESS": deployment.executor.address,
                "STACK_EXECUTOR_WAIT_FOR_RECEIPT": str(options.chain_agrees).lower(),
                "STACK_MATCHER_POLL_MS": str(options.matcher_poll_ms),
                "STACK_MATCHER_BLINK_HOLD_MS": str(options.blink_hold_ms),
                **(options.matcher_environment or {}),
            },
            ready=lambda log: "ready" in log,
        ),
    }
