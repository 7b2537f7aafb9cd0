"""An indicative price from the 0x price endpoint; read-only, nothing is traded through it.

`price` is buy token per sell token; where an answer has none, as version 2's, it is the quotient of
`buyAmount` and `sellAmount`, each scaled by its token's decimals, read from the chain. With USDC
sold for cNGN that is the human price as it stands; with `base_token` sold on the other side of the
pair it is inverted. An answer that names other tokens than were asked for is refused. The endpoint
tells no time, so the read's counts, less the HTTP `Age`.
"""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlencode, urlsplit, urlunsplit

from mm_bot.core.exact import Price, multiply, round_half_even
from mm_bot.prices.fetch import Fetcher
from mm_bot.prices.oracle import decimals_of
from mm_bot.prices.parse import inverse, json_object, number_of, price_of
from mm_bot.prices.source import AnchorError, EthCall, Reading, RejectReason
from mm_bot.prices.specs import ZeroExSpec

QUOTIENT_DECIMALS = 18
"""Enough for 0.000625, inverted afterwards."""


class ZeroExSource:
    """GETs the price endpoint."""

    name = "0x"
    min_interval_ms = 0

    def __init__(self, spec: ZeroExSpec, eth_call: EthCall | None = None) -> None:
        """Without an `eth_call` an answer that has no `price` is none."""
        headers = {"0x-version": "v2"}
        if spec.api_key:
            headers["0x-api-key"] = spec.api_key
        self._fetcher = Fetcher(self.name, _url(spec), headers)
        self._spec = spec
        self._eth_call = eth_call
        base = spec.base_token
        self._inverted = base is not None and _same(spec.buy_token, base)

    async def read(self) -> Reading:
        got = await self._fetcher.get()
        answer = json_object(got.body, self.name)
        asked = {"sellToken": self._spec.sell_token, "buyToken": self._spec.buy_token}
        for field_name, token in asked.items():
            told = answer.get(field_name)
            if isinstance(told, str) and not _same(told, token):
                raise AnchorError(self.name, RejectReason.WRONG_PAIR, f"another {field_name}")
        if answer.get("liquidityAvailable") is False:
            raise AnchorError(self.name, RejectReason.NO_PRICE, "no liquidity")
        if "price" in answer:
            price = price_of(answer["price"], self.name)
        else:
            price = await self._quotient(answer)
        if self._inverted:
            price = inverse(price, self.name)
        return Reading(price=price, as_of_ms=None, age_ms=got.age_ms)

    async def _quotient(self, answer: dict[str, object]) -> Price:
        """What is bought per what is sold, in whole tokens."""
        sold, bought = (answer.get(name) for name in ("sellAmount", "buyAmount"))
        if sold is None or bought is None:
            detail = "neither 'price' nor 'buyAmount' and 'sellAmount'"
            raise AnchorError(self.name, RejectReason.NO_PRICE, detail)
        if self._eth_call is None:
            detail = "no 'price', and no chain to read the tokens' decimals from"
            raise AnchorError(self.name, RejectReason.NO_PRICE, detail)
        amounts = [number_of(amount, self.name) for amount in (sold, bought)]
        for amount in amounts:
            if amount <= 0:
                raise AnchorError(self.name, RejectReason.NOT_POSITIVE, f"amount {amount}")
        tokens = (self._spec.sell_token, self._spec.buy_token)
        decimals = [await decimals_of(token, self._eth_call, self.name) for token in tokens]
        sell, buy = (
            multiply(amount, Decimal(1).scaleb(-digits))
            for amount, digits in zip(amounts, decimals, strict=True)
        )
        return Price(round_half_even(buy, sell, QUOTIENT_DECIMALS))

    async def aclose(self) -> None:
        await self._fetcher.aclose()


def _url(spec: ZeroExSpec) -> str:
    parts = urlsplit(spec.base_url)
    asked = urlencode(
        {
            "chainId": spec.chain_id,
            "sellToken": spec.sell_token,
            "buyToken": spec.buy_token,
            "sellAmount": spec.amount,
        }
    )
    whole = f"{parts.query}&{asked}" if parts.query else asked
    return urlunsplit(parts._replace(query=whole))


def _same(left: str, right: str) -> bool:
    return left.lower() == right.lower()
