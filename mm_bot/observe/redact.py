"""Secrets kept out of everything that is written: `Redactor` knows them and replaces them.

A secret is found in every form that a log, a traceback or a status answer can show it in: as it
is, in any letter case, escaped for JSON or for a Python repr, percent-encoded as in a URL; a
hexadecimal key also without its 0x, as a decimal number and as the repr of its bytes.

Texts shorter than 4 characters are not replaced (they would blank out unrelated text): a password
that short must be kept out by whoever prints, which the settings do by never showing one.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote, quote_plus

MASK = "[secret]"
LEAST_LENGTH = 4
_HEX = re.compile(r"(?:0x)?([0-9a-fA-F]{16,})", re.ASCII)


class Redactor:
    """Secrets are added at the start, before anything could show them."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._ordered: tuple[str, ...] = ()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        """Replaces `secret` from now on. Surrounding white space does not count."""
        self._forms.update(each.lower() for each in _forms(secret.strip()))
        self._forms = {each for each in self._forms if len(each) >= LEAST_LENGTH}
        # Longest first: a secret that contains another goes as a whole.
        self._ordered = tuple(sorted(self._forms, key=lambda each: (-len(each), each)))
        if self._ordered:
            self._pattern = re.compile("|".join(map(re.escape, self._ordered)), re.IGNORECASE)

    def __call__(self, text: str) -> str:
        if self._pattern is None:
            return text
        lowered = text.lower()
        # Plain searches first: on a line without secrets they cost a tenth of the pattern.
        for form in self._ordered:
            if form in lowered:
                return self._pattern.sub(MASK, text)
        return text

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"


def _forms(secret: str) -> set[str]:
    if len(secret) < LEAST_LENGTH:
        return set()
    forms = {
        secret,
        repr(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
    }
    key = _HEX.fullmatch(secret)
    if key:
        digits = key.group(1)
        forms.add(digits)
        forms.add(str(int(digits, 16)))
        if len(digits) % 2 == 0:
            forms.add(repr(bytes.fromhex(digits))[2:-1])
    forms |= _escaped_for_json(forms)
    # Twice: a text that is itself JSON or a repr, as a value in a line of JSON.
    return forms | _escaped_for_json(forms)


def _escaped_for_json(texts: set[str]) -> set[str]:
    return {
        json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        for text in texts
        for ascii_only in (True, False)
    }
