"""One picture of the events' latencies, ours beside the baseline's: an SVG written by hand.

Each bar goes to the median, its whisker to the 99th percentile; the axis is logarithmic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from integration_harness.benchmarks import quantile
from tests.benchmarks.figures import Figure

_LEFT, _RIGHT, _TOP, _ROW, _BAR = 270, 60, 58, 46, 15
_WIDTH = 860
_LEAST_MS = 1.0
_OURS, _PLAIN = "#2563eb", "#94a3b8"


def svg(figures: Sequence[Figure], title: str) -> str:
    """The picture of figures in milliseconds that have a baseline."""
    most = max(max(*f.ours, *f.beside) for f in figures)
    decades = math.ceil(math.log10(max(most, 10 * _LEAST_MS) / _LEAST_MS))
    height = _TOP + _ROW * len(figures) + 40

    def x(ms: float) -> float:
        share = math.log10(max(ms, _LEAST_MS) / _LEAST_MS) / decades
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="16" y="24" font-size="16" font-weight="bold">{escape(title)}</text>',
        _legend(),
    ]
    for decade in range(decades + 1):
        ms = _LEAST_MS * 10**decade
        parts.append(
            f'<line x1="{x(ms):.1f}" y1="{_TOP}" x2="{x(ms):.1f}" y2="{height - 32}" '
            'stroke="#e2e8f0"/>'
            f'<text x="{x(ms):.1f}" y="{height - 14}" text-anchor="middle" fill="#64748b">'
            f"{ms:g} ms</text>"
        )
    for row, figure in enumerate(figures):
        y = _TOP + row * _ROW + 6
        name = figure.name + (f", +{figure.round_trip_ms} ms" if figure.round_trip_ms else "")
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 20}" text-anchor="end">{escape(name)}</text>')
        for at, samples, colour in ((0, figure.ours, _OURS), (1, figure.beside, _PLAIN)):
            ordered = sorted(samples)
            p50, p99 = quantile(ordered, 0.5), quantile(ordered, 0.99)
            top = y + at * (_BAR + 2)
            middle = top + _BAR / 2
            parts.append(
                f'<rect x="{_LEFT}" y="{top}" width="{max(1.0, x(p50) - _LEFT):.1f}" '
                f'height="{_BAR}" fill="{colour}"/>'
                f'<line x1="{x(p50):.1f}" y1="{middle}" x2="{x(p99):.1f}" y2="{middle}" '
                f'stroke="{colour}" stroke-width="2"/>'
                f'<text x="{x(p99) + 5:.1f}" y="{middle + 4}" font-size="11" fill="#334155">'
                f"{p50:.0f} / {p99:.0f}</text>"
            )
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> str:
    return "".join(
        f'<rect x="{left}" y="36" width="11" height="11" fill="{colour}"/>'
        f'<text x="{left + 16}" y="46" font-size="12">{escape(text)}</text>'
        for left, colour, text in (
            (16, _OURS, "this bot"),
            (106, _PLAIN, "the same work in series, generic libraries, a poll of 100 ms"),
            (500, "#334155", "bar: p50, whisker: p99, ms (log scale)"),
        )
    )
