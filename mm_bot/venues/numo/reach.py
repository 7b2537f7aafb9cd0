"""What a start asks the exchange's services, and how long it goes on asking."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx

from mm_bot.errors import EdgeError
from mm_bot.io.errors import redact
from mm_bot.io.postgres import Session, UnfitSessionError
from mm_bot.venues.checks import Checks
from mm_bot.venues.numo.chain import CallRevertedError, Chain
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.market_data import MarketData

_RETRY_S: Final = 0.2
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The services that are asked, and the clock that theirs are compared with."""

    config: NumoConfig
    api: httpx.AsyncClient
    data: MarketData
    chain: Chain
    session: Session
    now_ms: Callable[[], int]

    @property
    def api_name(self) -> str:
        return f"markets API at {redact(self.config.api_base_url)}"

    @property
    def node_name(self) -> str:
        return f"chain node at {redact(self.config.rpc_url)}"

    @property
    def postgres_name(self) -> str:
        return f"Postgres at {self.session.address}"


async def reach(
    parts: Parts,
    checks: Checks,
    area: str,
    name: str,
    ask: Callable[[], Awaitable[T]],
    who: str,
    *,
    refusal: type[EdgeError] | None = None,
) -> T | None:
    """The answer, asked for again and again for as long as a dependency may take to come up; a
    failure and None where none comes. What a contract refuses is its answer: raised where it is a
    `refusal`, else a failure of identity."""
    loop = asyncio.get_running_loop()
    limit_s = parts.config.reach_timeout_ms / 1000
    deadline = loop.time() + limit_s
    reason = "no answer"
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                return await ask()
        except CallRevertedError as error:
            if refusal is not None:
                raise
            checks.wrong(area, name, f"{who}: {error.reason}; is each contract's address right?")
            return None
        except UnfitSessionError as error:
            checks.wrong(area, name, error.reason)
            return None
        except EdgeError as error:
            reason = error.reason
        except TimeoutError:
            pass  # the last real error says more
        if loop.time() + _RETRY_S >= deadline:
            checks.silent(
                area, name, f"{who} does not answer: unreachable for {limit_s:g} s, {reason}"
            )
            return None
        await asyncio.sleep(_RETRY_S)
