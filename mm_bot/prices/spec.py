"""What the file of a price source brings: its variables, its `SourceSpec`, and how that is built.

A source is one file of this folder and its name in `registry.MODULES`. The file exports `SOURCE`, a
`SourceSettings`: under which word it is chosen and which variables it has, here without a prefix,
since the bot and the price service read them under their own. What a source takes of libraries is
imported where it is built or read, as every source's variables are known to every process.
"""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

from pydantic import SecretStr

from mm_bot.clock import Clock
from mm_bot.core.exact import Price
from mm_bot.fields.kinds import POSITIVE, decimal, mapped
from mm_bot.fields.model import Model
from mm_bot.fields.texts import show_text
from mm_bot.prices.source import AnchorSource, EthCall, OnBlock, OnStream
from mm_bot.prices.witness import Witnesses

PRICE = mapped(decimal("cNGN per USDC", POSITIVE), Price)
FEED_ID = re.compile(r"(0x)?[0-9a-fA-F]{64}", re.ASCII)
"""Too long to be shown whole, and as long as a private key."""


def unheard(name: str, why: str) -> None:
    """Where nobody is told of streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """What sources need of the world."""

    clock: Clock
    eth_call: EthCall | None = None
    """For the on-chain feed."""
    on_block: OnBlock | None = None
    """Registers who reads by `eth_call` at each new block; None where nobody tells of those."""
    witnesses: Witnesses = field(default_factory=Witnesses)
    """Shared by all guards of a process."""
    max_age_ms: int | None = None
    """The age limit of data that has none of its own, where it is used together with data that
    has one."""
    on_stream: OnStream = unheard
    """Told when a stream of prices is lost, and when it brings some again."""
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by a source that is fed by a stream when that brought something: a read is worth while
    before its time."""


@runtime_checkable
class SourceSpec(Protocol):
    """One source, or several combined, as a frozen value. No key shows in its repr."""

    def build(self, context: SourceContext) -> AnchorSource:
        """The bare source; nothing is contacted before it is read."""


class SourceSettings(Model, title="Sources of the anchor price"):
    """Of one source; its first field is the one that it cannot do without. They are needed only
    where the source is used, and mean nothing else where it is not."""

    word: ClassVar[str]
    """Which names it in `MM_ANCHOR_SOURCE_TYPE`, in lists and in expressions."""
    of_this_market: ClassVar[bool] = False
    """Whether it tells the price of the very market, not a spot price to be carried."""
    made_up: ClassVar[bool] = False
    """Whether it says nothing about the world, so that nobody uses it without asking for it."""
    feed: ClassVar[re.Pattern[str] | None] = None
    """What may stand behind `word:` to name another feed than is set; None where nothing may."""

    @abstractmethod
    def spec(self, market: str, feed: str) -> SourceSpec:
        """The source; `feed` is another one of its kind than is set, empty for that. What it needs
        must be set."""

    @classmethod
    def needed(cls) -> str:
        """The variable that it cannot do without."""
        return next(iter(cls.model_fields.values())).alias or ""


def short_feed_id(text: str) -> str:
    """The text with every feed id cut to what tells it apart."""
    return show_text(FEED_ID.sub(lambda found: found[0].lower().removeprefix("0x")[:8], text))


def text_of(secret: SecretStr | None) -> str | None:
    """A key as it is sent."""
    return None if secret is None else secret.get_secret_value()
