"""The exchange's contracts by chain, as data: `<chain id>/matching.json` and `core.json`.

The files have the exchange's own deployment format: one JSON object, a name to an address each
(members that are no address are other people's business and left out). `load` reads the ones
that come with this package; `read_addresses` reads any file of that format. Local files only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class DeploymentError(ValueError):
    """No such deployment, or a file of it cannot be used; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One chain's contracts, spelled as in the files; None where the files do not name it."""

    chain_id: int
    matching: str
    trade: str
    sub_accounts: str
    cash: str
    deposit: str | None
    withdrawal: str | None
    wrapped_cngn: str | None
    usdc: str | None
    feed: str | None
    """The cNGN/USD price feed."""


def known_chains() -> tuple[int, ...]:
    """The chain ids that `load` knows, in ascending order."""
    return tuple(sorted(int(f.parent.name) for f in _FOLDER.glob("[0-9]*/matching.json")))


def load(chain_id: int) -> Deployment:
    """The deployment on that chain.

    Raises:
        DeploymentError: where none is known.
    """
    if chain_id not in known_chains():
        known = ", ".join(map(str, known_chains()))
        raise DeploymentError(f"no deployment is known on chain {chain_id} (known: {known})")
    folder = _FOLDER / str(chain_id)
    matching = read_addresses(folder / "matching.json", "matching", "trade")
    core = read_addresses(folder / "core.json", "subAccounts", "cash")
    return Deployment(
        chain_id=chain_id,
        matching=matching["matching"],
        trade=matching["trade"],
        sub_accounts=core["subAccounts"],
        cash=core["cash"],
        deposit=matching.get("deposit"),
        withdrawal=matching.get("withdrawal"),
        wrapped_cngn=core.get("wrappedCngn"),
        usdc=core.get("usdc"),
        feed=core.get("cngnUsdFeed"),
    )


def read_addresses(file: Path, *needed: str) -> dict[str, str]:
    """Every address in a deployment file, among them the `needed` ones.

    Raises:
        DeploymentError: where the file is missing, no JSON object, or lacks a needed address.
    """
    try:
        content: object = json.loads(file.read_bytes())
    except OSError as error:
        raise DeploymentError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise DeploymentError(f"{file} is not JSON") from None
    if not isinstance(content, dict):
        raise DeploymentError(f"{file} is not a JSON object of names and addresses")
    addresses = {
        str(name): address
        for name, address in content.items()
        if isinstance(address, str) and _ADDRESS.fullmatch(address)
    }
    missing = [name for name in needed if name not in addresses]
    if missing:
        raise DeploymentError(f"{file} has no address under {' and '.join(map(repr, missing))}")
    return addresses
