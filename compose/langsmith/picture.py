"""Draws a trace: a line for each run and span, below its parent, over time."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

WIDTH, ROW, TOP, BOTTOM = 960, 22, 58, 10
# Where names begin, and where the time does.
LEFT, TIME = 16, 420
INDENT = 14
COLORS = {"the agent": "#6b7280", "prynai-gateway": "#2563eb", "prynai-worker": "#d97706"}
OTHER = "#059669"
LONGEST_NAME = 60


@dataclass
class Bar:
    id: str
    # Empty if it has none.
    parent: str
    # Who did it.
    part: str
    name: str
    # Nanoseconds.
    began: int
    ended: int


def drawn(trace: str, bars: list[Bar]) -> str:
    rows = in_order(bars)
    began, ended = min(bar.began for bar in bars), max(bar.ended for bar in bars)
    scale = (WIDTH - TIME - 90) / max(ended - began, 1)
    height = TOP + ROW * len(rows) + BOTTOM
    parts = list(dict.fromkeys(bar.part for _, bar in rows))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" font-size="14" font-weight="600" fill="#111827">Trace {escape(trace)}</text>',
    ]
    x = LEFT
    for part in parts:
        lines.append(f'<rect x="{x}" y="32" width="10" height="10" fill="{color(part)}"/>')
        lines.append(f'<text x="{x + 15}" y="41" fill="#374151">{shown(part)}</text>')
        x += 40 + 7 * len(part)
    for row, (depth, bar) in enumerate(rows):
        y = TOP + ROW * row
        begin = TIME + (bar.began - began) * scale
        width = max((bar.ended - bar.began) * scale, 2)
        took = f"{(bar.ended - bar.began) / 1e6:.1f} ms"
        lines += [
            f'<rect x="0" y="{y}" width="{WIDTH}" height="{ROW}" fill="{"#f9fafb" if row % 2 else "#fff"}"/>',
            f'<text x="{LEFT + INDENT * depth}" y="{y + 15}" fill="{color(bar.part)}">{shown(bar.name)}</text>',
            f'<rect x="{begin:.1f}" y="{y + 5}" width="{width:.1f}" height="{ROW - 10}" rx="2" fill="{color(bar.part)}"/>',
            f'<text x="{begin + width + 6:.1f}" y="{y + 15}" fill="#374151">{took}</text>',
        ]
    lines.append("</svg>")
    return "\n".join(lines) + "\n"


def in_order(bars: list[Bar]) -> list[tuple[int, Bar]]:
    """Each with its depth, below its parent, by the time at which it began."""
    known = {bar.id for bar in bars}
    children: dict[str, list[Bar]] = {}
    for bar in sorted(bars, key=lambda bar: bar.began):
        children.setdefault(bar.parent if bar.parent in known and bar.parent != bar.id else "", []).append(bar)
    rows: list[tuple[int, Bar]] = []
    waiting = [(0, bar) for bar in reversed(children.pop("", []))]
    while waiting:
        depth, bar = waiting.pop()
        rows.append((depth, bar))
        waiting += [(depth + 1, child) for child in reversed(children.pop(bar.id, []))]
    return rows


def color(part: str) -> str:
    return COLORS.get(part, OTHER)


def shown(text: str) -> str:
    """What a client chose, cut off, as text and without control characters."""
    plain = "".join(character if character.isprintable() else "�" for character in text)
    return escape(plain if len(plain) <= LONGEST_NAME else plain[: LONGEST_NAME - 1] + "…")
