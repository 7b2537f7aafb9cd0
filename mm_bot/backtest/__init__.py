"""Backtests: the whole bot, unmodified, on a recorded or generated market. docs/backtest.md.

An extra, `mm_bot[backtest]`; nothing of the bot imports it. The market is `hftbacktest`'s exchange
(`engine.py`), its time is the event loop's (`loop.py`), and `venue.py` is the `Venue` over it. What
was earned is told by our own exact ledger, never by the engine's.
"""
