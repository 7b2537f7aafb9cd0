"""Bots as real processes beside the services they read: `QuotingBot`, seen from the public book."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import httpx

from integration_harness.bot_process import BotProcess
from integration_harness.stack.instruments import Instrument
from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.quantities import Side
from integration_harness.stack.supervisor import Supervisor
from integration_harness.stack.up import LocalExchange
from integration_harness.starvation import Starvation

Quote = tuple[Fraction, Fraction]
"""Price and size."""
WAIT_SECONDS = 15.0
LOOK_SECONDS = 0.03
MID_WITHIN = Fraction(5, 10_000)
QUICK = {
    "MM_POLL_INTERVAL_MS": "100",
    "MM_QUOTE_REFRESH_INTERVAL_MS": "100",
    "MM_HALF_SPREAD_BPS": "25",
    "MM_INVENTORY_SKEW_BPS": "0",
    "MM_MAX_LONG_INVENTORY": "1000000",
    "MM_MAX_SHORT_INVENTORY": "-1000000",
    "MM_MAX_CANCELS_PER_MINUTE": "600",
    "MM_CANCEL_ON_SHUTDOWN": "true",
    # Trades that other tests left behind are no local price.
    "MM_REFERENCE_TRADE_MAX_AGE_SECONDS": "0",
}


class QuotingBot:
    """One bot, and what it quotes as everybody sees it."""

    def __init__(self, process: BotProcess, exchange: LocalExchange, market: Instrument) -> None:
        self.process = process
        self.market = market
        self.seen: tuple[list[Quote], ...] = ([], [])
        """Own bids and asks as they were when they were last waited for with success."""
        self._client = ExchangeClient(exchange.api_url)
        self._owner = exchange.deployment.maker.address.lower()

    async def quotes(self) -> tuple[list[Quote], ...]:
        """Own bids and asks."""
        book = await asyncio.to_thread(self._client.book, self.market)
        return tuple(
            [(o.price, o.size) for o in side if o.owner_address.lower() == self._owner]
            for side in (book.bids, book.asks)
        )

    async def quotes_around(self, price: Callable[[], Decimal] | Decimal) -> float:
        """Seconds until both sides rest with their middle at the price."""

        async def reached() -> bool:
            bids, asks = await self.quotes()
            if len(bids) != 1 or len(asks) != 1:
                return False
            wanted = Fraction(price if isinstance(price, Decimal) else price())
            self.seen = (bids, asks)
            mid = (bids[0][0] + asks[0][0]) / 2
            return abs(mid - wanted) <= wanted * MID_WITHIN

        return await self._until(reached, "quotes around the price")

    async def halts(self, reason: str) -> float:
        """Seconds until the bot halts by that name, with nothing left in the book."""

        async def reached() -> bool:
            return reason in (await self.reasons()) and not any(await self.quotes())

        return await self._until(reached, f"halt: {reason}")

    async def reasons(self) -> tuple[str, ...]:
        """Why it is not ready; one entry where it does not answer yet."""
        try:
            return (await asyncio.to_thread(self.process.ready))[1]
        except httpx.TransportError:
            return ("does not answer",)

    async def metrics(self) -> Mapping[str, float]:
        return await asyncio.to_thread(self.process.metrics)

    async def _until(self, reached: Callable[[], Awaitable[bool]], what: str) -> float:
        """Seconds, without what a loaded machine kept the bot or us waiting."""
        starved, began = Starvation(self.process.pid), time.monotonic()
        while not await reached():
            assert self.process.running, f"{what}: {self.process.why_over()}"
            if time.monotonic() - began > WAIT_SECONDS:
                seen = (await self.quotes(), await self.reasons())
                raise AssertionError(f"{what}: {seen}\n{self.process.log_tail()}")
            await asyncio.sleep(LOOK_SECONDS)
        took = time.monotonic() - began
        return took - min(starved.seconds, took)

    def close(self) -> None:
        self._client.close()


@asynccontextmanager
async def bots_on(
    exchange: LocalExchange,
    folder: Path,
    markets: Sequence[Instrument],
    environment: Mapping[str, str],
) -> AsyncIterator[list[QuotingBot]]:
    """A bot on each market; all of their orders are gone afterwards."""
    with Supervisor() as supervisor:
        bots = []
        for market in markets:
            size = {"MM_ORDER_SIZE": "100" if market.is_spot else "1"}
            process = BotProcess(
                supervisor,
                f"bot-{market.symbol}",
                {**exchange.bot_environment(market.symbol), **QUICK, **size, **environment},
                folder / f"{market.symbol}.json",
            )
            bots.append(QuotingBot(process.start(), exchange, market))
        try:
            yield bots
        finally:
            stopped = [asyncio.to_thread(bot.process.stop) for bot in bots]
            codes = await asyncio.gather(*stopped)
            for bot in bots:
                bot.process.close()
                bot.close()
            assert codes == [0] * len(bots)


@asynccontextmanager
async def strangers(
    exchange: LocalExchange, market: Instrument, bid: Decimal, ask: Decimal
) -> AsyncIterator[None]:
    """Somebody else's two orders, gone afterwards."""
    signer = Signer(exchange.deployment, exchange.deployment.takers[0])
    client = ExchangeClient(exchange.api_url)
    prices: dict[Side, Decimal] = {"buy": bid, "sell": ask}
    size = Decimal(20) if market.is_spot else Decimal("0.1")
    placed = []
    try:
        for side, price in prices.items():
            ticket = OrderTicket(instrument=market, side=side, price=price, size=size)
            placed.append(await asyncio.to_thread(client.place, signer.order_body(ticket)))
        yield
    finally:
        for order in placed:
            await asyncio.to_thread(client.cancel, signer.cancel_body(int(order["nonce"])))
        client.close()
