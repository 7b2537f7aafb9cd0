"""The variables of each price source; a prefix says whose they are.

A source's variables are needed only where the source is used, and mean nothing else where it is
not. `spec` gives the source that they describe; what it needs must be set.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import SecretStr

from mm_bot.core.exact import Price
from mm_bot.fields.kinds import (
    ADDRESS,
    API_KEY,
    BASE_URL,
    BPS,
    HTTP_URL,
    POSITIVE,
    UINT256_MAX,
    WEBSOCKET_URL,
    Kind,
    Range,
    decimal,
    mapped,
    token,
    whole,
    zero_is_off,
)
from mm_bot.fields.model import Model, variable
from mm_bot.fields.texts import show_text
from mm_bot.prices.expression import FEED_ID, PRODUCT
from mm_bot.prices.specs import (
    CoinbaseSpec,
    FixedSpec,
    HttpSpec,
    PythSpec,
    SourceSpec,
    StrailsSpec,
    SyntheticSpec,
    ZeroExSpec,
)

PRICE = mapped(decimal("cNGN per USDC", POSITIVE), Price)
_PRODUCT = token("a product such as USDC-USD", PRODUCT.pattern)
_PAIR = token("a pair such as CNGN-USDC", r"[A-Za-z0-9._-]{1,48}")
_GROUP = "Sources of the anchor price"


def short_feed_id(text: str) -> str:
    """The text with every feed id cut to what tells it apart."""
    return show_text(FEED_ID.sub(lambda found: found[0].lower().removeprefix("0x")[:8], text))


_FEED_ID: Kind[str] = mapped(
    token("a feed id: 64 hexadecimal digits", FEED_ID.pattern), str, short_feed_id
)


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


class SourceSettings(Model, title=_GROUP):
    """Of one source; its first field is the one that it cannot do without."""

    def spec(self, market: str, feed: str) -> SourceSpec:
        """The source; `feed` is another one of its kind than is set, empty for that."""
        raise NotImplementedError

    @classmethod
    def needed(cls) -> str:
        """The variable that it cannot do without."""
        return next(iter(cls.model_fields.values())).alias or ""


class FixedSettings(SourceSettings):
    price: Annotated[Price | None, PRICE] = variable("FIXED_PRICE", "For `fixed`.")

    def spec(self, market: str, feed: str) -> SourceSpec:
        assert self.price is not None, "else a fault"
        return FixedSpec(price=self.price)


class SyntheticSettings(SourceSettings):
    start: Annotated[Price | None, PRICE] = variable(
        "SYNTHETIC_START_PRICE", "For `synthetic`: where its walk begins."
    )
    seed: Annotated[int, whole(least=0)] = variable(
        "SYNTHETIC_SEED", "For `synthetic`: the same seed walks the same way.", default="1"
    )
    drift: Annotated[Decimal, decimal("basis points an hour", Range())] = variable(
        "SYNTHETIC_DRIFT_BPS_PER_HOUR", "For `synthetic`: its trend.", default="0"
    )
    volatility: Annotated[Decimal, BPS] = variable(
        "SYNTHETIC_VOLATILITY_BPS",
        "For `synthetic`: its volatility per square root of a second.",
        default="1",
    )
    jump_every: Annotated[int, whole("seconds", least=0)] = variable(
        "SYNTHETIC_JUMP_EVERY_SECONDS",
        "For `synthetic`: how often it jumps, on average; 0 is never.",
        default="0",
    )
    jump: Annotated[Decimal, BPS] = variable(
        "SYNTHETIC_JUMP_BPS", "For `synthetic`: how far it jumps, up or down.", default="100"
    )
    session: Annotated[int, whole("seconds", least=0)] = variable(
        "SYNTHETIC_SESSION_SECONDS",
        "For `synthetic`: when it begins anew at its start; 0 is never.",
        default="0",
    )

    def spec(self, market: str, feed: str) -> SourceSpec:
        assert self.start is not None, "else a fault"
        return SyntheticSpec(
            seed=self.seed,
            start=self.start,
            drift_bps_per_hour=self.drift,
            volatility_bps=self.volatility,
            jump_every_s=self.jump_every,
            jump_bps=self.jump,
            session_s=self.session,
        )


class HttpSettings(SourceSettings):
    url: Annotated[str | None, HTTP_URL] = variable(
        "URL", "For `http`; `market=<symbol>` is added to its query."
    )

    def spec(self, market: str, feed: str) -> SourceSpec:
        return HttpSpec(url=self.url or "", market=market)


class PythSettings(SourceSettings):
    feed_id: Annotated[str | None, _FEED_ID] = variable(
        "PYTH_FEED_ID", "For `pyth`: the price feed."
    )
    base_url: Annotated[str, BASE_URL] = variable(
        "PYTH_BASE_URL", "For `pyth`: Hermes.", default="https://hermes.pyth.network"
    )
    key: Annotated[SecretStr | None, API_KEY] = variable(
        "PYTH_API_KEY", "For `pyth`: the header's whole value.", absent="none is sent"
    )
    key_header: Annotated[str, token("a header's name", r"[A-Za-z0-9-]{1,64}")] = variable(
        "PYTH_API_KEY_HEADER",
        "For `pyth`: the header that the key is sent in.",
        default="authorization",
    )
    max_confidence_bps: Annotated[Decimal | None, zero_is_off(BPS)] = variable(
        "PYTH_MAX_CONFIDENCE_BPS",
        "For `pyth`: a wider confidence interval is no price.",
        default="50",
    )

    def spec(self, market: str, feed: str) -> SourceSpec:
        return PythSpec(
            feed_id=feed or self.feed_id or "",
            base_url=self.base_url,
            key=_text(self.key),
            key_header=self.key_header,
            max_confidence_bps=self.max_confidence_bps,
        )


class CoinbaseSettings(SourceSettings):
    product_id: Annotated[str | None, _PRODUCT] = variable(
        "COINBASE_PRODUCT_ID", "For `coinbase`: whose book is followed."
    )
    url: Annotated[str, WEBSOCKET_URL] = variable(
        "COINBASE_URL",
        "For `coinbase`: the public level-2 WebSocket.",
        default="wss://advanced-trade-ws.coinbase.com",
    )

    def spec(self, market: str, feed: str) -> SourceSpec:
        return CoinbaseSpec(product_id=(feed or self.product_id or "").upper(), url=self.url)


class StrailsSettings(SourceSettings):
    api_url: Annotated[str | None, BASE_URL] = variable(
        "STRAILS_API_URL", "For `strails`: without `/fx/orderbook`."
    )
    api_key: Annotated[SecretStr | None, API_KEY] = variable(
        "STRAILS_API_KEY", "For `strails`: sent as `x-api-key`.", absent="none is sent"
    )
    pair: Annotated[str, _PAIR] = variable(
        "STRAILS_PAIR", "For `strails`: whose board is read.", default="CNGN-USDC"
    )

    def spec(self, market: str, feed: str) -> SourceSpec:
        return StrailsSpec(base_url=self.api_url or "", api_key=_text(self.api_key), pair=self.pair)


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
            api_key=_text(self.api_key),
            chain_id=chain_id,
            sell_token=self.sell_token or "",
            buy_token=self.buy_token or "",
            amount=self.amount or 0,
        )


SOURCES: dict[str, type[SourceSettings]] = {
    "fixed": FixedSettings,
    "synthetic": SyntheticSettings,
    "http": HttpSettings,
    "pyth": PythSettings,
    "coinbase": CoinbaseSettings,
    "strails": StrailsSettings,
}
"""By the word that names the source."""
