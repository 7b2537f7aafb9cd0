"""What a run is pointed at: one market, the bot's account on it and the taker's.

The same value describes a market of the local exchange and one of a foreign exchange that is known
by its environment alone; from here on nobody asks which of the two it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from integration_harness.stack.deployment import Account, Deployment
from integration_harness.stack.instruments import Instrument
from integration_harness.stack.orders import Signer
from integration_harness.stack.up import LocalExchange


class RefusedError(Exception):
    """The run cannot or must not go on here; the text says what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side of the test: an owner, the subaccount it uses, and who signs for it."""

    account: Account
    subaccount_id: int
    recipient_id: int | None = None
    """The subaccount that receives what is bought; None for the same."""
    session_private_key: str | None = field(default=None, repr=False)

    @property
    def owner(self) -> str:
        return self.account.address.lower()

    @property
    def subaccounts(self) -> tuple[int, ...]:
        """Every subaccount whose balances its trades move."""
        if self.recipient_id in (None, self.subaccount_id):
            return (self.subaccount_id,)
        return (self.subaccount_id, self.recipient_id)

    def signer(self, deployment: Deployment) -> Signer:
        """Signs this party's orders and cancels."""
        return Signer(
            deployment,
            self.account,
            subaccount_id=self.subaccount_id,
            recipient_id=self.recipient_id,
            session_private_key=self.session_private_key,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One market of one exchange. Keys are never part of its text."""

    api_url: str
    rpc_url: str = field(repr=False)
    database_url: str = field(repr=False)
    deployment: Deployment = field(repr=False)
    instrument: Instrument
    bot: Party = field(repr=False)
    taker: Party = field(repr=False)
    bot_environment: Mapping[str, str] = field(repr=False)
    """The variables that lead a bot here; a scenario adds its own."""
    local: bool

    @property
    def price_tick(self) -> Decimal:
        """The grid of human prices."""
        given = self.bot_environment.get("MM_PRICE_TICK")
        if given is not None:
            return Decimal(given)
        return Decimal("0.01") if self.instrument.is_spot else Decimal(self.instrument.tick_size)

    @property
    def has_anchor(self) -> bool:
        """Whether the environment gives the bot an anchor of its own."""
        source = self.bot_environment.get("MM_ANCHOR_SOURCE_TYPE", "none")
        external = self.bot_environment.get("MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_ENABLED", "false")
        return source != "none" or external.lower() in ("true", "1", "yes", "on")


def local_target(exchange: LocalExchange, instrument: Instrument) -> Target:
    """A market of the local exchange; its first taker takes."""
    maker, subaccount_id = exchange.account_for(instrument)
    environment = exchange.bot_environment(instrument.symbol)
    del environment["MM_STATE_FILE"]
    taker = exchange.deployment.takers[0]
    return Target(
        api_url=exchange.api_url,
        rpc_url=exchange.rpc_url,
        database_url=exchange.database_url,
        deployment=exchange.deployment,
        instrument=instrument,
        bot=Party(account=maker, subaccount_id=subaccount_id),
        taker=Party(account=taker, subaccount_id=taker.subaccount_ids[0]),
        bot_environment=environment,
        local=True,
    )
