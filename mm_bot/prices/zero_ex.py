"""An indicative price from the 0x price endpoint; read-only, nothing is traded through it.

`price` is buy token per sell token. With USDC sold for cNGN it is the human price as it stands;
with `base_token` sold on the other side of the pair it is inverted. An answer that names other
tokens than were asked for is refused. The endpoint tells no time, so the read's counts.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit, urlunsplit

from mm_bot.prices.fetch import Fetcher
from mm_bot.prices.parse import inverse, json_object, price_of
from mm_bot.prices.source import AnchorError, Reading, Refusal
from mm_bot.prices.specs import ZeroExSpec


class ZeroExSource:
    """GETs the price endpoint."""

    name = "0x"
    min_interval_ms = 0

    def __init__(self, spec: ZeroExSpec) -> None:
        headers = {"0x-version": "v2"}
        if spec.api_key:
            headers["0x-api-key"] = spec.api_key
        self._fetcher = Fetcher(self.name, _url(spec), headers)
        self._spec = spec
        base = spec.base_token
        self._inverted = base is not None and _same(spec.buy_token, base)

    async def read(self) -> Reading:
        answer = json_object(await self._fetcher.get(), self.name)
        asked = {"sellToken": self._spec.sell_token, "buyToken": self._spec.buy_token}
        for field_name, token in asked.items():
            told = answer.get(field_name)
            if isinstance(told, str) and not _same(told, token):
                raise AnchorError(self.name, Refusal.WRONG_PAIR, f"another {field_name}")
        if answer.get("liquidityAvailable") is False:
            raise AnchorError(self.name, Refusal.NO_PRICE, "no liquidity")
        if "price" not in answer:
            raise AnchorError(self.name, Refusal.NO_PRICE, "no field 'price'")
        price = price_of(answer["price"], self.name)
        if self._inverted:
            price = inverse(price, self.name)
        return Reading(price=price, as_of_ms=None)

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
