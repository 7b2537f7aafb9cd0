"""The core's frozen values as plain JSON values, and back, exactly.

Exact numbers are their decimal text, enumerations their value. A mapping is a list of pairs,
because its keys may be pairs themselves. Of the bytes that were sent only their SHA-256 is kept:
decisions never look into them, and a signature is nobody's business. `venue_ref` is left out too:
only an adapter reads it. Whole numbers may have any length: some exchanges' fills have 106 bits.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar, get_args, get_origin

import orjson
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from mm_bot.core.declared import StepReason
from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Instrument
from mm_bot.core.quoting import MissingReason, Reason

T = TypeVar("T")
Plain = Any
"""A JSON value."""
_WIDE_NUMBER = re.compile(rb"[:\[,]-?\d{19}")
"""A whole number that may have more than 64 bits; none of a text, since a quote comes before."""
_OWN_REASONS = frozenset(reason.value for reason in MissingReason)
_QUANTITIES: tuple[type[Price] | type[Size] | type[Amount], ...] = (Price, Size, Amount)


def to_plain(value: object, kind: type | None = None) -> Plain:
    """A value of the core as a JSON value. `kind` where the type says more than the class."""
    return _CONVERTER.unstructure(value, unstructure_as=kind)


def from_plain(value: Plain, kind: type[T]) -> T:
    """The value again.

    Raises:
        ValueError: where it is none of that kind, with the path to what does not fit.
    """
    try:
        return _CONVERTER.structure(value, kind)
    except Exception as error:
        from cattrs import transform_error

        raise ValueError("; ".join(transform_error(error, path=kind.__name__))) from None


def to_line(value: Plain) -> bytes:
    """A JSON value on one line."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a whole number of more than 64 bits
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def from_line(line: bytes) -> Plain:
    """The value again, exactly.

    Raises:
        ValueError: where it is not JSON.
    """
    # The quick parser makes a float of a whole number of more than 64 bits.
    return json.loads(line) if _WIDE_NUMBER.search(line) else orjson.loads(line)


def _make() -> Converter:
    # Every class of its own validation: an unknown or a missing member is an error with its path.
    converter = Converter(forbid_extra_keys=True, unstruct_collection_overrides={frozenset: sorted})
    for quantity in _QUANTITIES:
        converter.register_unstructure_hook(quantity, lambda q: str(q.value))
        converter.register_structure_hook(quantity, _quantity)
    converter.register_unstructure_hook(Decimal, str)
    converter.register_structure_hook(Decimal, lambda text, _: Decimal(text))
    converter.register_unstructure_hook(bytes, _digest)
    converter.register_structure_hook(bytes, lambda text, _: Digest.fromhex(text))
    converter.register_unstructure_hook(StepReason, lambda reason: reason.value)
    converter.register_structure_hook_func(lambda kind: kind == Reason, _reason)
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _kind: value)
    converter.register_unstructure_hook_factory(_is_mapping, _mapping_out(converter))
    converter.register_structure_hook_factory(_is_mapping, _mapping_in(converter))
    converter.register_unstructure_hook(
        Instrument,
        make_dict_unstructure_fn(Instrument, converter, venue_ref=override(omit=True)),
    )
    return converter


class Digest(bytes):
    """Bytes that are known by their SHA-256 alone."""


def _digest(data: bytes) -> str:
    return data.hex() if isinstance(data, Digest) else hashlib.sha256(data).hexdigest()


def _quantity(text: str, kind: type[Price]) -> Price:
    return kind(Decimal(text))


def _reason(word: str, _: Any) -> Reason:
    """The core's own, or else a step's, whose words for people the strategy has."""
    if word in _OWN_REASONS:
        return MissingReason(word)
    return StepReason(value=word, means="")


def _is_mapping(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (Mapping, dict) or kind is Mapping


def _mapping_out(converter: Converter) -> Callable[[Any], Callable[[Mapping[Any, Any]], Plain]]:
    def factory(kind: Any) -> Callable[[Mapping[Any, Any]], Plain]:
        key_kind, value_kind = get_args(kind) or (None, None)
        if value_kind is object:
            value_kind = None  # its own class says how

        def out(mapping: Mapping[Any, Any]) -> Plain:
            pairs = [
                [
                    converter.unstructure(key, unstructure_as=key_kind),
                    converter.unstructure(value, unstructure_as=value_kind),
                ]
                for key, value in mapping.items()
            ]
            return sorted(pairs, key=lambda pair: str(pair[0]))

        return out

    return factory


def _mapping_in(converter: Converter) -> Callable[[Any], Callable[[Plain, Any], Mapping[Any, Any]]]:
    def factory(kind: Any) -> Callable[[Plain, Any], Mapping[Any, Any]]:
        key_kind, value_kind = get_args(kind)

        def into(pairs: Plain, _: Any) -> Mapping[Any, Any]:
            return {
                converter.structure(key, key_kind): converter.structure(value, value_kind)
                for key, value in pairs
            }

        return into

    return factory


_CONVERTER = _make()
