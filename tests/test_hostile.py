"""Files, settings and bodies that are anything at all: a value or a clear error, nothing else.

`tests/venues/test_hostile.py` has the same for what an exchange, its database and its node say.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_bot.core.exact import Price
from mm_bot.errors import BotError, EdgeError, JournalError, SettingsError
from mm_bot.host.accepted_file import AcceptedFile, price_in
from mm_bot.host.persistence import first_memory, usable
from mm_bot.host.state_text import ForeignStateError, decode, encode
from mm_bot.journal.reader import cycles
from mm_bot.journal.replay import replay
from mm_bot.journal.writer import JournalWriter
from mm_bot.prices.expression import parse_expression
from mm_bot.prices.parse import json_object, rfc3339_ms, time_ms
from mm_bot.prices.strails import mid_of
from mm_bot.settings import load
from mm_bot.venues.numo import wire
from mm_bot.venues.numo.market_data import api_clock
from tests.core.builders import SPOT
from tests.core.decisions import ACCEPTED, decided, sent
from tests.host.state_helpers import FULL, OURS
from tests.settings.test_settings import REQUIRED
from tests.venues.test_hostile import SCALARS, VALUES

NOW_MS = 1_800_000_000_000
TEXTS = st.text(max_size=40) | st.sampled_from(
    ("NaN", "1e400", "-1", "0x", "٣", "9" * 400, "1;2", "\x00", " ", "true", "1e-400", "Infinity")
)


EVERY_NAME = sorted(value.name for value in load(REQUIRED).effective())


@st.composite
def damaged(draw: st.DrawFn, whole: Mapping[str, Any]) -> dict[str, Any]:
    """One member of an object, at any depth, is anything at all, or missing."""
    made: dict[str, Any] = json.loads(json.dumps(whole))
    at: Any = made
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = draw(st.sampled_from(keys))
        inner = at[key]
        if isinstance(inner, dict | list) and inner and draw(st.booleans()):
            at = inner
            continue
        if draw(st.booleans()) or isinstance(at, list):
            at[key] = draw(VALUES)
        else:
            del at[key]
        return made


@settings(max_examples=300)
@given(damaged(json.loads(encode(FULL, OURS))))
def test_a_damaged_state_file_is_foreign_or_used(content: dict[str, Any]) -> None:
    """Whatever is wrong in it: a start either takes it, or sets it aside with the reason."""
    with contextlib.suppress(ForeignStateError):
        state = decode(json.dumps(content).encode(), OURS)
        usable(state)
        first_memory(state, NOW_MS)
        assert decode(encode(state, OURS), OURS) == state


@given(st.binary(max_size=200))
def test_noise_is_no_state_file(content: bytes) -> None:
    """Not one byte of it is believed."""
    with pytest.raises(ForeignStateError):
        decode(content, OURS)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The lines of a whole journal."""
    folder = tmp_path_factory.mktemp("journal")
    writer = JournalWriter(folder, SPOT, "1.0")
    writer.cycle(decided(), sent(decided(), ACCEPTED), {"total": 1.0})
    writer.close()
    (file,) = folder.iterdir()
    with file.open("rb") as raw:
        whole = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read()
    return [orjson.loads(line) for line in whole.splitlines()]


@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_journal_is_named_or_read(
    lines: list[dict[str, Any]], data: st.DataObject
) -> None:
    """A member that is anything at all: a difference, or the file's name and what is wrong."""
    index = data.draw(st.integers(0, len(lines) - 1))
    made = [*lines]
    made[index] = data.draw(damaged(lines[index]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "journal-1.jsonl.zst"
        text = b"".join(json.dumps(line).encode() + b"\n" for line in made)
        file.write_bytes(zstandard.compress(text))
        with contextlib.suppress(JournalError):
            tuple(cycles(file))
        with contextlib.suppress(JournalError):
            tuple(replay(file))


@settings(max_examples=200)
@given(name=st.sampled_from(sorted(REQUIRED)), text=TEXTS, data=st.data())
def test_settings_of_any_text_are_settings_or_all_faults(
    name: str, text: str, data: st.DataObject
) -> None:
    """One variable, or one that has a default, is any text: nothing but a list of faults."""
    more = data.draw(st.sampled_from(EVERY_NAME))
    environment = {**REQUIRED, name: text, more: data.draw(TEXTS)}
    with contextlib.suppress(SettingsError):
        load(environment)


BODIES: tuple[Callable[[bytes], object], ...] = (
    lambda body: mid_of(body, "strails"),
    lambda body: json_object(body, "any"),
    lambda body: wire.parse_order(body, SPOT),
    lambda body: wire.parse_listings(body),
)
BOARD = {
    "data": {
        "buyOrders": [{"price": "1590", "status": "active"}],
        "sellOrders": [{"price": "1610", "status": "active"}],
    }
}


@settings(max_examples=200)
@given(
    parse=st.sampled_from(BODIES),
    body=st.one_of(
        damaged(BOARD).map(json.dumps).map(str.encode), VALUES.map(json.dumps).map(str.encode)
    ),
)
def test_a_body_is_an_edge_error_or_a_value(parse: Callable[[bytes], object], body: bytes) -> None:
    """A board, an object, an order's answer, the list of markets."""
    with contextlib.suppress(EdgeError):
        parse(body)


@given(body=st.binary(max_size=60) | VALUES.map(json.dumps).map(str.encode))
def test_an_error_body_is_a_word_or_nothing(body: bytes) -> None:
    """Of a refusal only a text is taken."""
    found = wire.parse_error(body)
    assert found is None or isinstance(found, str)


@given(value=SCALARS, text=TEXTS)
def test_times_are_milliseconds_or_nothing(value: object, text: str) -> None:
    """Of an anchor's own time and of an API's date."""
    for found in (rfc3339_ms(value), rfc3339_ms(text), time_ms(value), time_ms(text)):
        assert found is None or isinstance(found, int)
    api_clock(text, NOW_MS, NOW_MS)


@given(text=TEXTS)
def test_an_expression_is_a_source_or_a_fault(text: str) -> None:
    """What describes a source of prices names what is wrong with it."""
    with contextlib.suppress(ValueError, BotError):
        parse_expression(text, {})


@given(text=TEXTS, content=st.binary(max_size=80))
def test_an_accepted_price_is_one_or_nothing(text: str, content: bytes) -> None:
    """The operator's control file is believed only where it is whole."""
    found = price_in(text)
    assert found is None or found > Price.of(0)
    with tempfile.TemporaryDirectory() as folder:
        accepted = AcceptedFile(Path(folder) / "state.json")
        accepted.path.write_bytes(content)
        found = accepted.read(NOW_MS)
        assert found is None or found > Price.of(0)
