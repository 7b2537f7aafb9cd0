"""Claims about the log: one clear line for each event, never an exception."""

from __future__ import annotations

import io
import json
import threading
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Side
from mm_bot.observe.log import Level, Log
from mm_bot.observe.render import to_json, to_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: Decimal


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text for you")


def json_lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_off_a_terminal() -> None:
    """Time, level, event, then the fields in the order they were given, values plain."""
    stream = io.StringIO()
    log = Log(stream=stream)
    log.info("order.place", side=Side.BUY, price=Price.of("1599.50"), nonce=2**62, took_ms=1.23456)
    (line,) = json_lines(stream)
    assert list(line) == ["time", "level", "event", "side", "price", "nonce", "took_ms"]
    assert line["event"] == "order.place"
    assert (line["side"], line["price"]) == ("buy", "1599.5")
    assert (line["nonce"], line["took_ms"]) == (2**62, 1.235)
    assert str(line["time"]).endswith("Z")


def test_a_line_is_for_people_on_a_terminal() -> None:
    """Aligned, coloured, name=value, quoted where the end of a value would not be clear."""
    stream = Terminal()
    Log(stream=stream).warning("halt", reason="balances stale", size=Size.of("3"), ok=True)
    text = stream.getvalue()
    assert "\x1b[33mWARNING" in text
    plain = io.StringIO()
    log = Log(stream=plain, as_json=False)
    log.warning("halt", reason="balances stale", size=Size.of("3"), ok=True, gone=None)
    assert plain.getvalue()[12:].rstrip() == (
        ' WARNING halt                   reason="balances stale" size=3 ok=yes gone=none'
    )


def test_lines_below_the_level_are_not_written() -> None:
    """The level is the least that is written."""
    stream = io.StringIO()
    log = Log(stream=stream, level=Level.WARNING)
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [line["event"] for line in json_lines(stream)] == ["c", "d"]


def test_stderr_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output belongs to what a command is asked to print."""
    Log().info("started")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "started" in captured.err


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary()
        | st.decimals()
        | st.sampled_from([Side.SELL, Price.of("1.0"), ValueError("x"), Unprintable(), Point]),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=8,
    )
)
def test_any_value_is_one_line(value: object) -> None:
    """Whatever a field holds, the event is exactly one line, valid JSON where it is JSON."""
    as_json, human = io.StringIO(), io.StringIO()
    Log(stream=as_json, as_json=True).info("event", value=value)
    Log(stream=human, as_json=False).info("event", value=value)
    assert as_json.getvalue().count("\n") == 1
    assert json.loads(as_json.getvalue())["event"] == "event"
    assert human.getvalue().count("\n") == 1
    assert human.getvalue().removesuffix("\n").isprintable()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("1E+3"), '"1000"'),
        (Decimal("0.10"), '"0.10"'),
        (10**30, '"1000000000000000000000000000000"'),
        (float("nan"), "null"),
        ([10**30, float("inf")], '["1000000000000000000000000000000", null]'),
        (ValueError("bad"), '"ValueError: bad"'),
        (b"\x01\xff", '"0x01ff"'),
        ({Side.BUY: 1}, '{"buy": 1}'),
        (frozenset({"b", "a"}), '["a","b"]'),
        (Point(1, Decimal("2.5")), '{"x":1,"y":"2.5"}'),
        (Unprintable(), '"<Unprintable>"'),
        ((), "[]"),
    ],
)
def test_values_are_rendered_plainly(value: object, expected: str) -> None:
    """Exact numbers keep every digit and no exponent; everything else has a plain form."""
    assert to_json(value).decode() == expected


def test_a_cycle_in_a_value_ends() -> None:
    """A structure that contains itself is cut, not followed for ever."""
    loop: list[object] = []
    loop.append(loop)
    assert b"<list>" in to_json(loop)
    assert "<list>" in to_text(loop)


def test_a_field_cannot_pass_for_the_line() -> None:
    """A field named like a part of the line keeps its value under another name."""
    stream = io.StringIO()
    Log(stream=stream).info("real", event="forged", level="x")
    (line,) = json_lines(stream)
    assert (line["event"], line["field_event"], line["field_level"]) == ("real", "forged", "x")


def test_a_closed_stream_is_survived() -> None:
    """When nobody reads the log any more, the bot goes on."""
    stream = io.StringIO()
    log = Log(stream=stream)
    stream.close()
    log.error("nobody.hears")
    Log(stream=FullDisk()).error("disk.full")


def test_threads_do_not_mix_lines() -> None:
    """Lines of many threads stay whole."""
    stream = io.StringIO()
    log = Log(stream=stream)

    def write(name: int) -> None:
        for index in range(200):
            log.info("thread", name=name, index=index)

    threads = [threading.Thread(target=write, args=(each,)) for each in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(json_lines(stream)) == 1_600


def test_an_exception_comes_with_its_traceback() -> None:
    """The error is a field of its own, its causes are in the traceback."""
    stream = io.StringIO()
    try:
        try:
            raise ValueError("inner")
        except ValueError as error:
            raise KeyError("outer") from error
    except KeyError as error:
        Log(stream=stream).exception("cycle.failed", error, cycle=3)
    (line,) = json_lines(stream)
    assert (line["level"], line["error"], line["cycle"]) == ("error", "KeyError: 'outer'", 3)
    assert "ValueError: inner" in str(line["traceback"])
