"""Derive v3: perpetuals margined in USDC, signed exactly as the founding exchange's orders.

The wire is `api.py` (JSON-RPC over one socket, or HTTP where it is down), its bodies are `wire.py`,
and `venue.py` is what the loop sees. Source: the vendor's v3 specification, 2026-11.
"""
