"""Each kind of value: what it takes exactly, and what it refuses."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mm_bot.core.exact import plain
from mm_bot.fields.kinds import (
    BASE_URL,
    BOOLEAN,
    DATABASE_URL,
    HTTP_URL,
    LISTEN_ADDRESS,
    LOG_LEVEL,
    NODE_URL,
    PATH,
    PREFIXES,
    Kind,
    Range,
    decimal,
    seconds,
    whole,
    zero_is_off,
)
from mm_bot.settings import models

ANY = decimal("", Range())
POSITIVE = decimal("", Range(above=Decimal(0)))


def refused(kind: Kind[Any], text: str) -> str:
    """What to give instead of `text`."""
    with pytest.raises(ValueError, match="give") as caught:
        kind.parse(text)
    return str(caught.value)


@given(st.integers(-(10**26), 10**26), st.integers(0, 12))
def test_a_decimal_is_kept_to_its_last_digit(digits: int, places: int) -> None:
    """Any number of up to 15 digits and 12 decimals is read as exactly itself."""
    value = Decimal(digits).scaleb(-places)
    if value.adjusted() < 15:
        assert ANY.parse(plain(value)) == value
        assert ANY.parse(f"{value:e}") == value


@given(st.integers(0, 10**14))
def test_a_duration_is_its_milliseconds(milliseconds: int) -> None:
    """Seconds written with up to three decimals are exactly that many milliseconds."""
    assert seconds().parse(f"{milliseconds // 1000}.{milliseconds % 1000:03d}") == milliseconds


@given(st.integers(0, 10**6), st.integers(1, 999))
def test_less_than_a_millisecond_is_refused(whole_seconds: int, microseconds: int) -> None:
    """A duration finer than a millisecond is refused rather than rounded."""
    assert "at most 3 decimals" in refused(seconds(), f"{whole_seconds}.000{microseconds:03d}")


@given(st.text())
def test_no_text_is_read_as_anything_but_a_value_or_a_refusal(text: str) -> None:
    """Whatever the text, a kind can show it, and reads it or refuses with a ValueError."""
    kinds = (ANY, seconds(), whole(least=0), BOOLEAN, LISTEN_ADDRESS, HTTP_URL, DATABASE_URL)
    for kind in (*kinds, LOG_LEVEL, PREFIXES, PATH, NODE_URL, BASE_URL):
        assert isinstance(kind.show(text), str)
        with suppress(ValueError):
            kind.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "1,5", "1_000", "1 000", "NaN", "inf", "٣", "0x10", "--1", "1e", ".", "1e9999", "1e-13"],
)
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    """Separators, other digits, infinities and endless exponents are no numbers."""
    refused(ANY, text)
    refused(seconds(), text)
    refused(whole(least=0), text)


def test_a_range_ends_where_it_says() -> None:
    """Bounds belong to the range or not, as its text says."""
    assert POSITIVE.parse("0.000000000001") == Decimal("1e-12")
    assert "above 0" in refused(POSITIVE, "0")
    assert "above 0" in refused(POSITIVE, "-0")
    assert whole(least=10).parse("10") == 10
    assert "at least 10" in refused(whole(least=10), "9")
    assert "at most 20" in refused(whole(least=1, most=20), "21")
    assert refused(whole(least=1), "1.5") == "give a whole number, at least 1"
    assert "at most 4 decimals" not in refused(decimal("", Range(), decimals=4), "x")
    assert "4 decimals" in refused(decimal("", Range(), decimals=4), "0.00001")


def test_zero_is_off_only_where_it_says_so() -> None:
    """A guard's zero is None in any spelling; other numbers stay."""
    guard = zero_is_off(seconds())
    assert [guard.parse(text) for text in ("0", "0.0", "-0", "1.5")] == [None, None, None, 1500]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, True) for word in ("true", "TRUE", "1", "Yes")),
        *((word, False) for word in ("false", "False", "0", "NO")),
    ],
)
def test_booleans_have_six_words_in_any_case(text: str, value: bool) -> None:
    """true, 1, yes and false, 0, no; nothing else."""
    assert BOOLEAN.parse(text) is value
    refused(BOOLEAN, text + "!")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8080", ("0.0.0.0", 8080)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("localhost:65535", ("localhost", 65535)),
        ("[::1]:9000", ("::1", 9000)),
        ("[::]:9000", ("::", 9000)),
    ],
)
def test_a_listen_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    """A missing host is every interface; IPv6 stands in brackets."""
    assert LISTEN_ADDRESS.parse(text) == address


@pytest.mark.parametrize(
    "text", ["8080", "host:", "host:65536", "::1:80", "http://h:80", "h:80/x", "a b:80", "h:+80"]
)
def test_what_is_no_listen_address_is_refused(text: str) -> None:
    """Everything else is refused with the form to give."""
    assert "host:port" in refused(LISTEN_ADDRESS, text)


@pytest.mark.parametrize(
    "text",
    ["x", "localhost:80", "ftp://h/", "http://", "http:///p", "http://h:x/", "http://h p/", "//h"],
)
def test_only_http_urls_with_a_host_are_taken(text: str) -> None:
    """An API, a node or an anchor is an http or https URL that names a host."""
    assert "http" in refused(HTTP_URL, text)
    assert "http" in refused(NODE_URL, text)


def test_urls_are_taken_as_they_are() -> None:
    """Query, path and port stay; a base URL loses the slash at its end and may have no query."""
    url = "https://user:pass@h:1/price?market=S"
    assert HTTP_URL.parse(url) == url
    assert BASE_URL.parse("http://[::1]:8080/api/") == "http://[::1]:8080/api"
    assert "without a query" in refused(BASE_URL, "http://h/?a=b")


@pytest.mark.parametrize(
    "text",
    ["postgres://u:p@h/db", "postgresql://h:5432/db", "postgres:///db?host=/run/pg&password=p"],
)
def test_database_urls_may_lack_a_host(text: str) -> None:
    """Both spellings of the scheme are taken, and a socket's folder instead of a host."""
    assert DATABASE_URL.parse(text) == text


@pytest.mark.parametrize(
    "text", ["mysql://h/db", "host=h dbname=d", "postgres://u:p/w@h/d", "postgres://u:1#2@h/d"]
)
def test_database_urls_with_ambiguous_signs_are_refused(text: str) -> None:
    """Where a password's sign would cut the URL elsewhere, it must be percent-encoded."""
    assert "postgres" in refused(DATABASE_URL, text)


def test_prefixes_and_levels_are_read_as_people_write_them() -> None:
    """Blanks around commas are no part of a prefix; levels have any case and one short form."""
    assert PREFIXES.parse("a:, b:") == ("a:", "b:")
    refused(PREFIXES, "a:,,b:")
    assert [LOG_LEVEL.parse(text) for text in ("info", "WARN", "Error")] == [
        "INFO",
        "WARNING",
        "ERROR",
    ]
    refused(LOG_LEVEL, "loud")


SHOWN = [
    (HTTP_URL, "https://user:pw@h:1/price?key=k", "https://***@h:1/price?***"),
    (HTTP_URL, "http://[::1]:80/price", "http://[::1]:80/price"),
    (HTTP_URL, "http://user:pw", "http://user:***"),
    (NODE_URL, "https://node.example/v2/key", "https://node.example/***"),
    (NODE_URL, "https://node.example:8545", "https://node.example:8545"),
    (NODE_URL, "node.example/v2/key", "node.example/***"),
    (DATABASE_URL, "postgres://u:pw@h/db", "postgres://u:***@h/db"),
    (DATABASE_URL, "postgres:///d?host=/s&password=pw", "postgres:///d?host=/s&***"),
    (DATABASE_URL, "postgres://u:p/w@h/db", "***"),
    (DATABASE_URL, "host=h password=pw", "***"),
    (PATH, "x" * 200, "x" * 119 + "…"),
    (PATH, "0x" + "ab" * 32, "***"),
]


@pytest.mark.parametrize(("kind", "text", "shown"), SHOWN)
def test_what_is_shown_of_a_value_has_no_secret(kind: Kind[Any], text: str, shown: str) -> None:
    """Hosts and names are shown; users' passwords, queries, nodes' paths and keys are not."""
    assert kind.show(text) == shown


_SECTIONS = (*models.sections(models.venue_module({})), *models.other_venues())
_TEXTS = (
    "", " ", "0", "1", "-1", "2.5", "1e3", "true", "off", "auto", "info", "/tmp/x", ":8080",
    "0x" + "1" * 40, "a" * 64, "http://127.0.0.1:1", "postgres://u:p@h/d", "USDCcNGN-SPOT",
)  # fmt: skip


@settings(max_examples=40)
@given(data=st.data())
def test_models_are_validated_as_pydantic_by_itself_would(data: st.DataObject) -> None:
    """Oracle: a model of the same fields whose schema pydantic makes: values, faults, defaults,
    names and aliases, and what is no field of it."""
    model = data.draw(st.sampled_from(_SECTIONS)).model
    own = classmethod(lambda cls, source, handler: handler(source))
    slow = type(model)(
        "Slow", (model,), {"__get_pydantic_core_schema__": own, "__module__": "slow"}
    )
    names = [name for field, info in model.model_fields.items() for name in (field, info.alias)]
    texts = data.draw(
        st.dictionaries(
            st.sampled_from([*names, "MM_NO_SUCH"]), st.sampled_from(_TEXTS), max_size=6
        )
    )
    told: list[object] = []
    for each in (model, slow):
        refused: dict[str, str] = {}
        try:
            made = each.model_validate(texts, context=refused)
            told.append((dict(made), made.model_fields_set, refused))
        except ValidationError as error:
            told.append(([(fault["type"], fault["loc"]) for fault in error.errors()], refused))
    assert told[0] == told[1]
