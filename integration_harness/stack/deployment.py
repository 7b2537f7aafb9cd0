"""What a deployed local exchange is: addresses, people and their subaccounts, as one value.

Plain data: it is written once by `deploy`, carried as JSON to the other processes, and knows
neither the chain nor the contracts. Addresses are checksummed, keys are 0x-prefixed hex.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """What one subaccount starts with; 18 decimals."""

    cash: int = 0
    wrapped_cngn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One owner: a key and the subaccounts it holds, in the order they were created."""

    name: str
    address: str
    private_key: str
    subaccount_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Every contract of the local exchange."""

    matching: str
    trade: str
    deposit: str
    withdrawal: str
    sub_accounts: str
    cash: str
    wrapped_cngn: str
    future: str
    feed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The whole deployment; `accounts` maps a role to its owner.

    Roles: `deployer` (also the admin of every contract), `executor`, `maker` (subaccounts: spot,
    future, spare), `taker1`, `taker2`, ... (one subaccount each) and `stranger`, whose subaccount
    exists but is *not* held by Matching.
    """

    chain_id: int
    addresses: Addresses
    accounts: Mapping[str, Account]
    fee_recipient_id: int
    future_expiries: tuple[int, ...]

    @property
    def deployer(self) -> Account:
        return self.accounts["deployer"]

    @property
    def executor(self) -> Account:
        return self.accounts["executor"]

    @property
    def maker(self) -> Account:
        return self.accounts["maker"]

    @property
    def takers(self) -> tuple[Account, ...]:
        return tuple(a for name, a in self.accounts.items() if name.startswith("taker"))

    def to_json(self, path: Path) -> None:
        """Write the deployment to a file; `from_json` of it is equal to this value."""
        path.write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def from_json(cls, path: Path) -> Deployment:
        """Read what `to_json` wrote."""
        raw = json.loads(path.read_text())
        accounts = {
            name: Account(
                name=name,
                address=value["address"],
                private_key=value["private_key"],
                subaccount_ids=tuple(value["subaccount_ids"]),
            )
            for name, value in raw["accounts"].items()
        }
        return cls(
            chain_id=raw["chain_id"],
            addresses=Addresses(**raw["addresses"]),
            accounts=accounts,
            fee_recipient_id=raw["fee_recipient_id"],
            future_expiries=tuple(raw["future_expiries"]),
        )
