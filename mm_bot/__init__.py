"""A market maker for on-chain order-book exchanges with signed orders: one process, one market.

Start reading at `bot.py`, which is the whole loop; `core/decide.py` is what it decides.
"""
