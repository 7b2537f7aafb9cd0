"""The pure core: what to do, given what was seen.

Standard library only. No input or output, no clock, no randomness, no logging, no environment:
time comes in as `now_ms`, everything else as frozen values, and decisions come out as values.
"""
