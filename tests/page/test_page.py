"""The page at `/`: one file, safe, and made of fields that a real status has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration_harness.stack.up import LocalExchange
from mm_bot.core.quoting import MissingReason
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.risk import HaltReason
from mm_bot.observe.health_texts import GUARD_MEANS, HALT_ENDS_WHEN, MISSING_MEANS, SOURCE_MEANS
from mm_bot.observe.page import page
from tests.cli.bench import ONLY_USDC, environment_of, open_account, running

VOID = {"meta", "link", "br", "img", "input"}
Tag = tuple[str, dict[str, str]]


class Reader(HTMLParser):
    """Every tag with its attributes, and the texts of script and style."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[Tag] = []
        self.code: dict[str, str] = {"script": "", "style": ""}
        self.unclosed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        inside = self.unclosed[-1] if self.unclosed else ""
        if inside in self.code:
            self.code[inside] += data


@pytest.fixture(scope="module")
def read() -> Reader:
    reader = Reader()
    reader.feed(page().decode())
    reader.close()
    return reader


@pytest.fixture(scope="module")
def status(
    exchange: LocalExchange, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """A real one, of a bot that has an ask and lacks a bid; the page is served beside it."""
    folder = tmp_path_factory.mktemp("page")
    account = open_account(exchange, ONLY_USDC)
    changes = {"MM_MAX_LONG_INVENTORY": "1000", "MM_MAX_SHORT_INVENTORY": "-1000"}
    environment = environment_of(exchange, account.subaccount_ids[0], folder, **changes)
    with running(environment, folder) as bot:
        served = httpx.get(f"http://127.0.0.1:{bot.port}/")
        assert served.content == page()
        assert served.headers["content-type"] == "text/html; charset=utf-8"
        yield bot.status()


def test_it_is_well_formed_and_fit_for_a_phone(read: Reader) -> None:
    """Every tag is closed; it has a language, a viewport of the device's width, and both colour
    schemes."""
    assert read.unclosed == []
    metas = {tag.get("name"): tag.get("content") for name, tag in read.tags if name == "meta"}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == "light dark"
    assert ("html", {"lang": "en"}) in read.tags
    assert "prefers-color-scheme: dark" in read.code["style"]


def test_it_loads_nothing_from_outside(read: Reader) -> None:
    """No address of another host, in attributes, style or script, and a policy that forbids it."""
    for _, attributes in read.tags:
        for name in ("src", "href", "action", "srcset"):
            assert attributes.get(name, "status") in ("status", "data:,")
    text = page().decode()
    assert not re.search(r"(https?:)?//[a-z0-9]", text.replace("default-src", ""))
    assert "@import" not in read.code["style"]
    assert "url(" not in read.code["style"]
    (policy,) = [tag["content"] for _, tag in read.tags if "http-equiv" in tag]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy


def test_it_puts_in_text_and_never_markup(read: Reader) -> None:
    """The script has no way to make markup or code of what the status says, and sends nothing."""
    script = read.code["script"]
    for way in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function("):
        assert way not in script
    assert "setTimeout(refresh" in script
    assert script.count("fetch(") == 1
    assert re.findall(r'ask\("(\w+)"\)', script) == ["status", "history"]
    assert "method" not in script


def test_every_field_it_shows_is_in_a_real_status(read: Reader, status: dict[str, Any]) -> None:
    """Fields, lists and columns of the page exist in what a bot answers."""
    seen = 0
    for _, tag in read.tags:
        for kind in ("data-field", "data-list", "data-map", "data-show"):
            if kind not in tag:
                continue
            seen += 1
            value = at(status, tag[kind])
            if kind not in ("data-list", "data-map"):
                continue
            items = list(value.values()) if isinstance(value, dict) else value
            assert isinstance(items, list), tag[kind]
            keys = {column.split(":")[0] for column in tag.get("data-columns", "").split(" ")} - {
                ""
            }
            known = {key for item in items for key in item} if keys else set()
            if items:
                assert keys - {"name"} <= known, tag[kind]
    assert seen > 40


def at(value: Any, path: str) -> Any:
    """The member of that path."""
    for key in path.split("."):
        assert key in value, f"a status has no {path}"
        value = value[key]
    return value


def test_every_reason_has_its_words() -> None:
    """Halts, gaps and sources are explained without exception; guards by name."""
    assert set(HALT_ENDS_WHEN) == set(HaltReason)
    assert set(MISSING_MEANS) == set(MissingReason)
    assert set(SOURCE_MEANS) == set(ReferenceSource)
    source = Path("mm_bot/core/slots.py").read_text()
    for guard in ("min_quote_lifetime", "min_price_move", "quote_refresh_interval"):
        assert guard in GUARD_MEANS
        assert f'"{guard}"' in source
