"""Derive v3 as a server: `server` is the wire, `exchange` its orders and book, `reads` what it
tells, `rules` what it refuses, `model` its orders, wallets and faults."""
