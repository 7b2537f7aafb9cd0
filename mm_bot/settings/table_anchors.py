"""The variables of the outside price sources, and of how several of them become one anchor.

Declared as in `settings_table`; `GROUPS` of `settings_table_run` has this group too. A source's
variables are needed only where the source is used, and mean nothing else where it is not.
"""

from __future__ import annotations

from enum import Enum

from mm_bot.core.exact import Price
from mm_bot.prices.expression import FEED_ID, PRODUCT
from mm_bot.settings.table import BPS, POSITIVE
from mm_bot.settings.types import (
    BASE_URL,
    WEBSOCKET_URL,
    Kind,
    decimal,
    mapped,
    show_nothing,
    show_text,
    token,
    whole,
    zero_is_off,
)
from mm_bot.settings.variable import Group


class AnchorSource(Enum):
    NONE = "none"
    FIXED = "fixed"
    HTTP = "http"
    ORACLE_CARRY = "oracle_carry"
    PYTH = "pyth"
    COINBASE = "coinbase"
    STRAILS = "strails"
    EXPRESSION = "expression"
    MEDIAN = "median"


def short_feed_id(text: str) -> str:
    """The text with every feed id cut to what tells it apart."""
    return show_text(FEED_ID.sub(lambda found: found[0].lower().removeprefix("0x")[:8], text))


_PRICE = mapped(decimal("cNGN per USDC", POSITIVE), Price)
_PRODUCT = token("a product such as USDC-USD", PRODUCT.pattern)
_FEED_TAKES = "a feed id: 64 hexadecimal digits"
_KEY_TAKES = "a key of printable ASCII characters"
_API_KEY = Kind(
    takes=_KEY_TAKES, parse=token(_KEY_TAKES, r"[!-~]([ -~]*[!-~])?").parse, show=show_nothing
)
_SOURCES = token(
    "names and expressions of invert(x) and multiply(x, y), with commas between them",
    r"[A-Za-z0-9_.:,()* -]{1,1000}",
)

sources = Group("Sources of the anchor price")
PYTH_FEED_ID = sources.optional(
    "MM_ANCHOR_PYTH_FEED_ID",
    Kind(
        takes=_FEED_TAKES,
        parse=token(_FEED_TAKES, FEED_ID.pattern).parse,
        show=short_feed_id,
    ),
    "For `pyth`: the price feed.",
)
PYTH_BASE_URL = sources.default(
    "MM_ANCHOR_PYTH_BASE_URL", BASE_URL, "https://hermes.pyth.network", "For `pyth`: Hermes."
)
PYTH_API_KEY = sources.optional(
    "MM_ANCHOR_PYTH_API_KEY",
    _API_KEY,
    "For `pyth`: the header's whole value.",
    absent="none is sent",
)
PYTH_API_KEY_HEADER = sources.default(
    "MM_ANCHOR_PYTH_API_KEY_HEADER",
    token("a header's name", r"[A-Za-z0-9-]{1,64}"),
    "authorization",
    "For `pyth`: the header that the key is sent in.",
)
PYTH_MAX_CONFIDENCE_BPS = sources.default(
    "MM_ANCHOR_PYTH_MAX_CONFIDENCE_BPS",
    zero_is_off(BPS),
    "50",
    "For `pyth`: a wider confidence interval is no price.",
)
COINBASE_PRODUCT_ID = sources.optional(
    "MM_ANCHOR_COINBASE_PRODUCT_ID", _PRODUCT, "For `coinbase`: whose book is followed."
)
COINBASE_URL = sources.default(
    "MM_ANCHOR_COINBASE_URL",
    WEBSOCKET_URL,
    "wss://advanced-trade-ws.coinbase.com",
    "For `coinbase`: the public level-2 WebSocket.",
)
STRAILS_API_URL = sources.optional(
    "MM_ANCHOR_STRAILS_API_URL", BASE_URL, "For `strails`: without `/fx/orderbook`."
)
STRAILS_API_KEY = sources.optional(
    "MM_ANCHOR_STRAILS_API_KEY",
    _API_KEY,
    "For `strails`: sent as `x-api-key`.",
    absent="none is sent",
)
STRAILS_PAIR = sources.default(
    "MM_ANCHOR_STRAILS_PAIR", _PRODUCT, "CNGN-USDC", "For `strails`: whose board is read."
)
EXPRESSION = sources.optional(
    "MM_ANCHOR_EXPRESSION",
    _SOURCES,
    "For `expression`: a spot price out of sources, such as `multiply(invert(pyth), coinbase)`; "
    "`pyth:<feed id>` and `coinbase:<product>` name another one than is set.",
)
MEDIAN_OF = sources.optional(
    "MM_ANCHOR_MEDIAN_OF",
    _SOURCES,
    "For `median`: sources and expressions with commas between them; `pyth*2` weighs double.",
)
MEDIAN_QUORUM = sources.default(
    "MM_ANCHOR_MEDIAN_QUORUM",
    whole("sources", least=1, most=20),
    "2",
    "For `median`: how many must be fresh and agree.",
)
MEDIAN_OUTLIER_BPS = sources.default(
    "MM_ANCHOR_MEDIAN_OUTLIER_BPS",
    BPS,
    "100",
    "For `median`: a source further from it is left out.",
)
MIN_PRICE = sources.optional(
    "MM_ANCHOR_MIN_PRICE",
    _PRICE,
    "A lower reference is refused, whatever its source.",
    absent="100 on cNGN markets, else none",
)
MAX_PRICE = sources.optional(
    "MM_ANCHOR_MAX_PRICE",
    _PRICE,
    "A higher reference is refused, whatever its source.",
    absent="100000 on cNGN markets, else none",
)
MAX_JUMP_BPS = sources.default(
    "MM_ANCHOR_MAX_JUMP_BPS",
    zero_is_off(BPS),
    "500",
    "A source that moves further between two good readings needs `MM_ANCHOR_CONFIRMATIONS`.",
)
HARD_JUMP_BPS = sources.default(
    "MM_ANCHOR_HARD_JUMP_BPS",
    zero_is_off(BPS),
    "2000",
    "A source further than this from its own last accepted price is believed only where another "
    "source or the local price agrees, or by `mm-bot accept-reference`.",
)
