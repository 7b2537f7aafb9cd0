"""Our order ids as Ethereal can carry them: `mm:BTCUSD:buy:1764897077655477722` is the client id
`mmBTCUSDb1764897077655477722`, at most 32 letters and digits.

The two are one to one for nonces of 19 digits, which the time in nanoseconds has until the year
2286. Whatever is not exactly of this form is somebody else's.
"""

from __future__ import annotations

import re
from typing import Final

from mm_bot.core.instrument import Side
from mm_bot.core.orders import ID_PREFIX, OrderId

TICKER_CHARACTERS: Final = 10
_LETTERS: Final = {Side.BUY: "b", Side.SELL: "s"}
_SIDES: Final = {letter: side for side, letter in _LETTERS.items()}
_NONCE: Final = re.compile(r"([bs])([1-9][0-9]{18})", re.ASCII)
_TICKER: Final = re.compile(rf"[A-Za-z0-9]{{1,{TICKER_CHARACTERS}}}", re.ASCII)


def fits(ticker: str) -> bool:
    """Whether ids of that market fit into a client id."""
    return _TICKER.fullmatch(ticker) is not None


def client_prefix(ticker: str) -> str:
    """What the client ids of our orders in that market begin with."""
    return ID_PREFIX + ticker


def client_id(order_id: str) -> str:
    """The client id of an order of ours; raises ValueError for an id that is none of ours."""
    parts = OrderId.parse(order_id)
    text = "" if parts is None else f"{_LETTERS[parts.side]}{parts.nonce}"
    if parts is None or not fits(parts.market) or not _NONCE.fullmatch(text):
        raise ValueError(f"{order_id!r} is no order id of ours")
    return client_prefix(parts.market) + text


def order_id(client: str, ticker: str) -> str:
    """Our id behind a client id of that market; a client id of any other form as it is."""
    prefix = client_prefix(ticker)
    found = _NONCE.fullmatch(client.removeprefix(prefix)) if client.startswith(prefix) else None
    if found is None:
        return client
    return str(OrderId(ticker, _SIDES[found[1]], int(found[2])))


def nonce_of(known_id: str) -> int:
    """The nonce in an id of ours; 0 in any other."""
    parts = OrderId.parse(known_id)
    return 0 if parts is None else parts.nonce
