"""A real process whose node is behind: fills are told by the order table before any block."""

from __future__ import annotations

import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from integration_harness.lagging_node import LaggingNode
from integration_harness.stack.chain import Chain
from integration_harness.stack.orders import ExchangeClient, OrderTicket
from integration_harness.stack.orders import Signer as TakerSigner
from integration_harness.stack.up import LocalExchange
from tests.process.running import Running

LIMIT = Decimal(1)
SALES = 30


@pytest.mark.parametrize("alternating", [False, True], ids=["behind", "alternating"])
def test_the_position_stays_within_its_limit_behind_a_lagging_node(
    exchange: LocalExchange, tmp_path: Path, alternating: bool
) -> None:
    """Sold to without a pause for longer than the node is behind, the bot never holds more than its
    limit on the chain."""
    future = exchange.futures[0]
    node = LaggingNode(exchange.rpc_url, behind=6, alternating=alternating)
    node.start()
    _, subaccount = exchange.account_for(future)
    taker = TakerSigner(exchange.deployment, exchange.deployment.takers[0])
    bids = {
        **exchange.bot_environment(future.symbol),
        "MM_RPC_URL": node.url,
        "MM_STATE_FILE": str(tmp_path / "state.json"),
        "MM_OPERATOR_MODE": "bid-only",
        "MM_ORDER_SIZE": "1",
        "MM_POLL_INTERVAL_MS": "50",
        "MM_QUOTE_REFRESH_INTERVAL_MS": "10",
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "1600",
    }
    with Chain(exchange.rpc_url, exchange.deployment) as chain:
        held = _position(chain, subaccount, future.sub_id)
        bids["MM_MAX_LONG_INVENTORY"] = f"{(held + LIMIT).normalize():f}"
        bids["MM_MAX_SHORT_INVENTORY"] = "-1"
        try:
            with Running(bids) as bot, ExchangeClient(exchange.api_url) as client:
                bot.until(lambda status: status["ready"], "ready")
                time.sleep(2.5)  # earlier sales have expired: the bid is back where it sells
                for _ in range(SALES):
                    ticket = OrderTicket(
                        instrument=future,
                        side="sell",
                        price=Decimal(1500),
                        size=Decimal("0.5"),
                        lifetime_seconds=2,
                    )
                    with suppress(httpx.HTTPStatusError):  # a slow machine: expired already
                        client.place(taker.order_body(ticket))
                    time.sleep(0.5)
                time.sleep(2)
                bought = _position(chain, subaccount, future.sub_id) - held
        finally:
            node.close()
    assert 0 < bought <= LIMIT


def _position(chain: Chain, subaccount: int, sub_id: int) -> Decimal:
    found = (b.amount for b in chain.balances(subaccount) if b.sub_id == sub_id and sub_id)
    return Decimal(next(found, 0)).scaleb(-18)
