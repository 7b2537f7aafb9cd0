"""Ethereal: perpetuals margined in USDe, orders signed as EIP-712 `TradeOrder`.

`api.py` asks and posts, `stream.py` listens, `wire.py` reads bodies, `signing.py` and `codec.py`
are what an order is made of, `proving.py` is looked at before the first one, and `venue.py` is what
the loop sees. Source: the vendor's specification of 2026-11; what it leaves open is said where it
matters.
"""
