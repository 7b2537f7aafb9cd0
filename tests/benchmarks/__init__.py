"""Measurements of the bot against stated baselines; nothing here is asserted."""
