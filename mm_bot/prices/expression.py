"""Sources out of a small text: `parse_expression("multiply(invert(a), b)", {"a": ..., "b": ...})`.

    expression = name | "invert(" expression ")" | "multiply(" expression "," expression ")"
    name = kind [":" feed]
    list = item { "," item }        item = expression [ "*" weight ]

A name is one of those given; a feed behind its colon is another one than is set. An
outermost `invert` rounds to the six decimals of a human price; one further in keeps 18, since a
rate like 0.000625 would lose digits that the outside needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from mm_bot.prices.combine import InvertSpec, MultiplySpec
from mm_bot.prices.parse import INVERSE_DECIMALS
from mm_bot.prices.spec import SourceSpec

INNER_DECIMALS = 18
DEPTH_MAX = 8

_NAME = r"[A-Za-z0-9_.:-]+"
_WORD = re.compile(_NAME, re.ASCII)
_TOKEN = re.compile(rf"\s*({_NAME}|[(),])\s*", re.ASCII)
_WEIGHT = re.compile(r"(.+?)\s*\*\s*(\d{1,6}(?:\.\d{1,4})?)", re.ASCII)


def parse_expression(text: str, sources: Mapping[str, SourceSpec]) -> SourceSpec:
    """The source that `text` describes.

    Raises:
        ValueError: with what is wrong and what would be valid.
    """
    tokens = _tokens(text)
    spec = _expression(tokens, sources, depth=0)
    if tokens:
        raise ValueError(f"{tokens[0]!r} after the end of the expression")
    return spec


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{text[at]!r} at {at}: names, invert(x) and multiply(x, y) are valid")
        tokens.append(match[1])
        at = match.end()
    return tokens


def _expression(tokens: list[str], sources: Mapping[str, SourceSpec], depth: int) -> SourceSpec:
    if depth > DEPTH_MAX:
        raise ValueError(f"nested deeper than {DEPTH_MAX}")
    name = _take(tokens, "a name, invert(x) or multiply(x, y)")
    if tokens[:1] != ["("]:
        if name not in sources:
            raise ValueError(f"{name!r} is no source; there are {', '.join(sorted(sources))}")
        return sources[name]
    if name not in ("invert", "multiply"):
        raise ValueError(f"{name!r} is no operator; there are invert and multiply")
    _expect(tokens, "(")
    first = _expression(tokens, sources, depth + 1)
    if name == "invert":
        _expect(tokens, ")")
        return InvertSpec(of=first, decimals=INNER_DECIMALS if depth else INVERSE_DECIMALS)
    _expect(tokens, ",")
    second = _expression(tokens, sources, depth + 1)
    _expect(tokens, ")")
    return MultiplySpec(left=first, right=second)


def _take(tokens: list[str], wanted: str) -> str:
    if not tokens:
        raise ValueError(f"the expression ends where {wanted} is due")
    return tokens.pop(0)


def _expect(tokens: list[str], wanted: str) -> None:
    found = _take(tokens, repr(wanted))
    if found != wanted:
        raise ValueError(f"{found!r} where {wanted!r} is due")


def split_list(text: str) -> list[str]:
    """A list of expressions, taken apart at the commas outside of parentheses."""
    parts, depth = [""], 0
    for sign in text:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def split_weight(item: str) -> tuple[str, Decimal]:
    """An item of a list as its expression and its weight, 1 where none is given."""
    found = _WEIGHT.fullmatch(item)
    return (found[1], Decimal(found[2])) if found else (item, Decimal(1))


def words(text: str) -> list[str]:
    """Every word of an expression once, operators included."""
    return list(dict.fromkeys(_WORD.findall(text)))
