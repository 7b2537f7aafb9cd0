"""Exchanges that are not ours, as small servers written from their vendors' specifications alone.

They import nothing of the bot. Each verifies every signature for real, keeps one book with
price-time priority, and can be told to misbehave.
"""
