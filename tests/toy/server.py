"""The toy exchange: one perpetual, HTTP and JSON, numbers as text, a key in a header.

GET  /market                        symbol, grids, margin rate
GET  /book                          every order, best first, `mine` for the key; the last trades
GET  /account?ids=a,b&fills_after=n live orders and those named, own fills after n, what is held
POST /orders {id,nonce,side,price,size,expires_s}   200 the order, 400 no, 409 such an id is there
POST /cancel {id}                   200 the order as it is then, 404 there is none

It imports nothing of the bot. `faults` may be changed at any time.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

KEY: Final = "toy-key-of-the-bot"
STRANGER: Final = "stranger"
Json = dict[str, Any]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed bot resets its connections; that is no error of ours."""


@dataclass(slots=True)
class Faults:
    """Counts of the next orders, and switches."""

    lose_replies: int = 0
    swallow: int = 0
    refuse: int = 0
    over_rate: bool = False
    fill_before_cancel: int = 0
    late_s: float = 0.0
    mute: bool = False


@dataclass(slots=True, kw_only=True)
class Order:
    order_id: str
    nonce: int
    owner: str
    side: str
    price: Decimal
    size: Decimal
    left: Decimal
    expires_s: int
    created_ms: int
    status: str = "active"

    def shown(self, key: str) -> Json:
        return {
            "id": self.order_id,
            "nonce": self.nonce,
            "mine": self.owner == key,
            "side": self.side,
            "price": format(self.price, "f"),
            "size": format(self.size, "f"),
            "left": format(self.left, "f"),
            "expires_s": self.expires_s,
            "created_ms": self.created_ms,
            "status": self.status,
        }


@dataclass(slots=True)
class ToyServer:
    """One market, TOY-PERP. Every method holds the one lock."""

    symbol: str = "TOY-PERP"
    faults: Faults = field(default_factory=Faults)
    orders: dict[str, Order] = field(default_factory=dict)
    fills: list[tuple[str, Json]] = field(default_factory=list)
    sent: list[Json] = field(default_factory=list)
    most_live: dict[str, int] = field(default_factory=lambda: {"buy": 0, "sell": 0})
    lock: threading.RLock = field(default_factory=threading.RLock)
    _http: Any = None

    def start(self) -> str:
        """Its URL."""
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()

    def live(self, owner: str) -> list[Order]:
        with self.lock:
            for order in self.orders.values():
                if order.status == "active" and order.expires_s < time.time():
                    order.status = "expired"
            return [o for o in self.orders.values() if o.owner == owner and o.status == "active"]

    def place(self, key: str, body: Json) -> tuple[int, Json]:
        with self.lock:
            if body["id"] in self.orders:
                return 409, {"error": "such an id is there"}
            price, size = Decimal(body["price"]), Decimal(body["size"])
            if price <= 0 or size <= 0 or price % Decimal("0.01") or size % Decimal("0.001"):
                return 400, {"error": "off the grid"}
            order = Order(
                order_id=body["id"],
                nonce=body["nonce"],
                owner=key,
                side=body["side"],
                price=price,
                size=size,
                left=size,
                expires_s=body["expires_s"],
                created_ms=int(time.time() * 1000),
            )
            self.orders[order.order_id] = order
            self._match(order)
            if key == KEY and order.order_id.startswith(f"mm:{self.symbol}:"):
                ours = [o for o in self.live(KEY) if o.order_id.startswith("mm:")]
                count = sum(o.side == order.side for o in ours)
                self.most_live[order.side] = max(self.most_live[order.side], count)
            return 200, order.shown(key)

    def cancel(self, key: str, body: Json) -> tuple[int, Json]:
        with self.lock:
            order = self.orders.get(body["id"])
            if order is None or order.owner != key:
                return 404, {"error": "no such order"}
            if self.faults.fill_before_cancel > 0 and order.status == "active":
                self.faults.fill_before_cancel -= 1
                self.take(order.side, order.left / 4)
            if order.status == "active":
                order.status = "cancelled"
            return 200, order.shown(key)

    def take(self, side: str, size: Decimal) -> None:
        """A stranger trades so much against that side, and withdraws what is left."""
        with self.lock:
            price = Decimal("0.01") if side == "buy" else Decimal(10**9)
            body = {
                "id": f"take:{time.monotonic_ns()}",
                "nonce": 0,
                "side": "sell" if side == "buy" else "buy",
                "price": str(price),
                "size": str(size.quantize(Decimal("0.001"))),
                "expires_s": 2**40,
            }
            _, placed = self.place(STRANGER, body)
            self.orders[placed["id"]].status = "cancelled"

    def market(self) -> Json:
        return {
            "symbol": self.symbol,
            "base": "TOY",
            "quote": "USD",
            "tick": "0.01",
            "step": "0.001",
            "margin_rate": "0.1",
        }

    def book(self, key: str) -> Json:
        with self.lock:
            live = [
                o for owner in {o.owner for o in self.orders.values()} for o in self.live(owner)
            ]
            sides = {
                side: sorted((o for o in live if o.side == side), key=_best_first)
                for side in ("buy", "sell")
            }
            takers = [fill for _, fill in self.fills if not fill["maker"]]
            return {
                "bids": [o.shown(key) for o in sides["buy"]],
                "asks": [o.shown(key) for o in sides["sell"]],
                "trades": takers[-20:][::-1],
            }

    def account(self, key: str, ids: list[str], fills_after: int) -> Json:
        with self.lock:
            live = {o.order_id: o for o in self.live(key)}
            live |= {i: self.orders[i] for i in ids if i in self.orders}
            mine = [fill for owner, fill in self.fills if owner == key]
            signed = [(1 if f["side"] == "buy" else -1, f) for f in mine]
            position = sum((s * Decimal(f["size"]) for s, f in signed), Decimal(0))
            spent = sum(
                (s * Decimal(f["size"]) * Decimal(f["price"]) for s, f in signed), Decimal(0)
            )
            return {
                "orders": [o.shown(key) for o in live.values() if o.owner == key],
                "fills": [fill for fill in mine if fill["number"] > fills_after],
                "newest_fill": len(self.fills),
                "position_size": format(abs(position), "f"),
                "short": position < 0,
                "cash": format(Decimal(1_000_000) - spent, "f"),
            }

    def _match(self, order: Order) -> None:
        other_side = "sell" if order.side == "buy" else "buy"
        owners = {o.owner for o in self.orders.values()}
        resting = [o for owner in owners for o in self.live(owner) if o.side == other_side]
        for other in sorted(resting, key=_best_first):
            sign = 1 if order.side == "buy" else -1
            if not order.left or sign * (order.price - other.price) < 0:
                return
            size = min(order.left, other.left)
            for each, maker in ((order, False), (other, True)):
                each.left -= size
                if not each.left:
                    each.status = "filled"
                fill = {
                    "number": len(self.fills) + 1,
                    "order_id": each.order_id,
                    "side": each.side,
                    "price": format(other.price, "f"),
                    "size": format(size, "f"),
                    "at_ms": int(time.time() * 1000),
                    "maker": maker,
                    "completes": not each.left,
                }
                self.fills.append((each.owner, fill))


def _best_first(order: Order) -> tuple[Decimal, int]:
    return (-order.price if order.side == "buy" else order.price, order.created_ms)


def _handler(toy: ToyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            key = self.headers.get("x-key", "")
            ids = [each for each in query.get("ids", "").split(",") if each]
            if url.path == "/market":
                self.answer(200, toy.market())
            elif url.path == "/book":
                self.answer(200, toy.book(key))
            elif key != KEY:
                self.answer(401, {"error": "whose key is that?"})
            else:
                self.answer(200, toy.account(key, ids, int(query.get("fills_after") or 2**62)))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            key, faults = self.headers.get("x-key", ""), toy.faults
            if key != KEY:
                self.answer(401, {"error": "whose key is that?"})
            elif self.path == "/cancel":
                self.answer(*toy.cancel(key, body))
            else:
                toy.sent.append(body)
                if faults.swallow > 0:
                    faults.swallow -= 1
                    self.close_connection = True
                elif faults.refuse > 0:
                    faults.refuse -= 1
                    self.answer(400, {"error": "not today"})
                elif faults.over_rate:
                    self.answer(429, {"error": "too many"})
                else:
                    self.placed(*toy.place(key, body))

        def placed(self, status: int, content: Json) -> None:
            if toy.faults.lose_replies > 0:
                toy.faults.lose_replies -= 1
                self.close_connection = True
            else:
                self.answer(status, content)

        def answer(self, status: int, content: Json) -> None:
            time.sleep(60 if toy.faults.mute else toy.faults.late_s)
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nobody's news."""

    return Handler
