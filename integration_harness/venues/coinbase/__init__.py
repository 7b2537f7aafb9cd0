"""Coinbase Advanced Trade as a server, from the vendor's specification: see `server.py`."""

from integration_harness.venues.coinbase.model import Order
from integration_harness.venues.coinbase.server import CoinbaseServer

__all__ = ["CoinbaseServer", "Order"]
