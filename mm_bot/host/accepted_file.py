"""The operator's word on a price, in a control file beside the state file: `AcceptedFile`.

`mm-bot accept-reference PRICE` writes it; a running bot looks at it whenever a source has jumped
further than repetition may confirm, so no restart is needed. The word holds for ten minutes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mm_bot.core.exact import Price
from mm_bot.errors import SettingsError

HOLDS_MS = 600_000
AHEAD_MS = 5_000
_READ_BYTES = 256
_PRICE = re.compile(r"\d{1,15}(\.\d{1,12})?", re.ASCII)
_MS = re.compile(r"\d{1,18}", re.ASCII)


class AcceptedFile:
    """One price and when it was accepted, as `<price> <unix ms>`."""

    def __init__(self, state_file: Path) -> None:
        self.path = state_file.with_name(state_file.name + ".accepted")

    def write(self, price: Price, now_ms: int, *, reader: str) -> str:
        """Replaces what was there; what to tell the operator. `reader` is who looks at the file.

        Raises:
            SettingsError: the disk refuses.
        """
        made = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            made.write_text(f"{price} {now_ms}\n")
            made.replace(self.path)
        except OSError as error:
            raise SettingsError(
                [f"{self.path}: cannot write it: {error.strerror}; run as the {reader}'s user"]
            ) from None
        return f"{price} is accepted for {HOLDS_MS // 60_000} minutes ({self.path})"

    def read(self, now_ms: int) -> Price | None:
        """The accepted price while it holds; None also where the file says nothing readable."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            words = os.read(descriptor, _READ_BYTES).decode(errors="replace").split()
        except OSError:
            return None
        finally:
            os.close(descriptor)
        if len(words) != 2 or not _MS.fullmatch(words[1]):
            return None
        if not -AHEAD_MS <= now_ms - int(words[1]) <= HOLDS_MS:
            return None
        return price_in(words[0])


def price_in(text: str) -> Price | None:
    """A price above 0 in plain decimals; None where the text is none."""
    price = Price.of(text) if _PRICE.fullmatch(text) else None
    return price if price else None
