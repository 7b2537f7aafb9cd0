"""Claims about secrets: in no form, in no line."""

from __future__ import annotations

import io
import json
from urllib.parse import quote

import pytest

from mm_bot.observe.log import Log
from mm_bot.observe.redact import MASK, Redactor

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
SECRETS = [
    KEY,
    "pa55 \"word\"\\ with 'everything' /?#é\n%",
    "s3cr/et+pass",
    "11" * 32,
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("as_json", [True, False])
def test_no_form_of_a_secret_is_written(secret: str, as_json: bool) -> None:
    """Plain, in upper case, in a URL, in an error, in a traceback, as key, number or bytes."""
    stream = io.StringIO()
    redactor = Redactor()
    redactor.add(secret)
    log = Log(stream=stream, as_json=as_json, redactor=redactor)
    secret = secret.strip()
    digits = secret.removeprefix("0x")
    log.info("a", url=f"postgres://user:{quote(secret, safe='')}@host/db", plain=secret)
    log.info(f"event {secret}", nested={"list": [secret, (secret,)], secret: 1})
    log.info("c", error=ValueError(secret), shown=repr(secret), upper=secret.upper())
    forms = [secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]]
    if len(digits) == 64:
        raw = bytes.fromhex(digits)
        log.info("d", number=int(digits, 16), raw=raw, text=f"key is {raw!r}", digits=digits)
        forms += [digits, str(int(digits, 16)), repr(raw)[2:-1]]
    try:
        raise RuntimeError(f"cannot sign with {secret}")
    except RuntimeError as error:
        log.exception("e", error)
    written = stream.getvalue().lower()
    assert written.count(MASK) >= 8
    for form in forms:
        assert form.lower() not in written
        assert json.dumps(form)[1:-1].lower() not in written
        assert json.dumps(form, ensure_ascii=False)[1:-1].lower() not in written


def test_short_texts_are_left_alone() -> None:
    """Texts below 4 characters would blank out what is no secret."""
    redactor = Redactor()
    for each in ("", "  ", "10", "abc"):
        redactor.add(each)
    assert redactor("10 abc") == "10 abc"
    assert "abc" not in repr(redactor)


def test_the_longest_secret_goes_as_a_whole() -> None:
    """A secret that contains another leaves nothing behind."""
    redactor = Redactor()
    redactor.add("pass")
    redactor.add("password-long")
    assert redactor("x password-long y pass") == f"x {MASK} y {MASK}"
