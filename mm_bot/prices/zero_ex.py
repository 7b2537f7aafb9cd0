"""An indicative price from the 0x price endpoint; read-only, nothing is traded through it.

`price` is buy token per sell token; where an answer has none, as version 2's, it is the quotient of
`buyAmount` and `sellAmount`, each scaled by its token's decimals, read from the chain. With USDC
sold for cNGN that is the human price as it stands; with `base_token` sold on the other side of the
pair it is inverted. An answer that names other tokens than were asked for is refused. The endpoint
tells no time, so the read's counts, less the HTTP `Age`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlencode, urlsplit, urlunsplit

from pydantic import SecretStr

from mm_bot.core.exact import Price, multiply, round_half_even
from mm_bot.fields.kinds import ADDRESS, API_KEY, HTTP_URL, UINT256_MAX, whole
from mm_bot.fields.model import Model, variable
from mm_bot.prices.oracle import decimals_of
from mm_bot.prices.parse import inverse, json_object, number_of, price_of
from mm_bot.prices.source import AnchorError, EthCall, Reading, RejectReason
from mm_bot.prices.spec import SourceContext, text_of

QUOTIENT_DECIMALS = 18
"""Enough for 0.000625, inverted afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroExSpec:
    """`0x`"""

    base_url: str = field(repr=False)
    api_key: str | None = field(default=None, repr=False)
    chain_id: int
    sell_token: str
    buy_token: str
    amount: int
    """Base units of the sold token."""
    base_token: str | None = None
    """USDC's address: where that is the bought token the answer is inverted."""

    def build(self, context: SourceContext) -> ZeroExSource:
        return ZeroExSource(self, context.eth_call)


class ZeroExSettings(Model):
    base_url: Annotated[str | None, HTTP_URL] = variable(
        "BASE_URL", "For `0x`: the price endpoint."
    )
    api_key: Annotated[SecretStr | None, API_KEY] = variable(
        "API_KEY", "For `0x`: sent as `0x-api-key`.", absent="none is sent"
    )
    chain_id: Annotated[int | None, whole(least=1)] = variable(
        "CHAIN_ID", "The chain asked about.", absent="`MM_CHAIN_ID`"
    )
    sell_token: Annotated[str | None, ADDRESS] = variable(
        "SELL_TOKEN", "For `0x`: USDC on that chain."
    )
    buy_token: Annotated[str | None, ADDRESS] = variable(
        "BUY_TOKEN", "For `0x`: cNGN on that chain."
    )
    amount: Annotated[
        int | None, whole("base units of the sold token", least=1, most=UINT256_MAX)
    ] = variable("AMOUNT", "For `0x`: the amount whose price is asked.")

    def spec(self, chain_id: int) -> ZeroExSpec:
        assert None not in (self.base_url, self.sell_token, self.buy_token, self.amount)
        return ZeroExSpec(
            base_url=self.base_url or "",
            api_key=text_of(self.api_key),
            chain_id=chain_id,
            sell_token=self.sell_token or "",
            buy_token=self.buy_token or "",
            amount=self.amount or 0,
        )


class ZeroExSource:
    """GETs the price endpoint."""

    name = "0x"
    min_interval_ms = 0

    def __init__(self, spec: ZeroExSpec, eth_call: EthCall | None = None) -> None:
        """Without an `eth_call` an answer that has no `price` is none."""
        from mm_bot.prices.fetch import Fetcher

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
