"""A bot that quotes a future from the service, on the local exchange, from each source in turn."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from integration_harness.demo.bots import BotProcess
from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.supervisor import free_port
from integration_harness.stack.up import LocalExchange
from tests.fair_anchor.support import Service, running

STALE_SECONDS = 2
HALT = 'mm_bot_halt_reason{reason="anchor data stale"} 1.0'
FEED = "ab" * 32
USDC, CNGN = "0x" + "01" * 20, "0x" + "02" * 20
BODIES = {
    "/price": '{"price": "1600"}',
    "/fx/orderbook": '{"data": {"buyOrders": [{"price": "1592"}], "sellOrders": [{"price": "1608"}]'
    "}}",
    "/0x": f'{{"price": "1600", "sellToken": "{USDC}", "buyToken": "{CNGN}"}}',
    "/v2/updates/price/latest": '{"parsed": [{"id": "' + FEED + '", "price": {"price": '
    '"160000000000", "conf": "10000000", "expo": -8, "publish_time": NOW}}]}',
}


@dataclass
class Outside:
    """One server with every outside source that speaks plain HTTP; it can freeze."""

    url: str = ""
    thawed: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def outside() -> Iterator[Outside]:
    told = Outside()
    told.thawed.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.thawed.wait(30)
            text = BODIES.get(self.path.partition("?")[0], "").replace("NOW", str(int(time.time())))
            body = text.encode()
            self.send_response(200 if body else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):  # whoever asked may have given up
                self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield told
    told.thawed.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_bot_quotes_a_future_from_every_source_and_halts_with_it(
    exchange: LocalExchange, outside: Outside, tmp_path: Path
) -> None:
    """From each source in turn the bot quotes both sides around the service's fair value; where
    the source freezes it halts as `anchor data stale` within its limit, and quotes again when the
    source does."""
    port, future = free_port(), exchange.futures[0]
    bot = BotProcess(
        market=future.symbol,
        environment={
            **exchange.bot_environment(future.symbol),
            "MM_ANCHOR_SOURCE_TYPE": "http",
            "MM_ANCHOR_URL": f"http://127.0.0.1:{port}/price?market={future.symbol}",
            "MM_STALE_ANCHOR_TIMEOUT_SECONDS": str(STALE_SECONDS),
            "MM_POLL_INTERVAL_MS": "100",
            "MM_QUOTE_REFRESH_INTERVAL_MS": "200",
            "MM_ORDER_SIZE": "1",
            "MM_STATE_FILE": str(tmp_path / "state.json"),
            "MM_CANCEL_ON_SHUTDOWN": "true",
        },
        log_path=tmp_path / "bot.log",
    )
    bot.start()
    try:
        for source in ("http", "strails", "0x", "pyth", "median", "oracle", "book"):
            environment = _environment(exchange, outside, source)
            with running(tmp_path, environment, port=port) as service:
                _quotes_halts_and_quotes_again(exchange, outside, source, service, bot)
    finally:
        assert bot.stop() == 0, bot.log_tail()


def _quotes_halts_and_quotes_again(
    exchange: LocalExchange, outside: Outside, source: str, service: Service, bot: BotProcess
) -> None:
    future = exchange.futures[0]
    break_it, mend_it = _breaking(exchange, outside, source)
    mend_it()
    fair = service.until(200, future.symbol).body["price"]
    _until(lambda: _ready(bot), f"{source}: the bot is ready", bot)
    with ExchangeClient(exchange.api_url) as client:
        _until(lambda: _around(client, exchange, fair), f"{source}: both sides quoted", bot)
    break_it()
    began = time.monotonic()
    _until(lambda: HALT in _metrics(bot), f"{source}: halted", bot)
    assert time.monotonic() - began < STALE_SECONDS + 4, source
    mend_it()
    _until(lambda: _ready(bot), f"{source}: the bot recovers", bot)
    break_it()


def _environment(exchange: LocalExchange, outside: Outside, source: str) -> dict[str, str]:
    given = {
        "API_BASE_URL": exchange.api_url,
        "SPOT_SOURCES": source,
        "RATE_APR": "0.5",
        "CACHE_MS": "100",
        "TIMEOUT_MS": "500",
        "MAX_SPOT_AGE_SECONDS": str(STALE_SECONDS) if source == "oracle" else "60",
        "HTTP_URL": outside.url + "/price",
        "STRAILS_API_URL": outside.url,
        "ZERO_EX_BASE_URL": outside.url + "/0x",
        "ZERO_EX_SELL_TOKEN": USDC,
        "ZERO_EX_BUY_TOKEN": CNGN,
        "ZERO_EX_AMOUNT": "1000000",
        "PYTH_BASE_URL": outside.url,
        "PYTH_FEED_ID": FEED,
        "MEDIAN_OF": "http,strails*2,0x",
        "RPC_URL": exchange.rpc_url,
        "ORACLE_ADDRESS": exchange.deployment.addresses.feed,
    }
    if source == "median":
        given["MAX_SPOT_AGE_SECONDS"] = str(STALE_SECONDS)
    return {f"FAIR_ANCHOR_{name}": text for name, text in given.items()}


def _breaking(
    exchange: LocalExchange, outside: Outside, source: str
) -> tuple[Callable[[], None], Callable[[], None]]:
    """What freezes a source, and what thaws it."""
    if source == "oracle":
        return _feed(exchange)
    if source == "book":
        return _book(exchange)
    return outside.thawed.clear, outside.thawed.set


def _feed(exchange: LocalExchange) -> tuple[Callable[[], None], Callable[[], None]]:
    """A feed that is fed every half second, until it is not."""
    fed = threading.Event()

    def feed() -> None:
        while fed.is_set():
            exchange.set_price(Decimal(1600))
            time.sleep(0.5)

    threads: list[threading.Thread] = []

    def stop() -> None:
        fed.clear()
        for thread in threads:
            thread.join()

    def start() -> None:
        fed.set()
        threads.append(threading.Thread(target=feed))
        threads[-1].start()

    return stop, start


def _book(exchange: LocalExchange) -> tuple[Callable[[], None], Callable[[], None]]:
    """A spot book of 1592 / 1608, and none."""
    signer = Signer(exchange.deployment, exchange.deployment.takers[0])
    nonces: list[int] = []

    def mend() -> None:
        with ExchangeClient(exchange.api_url) as client:
            for side, price in (("buy", "1592"), ("sell", "1608")):
                ticket = OrderTicket(
                    instrument=exchange.spot,
                    side="buy" if side == "buy" else "sell",
                    price=Decimal(price),
                    size=Decimal(100),
                )
                nonces.append(int(client.place(signer.order_body(ticket))["nonce"]))

    def empty() -> None:
        with ExchangeClient(exchange.api_url) as client:
            while nonces:
                try:
                    client.cancel(signer.cancel_body(nonces[-1]))
                except httpx.HTTPStatusError:
                    continue  # the matcher holds it at that moment
                nonces.pop()

    return empty, mend


def _around(client: ExchangeClient, exchange: LocalExchange, fair: Decimal) -> bool:
    """One bid and one ask, half a spread from the fair value or a tick more."""
    book = client.book(exchange.futures[0])
    if not book.bids or not book.asks:
        return False
    bid, ask = book.bids[0].price, book.asks[0].price
    return bool(bid < fair < ask and ask - bid < fair / 100)


def _ready(bot: BotProcess) -> bool:
    return httpx.get(f"http://127.0.0.1:{bot.port}/readyz", timeout=2).status_code == 200


def _metrics(bot: BotProcess) -> str:
    return httpx.get(f"http://127.0.0.1:{bot.port}/metrics", timeout=2).text


def _until(true: Callable[[], bool], what: str, bot: BotProcess) -> None:
    give_up_at = time.monotonic() + 20
    while True:
        try:
            if true():
                return
        except httpx.TransportError:
            pass  # the bot has only just begun
        assert time.monotonic() < give_up_at, f"{what}: not so\n{bot.log_tail()}"
        time.sleep(0.05)
