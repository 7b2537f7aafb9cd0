"""Every price source there is, in the order of the documentation: `SOURCES`, by their words."""

from __future__ import annotations

from importlib import import_module

from mm_bot.prices.spec import SourceSettings

MODULES = (
    "fixed",
    "synthetic",
    "http",
    "pyth",
    "coinbase",
    "strails",
)
"""Files of this folder; each exports a `SOURCE`. A new source is its file and a line here."""


def _source(module: str) -> type[SourceSettings]:
    found: type[SourceSettings] = import_module(f"mm_bot.prices.{module}").SOURCE
    return found


SOURCES = {source.word: source for source in map(_source, MODULES)}
OF_THIS_MARKET = tuple(word for word, source in SOURCES.items() if source.of_this_market)
"""They tell the price of the very market; the others a spot price."""


def feed_fits(word: str, feed: str) -> bool:
    """Whether `feed` can be one of that source's; only some have more than one."""
    pattern = SOURCES[word].feed if word in SOURCES else None
    return pattern is not None and pattern.fullmatch(feed) is not None
