"""Whether what a strategy declares can be shown: found at start, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator

from mm_bot.core.declared import Declared
from mm_bot.observe.metrics import BuildInfo, Metrics

_NOWHERE = BuildInfo(version="", market="", chain_id=0, subaccount_id=0, dry_run=True)


def declared_faults(strategy: Declared) -> Iterator[str]:
    """Why a gauge could not be exported, each with its name and what to change.

    The rules of names are those of Prometheus' data model.
    """
    taken = {
        name
        for family in Metrics(_NOWHERE).registry.collect()
        for name in (family.name, *(sample.name for sample in family.samples))
    }
    labels: dict[str, set[str]] = {}
    for kind in strategy.measures:
        says = f"MM_STRATEGY declares the gauge {kind.name!r}"
        if not _is_name(kind.name):
            yield f"{says}: use letters, digits and _ alone, and no digit first"
        elif kind.name in taken:
            yield f"{says}, which the bot has already: give it another name"
        for label in kind.labels:
            if not _is_name(label) or label.startswith("__"):
                yield f"{says} with the label {label!r}: use letters, digits and _, no __ first"
        known = labels.setdefault(kind.name, set(kind.labels))
        if known != set(kind.labels):
            yield (
                f"{says} with the labels {sorted(known)} and with {sorted(kind.labels)}: give it "
                "the same wherever it is declared"
            )


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier()
