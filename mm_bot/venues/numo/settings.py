"""The variables of this exchange: where it is, who we are on it, how it counts."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Secret

import deployments
from mm_bot.core.exact import Price
from mm_bot.fields.keys import parse_address
from mm_bot.fields.kinds import (
    ACCOUNT_ID,
    ADDRESS,
    BASE_URL,
    DATABASE_URL,
    NODE_URL,
    PASSWORD_FILE,
    PATH,
    POSITIVE,
    PREFIXES,
    PRIVATE_KEY,
    UINT256_MAX,
    Range,
    decimal,
    mapped,
    token,
    whole,
)
from mm_bot.fields.model import Model, variable

_OWN_ADDRESSES = "the addresses that come with the bot"
_DEPLOYMENT = "from the deployment"
_OF_THE_KEY = "that of the key"


class NumoSettings(Model, title="The exchange, and who trades there"):
    """As they are given; `resolve` makes the adapter's configuration of them."""

    api_base_url: Annotated[str, BASE_URL] = variable(
        "MM_API_BASE_URL", "The markets API, without its `/v1`.", required=True
    )
    rpc_url: Annotated[str, NODE_URL] = variable(
        "MM_RPC_URL",
        "A node of the chain; only read from. A WebSocket tells of new blocks too, each of which "
        "starts a cycle and a read of on-chain anchors.",
        required=True,
    )
    database_url: Annotated[str | None, DATABASE_URL] = variable(
        "MM_DATABASE_URL",
        "The exchange's Postgres; only read from.",
        absent="`DATABASE_URL`, one of the two is required",
    )
    plain_database_url: Annotated[str | None, DATABASE_URL] = variable(
        "DATABASE_URL", "Used where `MM_DATABASE_URL` is not set."
    )
    chain_id: Annotated[int, whole(least=1)] = variable(
        "MM_CHAIN_ID", "The chain; signed into orders.", default="8453"
    )
    matching_repo_path: Annotated[Path | None, PATH] = variable(
        "MM_MATCHING_REPO_PATH",
        "Folder with `deployments/<chain id>/matching.json`.",
        absent=_OWN_ADDRESSES,
    )
    risk_core_repo_path: Annotated[Path | None, PATH] = variable(
        "MM_RISK_CORE_REPO_PATH",
        "Folder with `deployments/<chain id>/core.json`.",
        absent=_OWN_ADDRESSES,
    )
    matching_address: Annotated[str | None, ADDRESS] = variable(
        "MM_MATCHING_ADDRESS", "The Matching contract.", absent=_DEPLOYMENT
    )
    trade_module_address: Annotated[str | None, ADDRESS] = variable(
        "MM_TRADE_MODULE_ADDRESS", "The TradeModule contract.", absent=_DEPLOYMENT
    )
    subaccounts_address: Annotated[str | None, ADDRESS] = variable(
        "MM_SUBACCOUNTS_ADDRESS", "The SubAccounts contract.", absent=_DEPLOYMENT
    )
    owner_private_key: Annotated[Secret[bytes] | None, PRIVATE_KEY] = variable(
        "MM_OWNER_PRIVATE_KEY",
        "The key of the subaccount's owner.",
        absent="`MM_OWNER_KEYSTORE_FILE`, one of the two is required",
    )
    owner_keystore_file: Annotated[Path | None, PATH] = variable(
        "MM_OWNER_KEYSTORE_FILE", "The owner's key as a keystore JSON."
    )
    owner_keystore_password_file: Annotated[Path | None, PASSWORD_FILE] = variable(
        "MM_OWNER_KEYSTORE_PASSWORD_FILE", "File with the password of that keystore."
    )
    owner_address: Annotated[str | None, ADDRESS] = variable(
        "MM_OWNER_ADDRESS", "Checked against the owner's key.", absent=_OF_THE_KEY
    )
    signer_private_key: Annotated[Secret[bytes] | None, PRIVATE_KEY] = variable(
        "MM_SIGNER_PRIVATE_KEY",
        "A session key that signs the orders; cancels are always signed by the owner.",
        absent="the owner's key",
    )
    signer_keystore_file: Annotated[Path | None, PATH] = variable(
        "MM_SIGNER_KEYSTORE_FILE", "The session key as a keystore JSON."
    )
    signer_keystore_password_file: Annotated[Path | None, PASSWORD_FILE] = variable(
        "MM_SIGNER_KEYSTORE_PASSWORD_FILE", "File with the password of that keystore."
    )
    signer_address: Annotated[str | None, ADDRESS] = variable(
        "MM_SIGNER_ADDRESS", "Checked against the signer's key.", absent=_OF_THE_KEY
    )
    subaccount_id: Annotated[int, ACCOUNT_ID] = variable(
        "MM_SUBACCOUNT_ID", "The subaccount that trades.", required=True
    )
    recipient_id: Annotated[int | None, ACCOUNT_ID] = variable(
        "MM_RECIPIENT_ID",
        "The subaccount, of the same owner, that receives what is bought.",
        absent="`MM_SUBACCOUNT_ID`",
    )
    service_name: Annotated[
        str, token("lower-case letters, digits, '_', '.' and '-'", r"[a-z0-9_.-]{1,48}")
    ] = variable(
        "MM_SERVICE_NAME", "Names this bot in the reason of each cancel.", default="market-maker"
    )
    protected_prefixes: Annotated[tuple[str, ...], PREFIXES] = variable(
        "MM_PROTECTED_ORDER_ID_PREFIXES",
        "Orders with such ids are never cancelled and never adopted.",
        default="validation:,test:,smoke:,manual:",
    )
    price_tick: Annotated[Price | None, mapped(decimal("cNGN", POSITIVE), Price)] = variable(
        "MM_PRICE_TICK",
        "The grid of human prices.",
        absent="0.01 on spot, the market's own on futures",
    )
    worst_fee: Annotated[int, whole(least=0, most=UINT256_MAX)] = variable(
        "MM_WORST_FEE",
        "Highest fee per unit an order accepts: the raw 18-decimal integer.",
        default="0",
    )
    contract_size: Annotated[Decimal, decimal("USDC", POSITIVE)] = variable(
        "MM_CONTRACT_SIZE", "What one contract of a future is.", default="10000"
    )
    initial_margin_rate: Annotated[
        Decimal, decimal("", Range(above=Decimal(0), at_most=Decimal(1)))
    ] = variable(
        "MM_INITIAL_MARGIN_RATE",
        "Part of a contract's worth that a future reserves in cash.",
        default="0.2",
    )

    def known_feed(self, chain_id: int) -> str | None:
        """The chain's cNGN/USD feed where a local file names it."""
        path = self.risk_core_repo_path
        try:
            if path:
                found = addresses_in(path, chain_id, "core.json").get("cngnUsdFeed")
            else:
                found = deployments.load(chain_id).feed
            return None if found is None else parse_address(found)
        except ValueError:
            return None  # the caller names the variable to set


def addresses_in(path: Path, chain_id: int, file: str, *needed: str) -> Mapping[str, str]:
    return deployments.read_addresses(path / "deployments" / str(chain_id) / file, *needed)
