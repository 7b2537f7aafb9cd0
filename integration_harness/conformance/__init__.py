"""The conformance kit: numbered claims that every adapter must pass against its fake exchange.

`driver.py` is what an exchange has to offer to be tried, with one file beside it per exchange;
`claims.py` is the list. The bot runs as a process and is known from outside alone. The guide is
`docs/add-a-venue.md`.
"""
