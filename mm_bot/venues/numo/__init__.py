"""The exchange's edge: the one place that knows its units, wire names, tables and contracts.

An order's way: `order_entry.sign` turns a `NewOrder` (human) into an `EngineOrder` (`units`), signs
it (`signing`) and packs the body; `order_entry.place` posts it; `order_table` reads its row back.
`exchange.Exchange` is the one object the loop holds.
"""
