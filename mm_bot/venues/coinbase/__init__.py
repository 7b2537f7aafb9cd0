"""Coinbase Advanced Trade, spot: every request carries a token signed with ES256.

`api.py` asks and posts, `stream.py` listens, `wire.py` reads bodies, `token.py` signs, `account.py`
and `orders.py` are our orders, and `venue.py` is what the loop sees. Source: the vendor's
specification of 2026-11; what it leaves open is said where it matters.
"""
