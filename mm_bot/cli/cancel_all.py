"""`cancel-all`: every order of this bot cancelled, and proof that none is live.

Ours are ids of `mm:<market>:<side>:<nonce>` of this owner and subaccount, from three places: the
exchange, the state file, and a running bot. Strangers' and protected ids are not touched.

Proven means: the order table was read after the cancels, holds no live order of ours, and every
order that only the state file or the bot knew of has a dead row, has expired, or can no longer
arrive. Exit 0 then, 5 otherwise, with what is not proven:

- Postgres down: what the state file and the bot name is cancelled through the API and looked up
  there; an order that neither names may live on.
- API down: nothing can be cancelled; Postgres still tells what is live, and none is a proof.

A bot that quotes here would place anew at once. So the one-writer lock is taken for the time of
the command; where another process holds it, it must be halted by its kill switch or `--force`d.
Where there is a chain, a cancelled signature stays executable on it until it expires: the latest
expiry is told, of earlier orders too, with how many rows were seen and at which block.
"""

from __future__ import annotations

import asyncio

from mm_bot.cli.call import Call
from mm_bot.cli.cancel_books import Books
from mm_bot.cli.cancel_run import CancelAll
from mm_bot.cli.probe import bot_url
from mm_bot.cli.reach import commanding
from mm_bot.errors import NotProvenError, executable_until
from mm_bot.settings import Settings

STYLES = {"gone": "good", "NOT PROVEN": "bad", "LIVE": "bad"}


def run(call: Call) -> int:
    settings = call.settings()
    books, doubts = asyncio.run(_run(call, settings))
    output = call.output
    orders = sorted(books.orders.values(), key=lambda each: each.order_id)
    proven = not doubts
    expires_s = books.signed_until_s or None
    if output.as_json:
        output.json(
            {
                "proven": proven,
                "not_proven": doubts,
                "orders": [each.told() for each in orders],
                "signatures_expire_by_s": expires_s,
                "rows_seen": books.rows_seen,
                "block": books.block,
                "exit_code": 0 if proven else NotProvenError.exit_code,
            }
        )
        return 0 if proven else NotProvenError.exit_code
    if orders:
        output.table(
            ("order", "known from", "cancel", "state", "proof"),
            (
                [each.order_id, each.sources, each.cancel, each.state.upper_if_bad, each.proof]
                for each in orders
            ),
            styles=STYLES,
        )
    else:
        output.line("no order of ours is known")
    on_chain = expires_s is not None and settings.chain_id
    until = executable_until(1000 * (expires_s or 0)) if on_chain else ""
    if until:
        output.line(until, "dim")
    if proven:
        at = "" if books.block is None else f", at block {books.block}"
        output.line(f"proven empty: {books.proof}{at}", "good")
        return 0
    raise NotProvenError("not proven empty: " + "; ".join([*doubts, *filter(None, [until])]))


async def _run(call: Call, settings: Settings) -> tuple[Books, list[str]]:
    url = bot_url(call.environment, None)
    async with commanding(settings, timeout_s=2.0) as venue:
        job = CancelAll(settings, venue, url, force=call.flag("force"))
        return await job.run(within_s=call.number("within"))
