"""The example of docs/add-a-venue.md: an exchange that nobody knew, and all that it takes to trade
there. `settings` and `venue` are the adapter, `server` is the fake, `driver` lets the conformance
kit try one against the other.
"""
