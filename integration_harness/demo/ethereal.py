"""Two markets of Ethereal's fake, a bot on each, and takers: `make demo VENUE=ethereal`.

A line a second says what rests, what was filled and what is held; at the end both bots are stopped,
and their books must be the exchange's. Exit codes: 0 where both quoted, were filled and agree, and
nothing is left; 1 where not, with every reason.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from eth_account import Account

from integration_harness import checks
from integration_harness.anchor_server import AnchorServer
from integration_harness.bot_process import BotProcess
from integration_harness.stack.quantities import Side
from integration_harness.stack.supervisor import Supervisor
from integration_harness.venues.ethereal import EtherealServer
from integration_harness.venues.ethereal.model import PRODUCTS

_OWNER: Final = str(Account.from_key("0x" + "a1" * 32).address)
_LINKED_KEY: Final = "0x" + "b2" * 32
_SUBACCOUNT: Final = 7
_TAKES_A_SECOND: Final = 2
_STEP_BPS: Final = 8


@dataclass(slots=True, kw_only=True)
class _Market:
    """One of the two, as the demo plays it."""

    symbol: str
    size: str
    tick: Decimal
    price: AnchorServer
    bot: BotProcess


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m integration_harness.demo.ethereal")
    parser.add_argument("--seconds", type=float, default=20.0, help="end after so long")
    parser.add_argument("--seed", type=int, default=7, help="of prices and takers")
    arguments = parser.parse_args()
    server = EtherealServer()
    server.add_trader(_OWNER, _SUBACCOUNT, str(Account.from_key(_LINKED_KEY).address))
    server.start()
    with Supervisor("mm-bot-demo-") as supervisor:
        markets = [
            _market(server, supervisor, "ETHUSD", "3000", "0.5", "0.1"),
            _market(server, supervisor, "BTCUSD", "65000", "0.02", "1"),
        ]
        try:
            _play(server, markets, arguments.seconds, random.Random(arguments.seed))
            faults = [fault for each in markets for fault in _judged(server, each)]
        finally:
            for each in markets:
                each.bot.close()
                each.price.close()
            server.close()
    for fault in faults:
        print(fault)
    print("the books agree" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


def _market(
    server: EtherealServer, supervisor: Supervisor, symbol: str, price: str, size: str, tick: str
) -> _Market:
    source = AnchorServer(Decimal(price))
    source.start()
    environment = {
        "MM_VENUE": "ethereal",
        "MM_ETHEREAL_NETWORK": "testnet",
        "MM_ETHEREAL_REST_URL": server.rest_url,
        "MM_ETHEREAL_SOCKET_URL": server.socket_url,
        "MM_ETHEREAL_LOCK_FILE": str(supervisor.folder / f"{symbol}.lock"),
        "MM_ETHEREAL_WRITES_PER_MINUTE": "110",
        "MM_OWNER_ADDRESS": _OWNER,
        "MM_SIGNER_PRIVATE_KEY": _LINKED_KEY,
        "MM_MARKET_SYMBOL": symbol,
        "MM_ORDER_SIZE": size,
        "MM_ORDER_EXPIRY_SECONDS": "60",
        "MM_MAX_LONG_INVENTORY": str(20 * Decimal(size)),
        "MM_MAX_SHORT_INVENTORY": str(-20 * Decimal(size)),
        "MM_MAX_CANCELS_PER_MINUTE": "0",
        "MM_HALF_SPREAD_BPS": "10",
        "MM_QUOTE_REFRESH_INTERVAL_MS": "2000",
        "MM_POLL_INTERVAL_MS": "1000",
        "MM_ANCHOR_SOURCE_TYPE": "http",
        "MM_ANCHOR_URL": source.url,
        "MM_ANCHOR_MIN_PRICE": "100",
        "MM_ANCHOR_MAX_PRICE": "1000000",
        "MM_CANCEL_ON_SHUTDOWN": "true",
    }
    bot = BotProcess(supervisor, symbol, environment, supervisor.folder / f"{symbol}.json")
    bot.start()
    return _Market(symbol=symbol, size=size, tick=Decimal(tick), price=source, bot=bot)


def _play(
    server: EtherealServer, markets: list[_Market], seconds: float, chance: random.Random
) -> None:
    """Prices walk, takers take, and a line a second tells it."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at and all(each.bot.running for each in markets):
        for _ in range(_TAKES_A_SECOND):
            for each in markets:
                step = Decimal(chance.randint(-_STEP_BPS, _STEP_BPS))
                moved = each.price.price * (10_000 + step) / 10_000
                each.price.price = moved.quantize(each.tick)
                part = Decimal(each.size) * chance.randint(1, 4) / 10
                server.take(chance.choice(("buy", "sell")), str(part), symbol=each.symbol)
            time.sleep(1 / _TAKES_A_SECOND)
        print("   ".join(_line(server, each) for each in markets), flush=True)


def _line(server: EtherealServer, market: _Market) -> str:
    live = sorted(server.live(_SUBACCOUNT, market.symbol), key=lambda order: order.price)
    prices = " / ".join(str(order.price) for order in live) or "no quotes"
    held = server.traders[_SUBACCOUNT].positions.get(market.symbol, Decimal(0))
    return f"{market.symbol} {prices}, {len(_fills(server, market.symbol))} fills, holds {held}"


def _fills(server: EtherealServer, symbol: str) -> list[tuple[Side, Fraction]]:
    product = PRODUCTS[symbol].product_id
    return [
        ("sell" if fill["side"] else "buy", Fraction(fill["filled"]))
        for fill in list(server.exchange.fills)
        if fill["productId"] == product
    ]


def _judged(server: EtherealServer, market: _Market) -> list[str]:
    """What is wrong after a graceful stop."""
    code, fills = market.bot.stop(), _fills(server, market.symbol)
    wrong = checks.totals_fault(market.bot.state().get("books", {}), fills)
    held = server.traders[_SUBACCOUNT].positions.get(market.symbol, Decimal(0))
    flow = sum((size if side == "buy" else -size for side, size in fills), Fraction(0))
    found = {
        f"the stop ended with {code}\n{market.bot.log_tail()}": code != 0,
        f"orders are left: {server.live(_SUBACCOUNT, market.symbol)}": bool(
            server.live(_SUBACCOUNT, market.symbol)
        ),
        "it was never filled": not fills,
        f"its books are not the exchange's: {wrong}": wrong is not None,
        f"it holds {held}, its fills make {flow}": Fraction(held) != flow,
    }
    return [f"{market.symbol}: {text}" for text, is_wrong in found.items() if is_wrong]


if __name__ == "__main__":
    sys.exit(main())
