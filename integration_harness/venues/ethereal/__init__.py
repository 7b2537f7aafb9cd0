"""Ethereal as a server, from the vendor's specification of 2026-11: see `server.py`."""

from integration_harness.venues.ethereal.model import Order
from integration_harness.venues.ethereal.server import EtherealServer

__all__ = ["EtherealServer", "Order"]
