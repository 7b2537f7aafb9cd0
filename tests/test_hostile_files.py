"""Files that an operator names, damaged in every way: a value, or an error that says what is wrong.

Fleets, experiments, sweeps, tapes, recordings to convert, keystores, accepted prices, and what
another program answers on a bot's port.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_anchor.accepted import AcceptedPrices
from mm_bot.backtest import experiment, study, tape
from mm_bot.backtest.convert import FORMATS, convert
from mm_bot.cli import probe
from mm_bot.errors import SettingsError, UnreachableError
from mm_bot.fields.keys import read_keystore
from mm_bot.fleet import plan
from mm_bot.fleet.tickers import read_tickers
from tests.backtest.tapes import CALM, MARKET
from tests.backtest.tapes import tape as by_hand
from tests.test_hostile import TEXTS, damaged
from tests.venues.test_hostile import VALUES

DEEP, LONG = "[" * 100_000, "9" * 100_000
HERE = Path()
FLEET: dict[str, Any] = {
    "fleet": {"folder": "x", "metrics_addr": "127.0.0.1:9500"},
    "environment": {"MM_VENUE": "derive"},
    "market": {"ETH-PERP": {"MM_ORDER_SIZE": "0.5", "MM_X": 3}},
    "budget": [{"name": "n", "variable": "MM_X", "total": 300, "markets": ["ETH-PERP"]}],
}
EXPERIMENT: dict[str, Any] = {
    "tape": {"generate": {"seed": 1, "seconds": 30, "a": "1"}},
    "market": {"symbol": "A-B", "base": "A", "quote": "B", "tick": "0.1", "lot": "0.1"},
    "exchange": {"entry_ms": 1, "queue": "power3"},
    "account": {"position": "1", "book_levels": 5},
    "uptime": {"bps": 50},
    "weather": {"looks_fail": 0.1},
    "strategy": {"MM_ORDER_SIZE": "1"},
}
SWEEP: dict[str, Any] = {
    "name": "x",
    "plan": "grid",
    "days": 2,
    "choose_on": 1,
    "parameters": {
        "MM_HALF_SPREAD_BPS": ["1", 2],
        "MM_LEVELS": {"low": 1, "high": 3, "step": 1},
    },
}
MESSAGES: dict[str, list[dict[str, Any]]] = {
    "binance": [
        {"data": {"lastUpdateId": 1, "bids": [["10", "1"]], "asks": [["11", "1"]]}},
        {"data": {"e": "depthUpdate", "T": 1, "b": [["10", "1"]], "a": [["11", "1"]]}},
        {"data": {"e": "trade", "T": 1, "m": True, "p": "10", "q": "1"}},
    ],
    "hyperliquid": [
        {"channel": "l2Book", "data": {"time": 1, "levels": [[{"px": "1", "sz": "1"}], []]}},
        {"channel": "trades", "data": [{"side": "B", "time": 1, "px": "1", "sz": "1"}]},
    ],
    "coinbase": [
        {
            "channel": "l2_data",
            "timestamp": "2026-11-25T16:00:00Z",
            "events": [
                {
                    "type": "snapshot",
                    "updates": [{"side": "bid", "price_level": "1", "new_quantity": "1"}],
                }
            ],
        },
        {
            "channel": "market_trades",
            "events": [
                {
                    "type": "update",
                    "trades": [{"price": "1", "size": "1", "time": "2026-11-25T16:00:00Z"}],
                }
            ],
        },
    ],
}
ODD = (DEEP, LONG, "1e999", "NaN", "[]", "null", '"x"', '{"a":' * 2_000, "-1", "", "\x00", "{}")
"""Bodies of JSON that no parser expects."""


@contextlib.contextmanager
def file_with(content: bytes, name: str = "x") -> Any:
    """A file of that name that holds it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(content)
        yield file


@settings(max_examples=100)
@given(content=damaged(FLEET))
def test_a_damaged_fleet_is_a_fleet_or_all_its_faults(content: dict[str, Any]) -> None:
    """One member, at any depth, is anything at all, or missing."""
    with contextlib.suppress(SettingsError):
        plan.read(content, {}, HERE)


@settings(max_examples=100)
@given(content=damaged({**EXPERIMENT, "sweep": SWEEP}))
def test_a_damaged_experiment_is_one_or_names_its_fault(content: dict[str, Any]) -> None:
    """An experiment and a sweep."""
    with contextlib.suppress(SettingsError):
        experiment.made_of(content, HERE, "x.toml")
    with contextlib.suppress(SettingsError):
        study.study_of_members(content, "", HERE, "x.toml")


READERS: tuple[Callable[[Path], object], ...] = (
    lambda path: plan.read_file(path, {}),
    experiment.read,
    study.read,
)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "text",
    [DEEP, "a=" + DEEP, "a=" + LONG, "a=0x" + LONG, "a='\xff'", "\x00", "#" * 2**21],
    ids=range(7),
)
def test_toml_that_is_no_toml_is_refused_by_name(read: Callable[[Path], object], text: str) -> None:
    """Nested without end, numbers without end, other text, a file that is too large."""
    with (
        file_with(text.encode("latin-1")) as file,
        pytest.raises(SettingsError, match=rf"{file} |{file}:"),
    ):
        read(file)


@pytest.mark.parametrize("form", sorted(MESSAGES))
@settings(max_examples=50)
@given(data=st.data())
def test_a_damaged_recording_is_a_tape_or_names_its_line(form: str, data: st.DataObject) -> None:
    """A message that is anything, at a time that is anything."""
    lines = [json.dumps(each) for each in MESSAGES[form]]
    number = data.draw(st.integers(0, len(lines) - 1))
    lines[number] = data.draw(
        damaged(MESSAGES[form][number]).map(json.dumps)
        | VALUES.map(json.dumps)
        | st.sampled_from(ODD)
    )
    at = data.draw(st.integers().map(str) | st.sampled_from((LONG, "x", "")) | st.just("5"))
    text = "\n".join(f"{at if i == number else i} {line}" for i, line in enumerate(lines))
    with file_with(text.encode()) as file, contextlib.suppress(SettingsError):
        made = convert(form, [file], MARKET)
        assert made.begins_ns >= 0
        assert all(0 <= price < float("inf") for price in made.events["px"])


@settings(max_examples=100)
@given(cell=TEXTS | VALUES.map(str), column=st.integers(0, 6))
def test_a_damaged_table_is_a_tape_or_names_its_fault(cell: str, column: int) -> None:
    """Of Tardis's columns one holds anything."""
    row = ["X", "1", "2", "true", "bid", "10", "1"]
    row[column] = cell
    text = "symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n" + ",".join(row)
    with (
        file_with(text.encode("utf-8", "replace")) as file,
        contextlib.suppress(SettingsError),
    ):
        convert("tardis", [file], MARKET)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A tape and its manifest."""
    path = tmp_path_factory.mktemp("tape") / "x.npz"
    by_hand(*CALM).save(path)
    return path.read_bytes(), path.with_suffix(".json").read_bytes()


@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_tape_is_refused_by_name(whole: tuple[bytes, bytes], data: st.DataObject) -> None:
    """Bytes of the arrays changed, cut or replaced; a manifest of any shape."""
    content, manifest = whole
    if data.draw(st.booleans()):
        members = damaged(json.loads(manifest)).map(json.dumps) | st.sampled_from(ODD)
        manifest = data.draw(members).encode()
    else:
        at = data.draw(st.integers(0, len(content) - 1))
        more = data.draw(st.binary(max_size=8))
        content = content[:at] + more + content[at + data.draw(st.integers(0, 40)) :]
    with file_with(content, "x.npz") as file:
        file.with_suffix(".json").write_bytes(manifest)
        with contextlib.suppress(SettingsError):
            tape.load(file)


@pytest.mark.parametrize("flag", [0x01, 0x20, 0x40], ids=["encrypted", "patched", "strongly"])
def test_a_tape_that_says_it_is_encrypted_is_refused_by_name(
    whole: tuple[bytes, bytes], flag: int
) -> None:
    """A bit of the archive's directory."""
    content, manifest = bytearray(whole[0]), whole[1]
    content[content.index(b"PK\x01\x02") + 8] |= flag
    with file_with(bytes(content), "x.npz") as file:
        file.with_suffix(".json").write_bytes(manifest)
        with pytest.raises(SettingsError, match=file.name):
            tape.load(file)


@pytest.mark.parametrize("form", sorted(FORMATS))
@pytest.mark.parametrize("torn", [b"", b"\x1f\x8b", gzip.compress(b"1 {}")[:-4], b"\x1f\x8b" * 40])
def test_a_torn_recording_is_refused_by_name(form: str, torn: bytes) -> None:
    """A gzip that ends too early, or is none."""
    with file_with(torn) as file, pytest.raises(SettingsError, match=file.name):
        convert(form, [file], MARKET)


@settings(max_examples=50)
@given(
    content=damaged({"crypto": {"kdf": "scrypt", "kdfparams": {"n": 2}}, "version": 3})
    .map(json.dumps)
    .map(str.encode)
    | st.sampled_from(ODD).map(str.encode)
)
def test_a_damaged_keystore_is_refused(content: bytes) -> None:
    """With words that an operator can use, and never with what is in it."""
    with file_with(content) as file, pytest.raises(ValueError, match=str(file)):
        read_keystore(file, file)


@settings(max_examples=50)
@given(
    content=VALUES.map(lambda value: json.dumps({"accepted_prices": value}))
    | VALUES.map(lambda value: json.dumps({"accepted_prices": {"spot": {"price": value}}}))
    | st.sampled_from(ODD)
)
def test_damaged_accepted_prices_are_passed_over(content: str) -> None:
    """The price service starts without them, and says so."""
    with file_with(content.encode()) as file:
        warned: list[str] = []
        prices = AcceptedPrices(path=file, warn=warned.append)
        prices.load()
        assert warned or all(each.price.value > 0 for each in prices.prices.values())


@given(name=st.sampled_from(("TICKERS", "ETH_USD_ORDER_SIZE", "MM_X")), text=TEXTS)
def test_a_fleet_by_tickers_is_one_or_all_its_faults(name: str, text: str) -> None:
    """A variable that is anything."""
    environment = {"TICKERS": "ETH", "MM_ETHEREAL_WRITES_PER_MINUTE": text, name: text}
    with contextlib.suppress(SettingsError):
        read_tickers(environment, HERE)


def test_what_is_no_bot_is_told_whatever_it_answers() -> None:
    """Deep, endless and other bodies on a bot's port end in one sentence, and in bounded memory."""

    async def asked(body: bytes) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(UnreachableError, match="is no bot"):
                await asyncio.to_thread(probe.ask, f"http://127.0.0.1:{port}")

    async def all_of_them() -> None:
        for body in (*ODD, " " * (probe.MOST_BYTES + 1)):
            await asked(body.encode())

    asyncio.run(all_of_them())
