"""A flame graph of sampled stacks: an SVG written by hand, wide frames at the bottom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape

Stack = tuple[str, ...]
_WIDTH, _ROW, _LEAST_PX = 1_400, 17, 1.0


def svg(stacks: Mapping[Stack, int], title: str) -> str:
    """Every frame as wide as its share of all samples; its name and share on hovering."""
    total = sum(stacks.values())
    deepest = max(map(len, stacks))
    height = (deepest + 2) * _ROW + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="monospace" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="6" y="14">{escape(title)}: {total} samples</text>',
        *_frames(stacks, 0, 0.0, _WIDTH / total, height, total),
    ]
    return "\n".join([*parts, "</svg>", ""])


def _frames(
    stacks: Mapping[Stack, int], depth: int, left: float, scale: float, height: int, total: int
) -> list[str]:
    counted: Counter[str] = Counter()
    below: dict[str, dict[Stack, int]] = {}
    for stack, count in stacks.items():
        if len(stack) > depth:
            counted[stack[depth]] += count
            below.setdefault(stack[depth], {})[stack] = count
    parts = []
    for name, count in sorted(counted.items()):
        width = count * scale
        if width >= _LEAST_PX:
            top = height - (depth + 1) * _ROW - 4
            shown = name[: int(width / 6.8)]
            parts.append(
                f"<g><title>{escape(name)} {count / total:.1%}</title>"
                f'<rect x="{left:.1f}" y="{top}" width="{width - 0.4:.1f}" height="{_ROW - 1}" '
                f'fill="hsl({20 + hash(name) % 35},85%,{62 + hash(name) % 12}%)"/>'
                f'<text x="{left + 2:.1f}" y="{top + 12}">{escape(shown)}</text></g>'
            )
            parts += _frames(below[name], depth + 1, left, scale, height, total)
        left += width
    return parts
