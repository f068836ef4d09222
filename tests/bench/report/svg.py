"""A small picture in SVG, readable on a light and on a dark page."""

from __future__ import annotations

from html import escape
from pathlib import Path

# Of Okabe and Ito, which the colour-blind can tell apart; the second is for a dark page.
COLOURS = {
    "rmcp": ("#6b6b6b", "#b4b4b4"),
    "fastmcp": ("#b07aa1", "#d9a3c9"),
    "split": ("#0072b2", "#56b4e9"),
    "standalone": ("#d55e00", "#ff9a5c"),
    "gateway": ("#0072b2", "#56b4e9"),
    "redis": ("#c59a00", "#f0d04a"),
    "worker": ("#009e73", "#3fd0a4"),
}
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


class Picture:
    """Shapes and words at places counted in pixels from the upper left."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width = width
        self.height = height
        self._title = title
        self._parts: list[str] = []
        self.words(16, 28, title, kind="title")

    def words(self, x: float, y: float, text: str, anchor: str = "start", kind: str = "words") -> None:
        self._parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def rule(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self._parts.append(f'<line class="rule" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def line(self, points: list[tuple[float, float]], colour: str) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline class="{colour}-line" points="{path}"/>')

    def dot(self, x: float, y: float, colour: str, hollow: bool = False) -> None:
        kind = f"{colour}-hollow" if hollow else f"{colour}-area"
        self._parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"'
        self._parts.append(f'<rect class="{colour}-area" {place}/>')

    def curves(
        self,
        box: tuple[float, float, float, float],
        highest: float,
        steps: int,
        names: list[str],
        lines: dict[str, list[float]],
        below: str,
    ) -> None:
        """Lines by colour over the same named places, in a box of left, right, top and bottom; `highest` is at its
        top, and rules divide it into so many steps. `below` says what is named there."""
        left, right, top, bottom = box
        for step in range(steps + 1):
            y = bottom - (bottom - top) * step / steps
            self.rule(left, y, right, y)
            self.words(left - 10, y + 4, f"{highest * step / steps:,.0f}", "end", "quiet")
        places = [left + (right - left) * (index + 0.5) / len(names) for index in range(len(names))]
        for x, name in zip(places, names, strict=True):
            self.words(x, bottom + 20, name, "middle", "quiet")
        self.words((left + right) / 2, bottom + 40, below, "middle", "quiet")
        for colour, values in lines.items():
            points = [(x, bottom - (bottom - top) * value / highest) for x, value in zip(places, values, strict=True)]
            self.line(points, colour)
            for x, y in points:
                self.dot(x, y, colour)

    def legend(self, x: float, y: float, names: dict[str, str]) -> None:
        """Names beside their colours, in one line."""
        for colour, name in names.items():
            self.bar(x, y - 10, 12, 12, colour)
            self.words(x + 18, y, name)
            x += 18 + 7.5 * len(name) + 22

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        parts = "\n".join(self._parts)
        file.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(self._title)}">\n'
            f"<style>\n{style()}</style>\n"
            f'<rect class="page" width="{self.width}" height="{self.height}" rx="8"/>\n{parts}\n</svg>\n'
        )


def style() -> str:
    def theme(which: int) -> str:
        ink, quiet, page, rule = (
            ("#1f2328", "#59636e", "#ffffff", "#d1d9e0"),
            ("#f0f6fc", "#9198a1", "#151b23", "#3d444d"),
        )[which]
        lines = [
            f".page {{ fill: {page}; }}",
            f".title, .words {{ fill: {ink}; }}",
            f".quiet {{ fill: {quiet}; }}",
            f".rule {{ stroke: {rule}; }}",
        ]
        for name, shades in COLOURS.items():
            lines.append(f".{name}-area {{ fill: {shades[which]}; }}")
            lines.append(f".{name}-line {{ stroke: {shades[which]}; }}")
            lines.append(f".{name}-hollow {{ stroke: {shades[which]}; fill: {page}; }}")
        return "\n".join(lines) + "\n"

    general = (
        f"text {{ font-family: {FONT}; font-size: 13px; }}\n.title {{ font-size: 16px; font-weight: 600; }}\n"
        ".quiet { font-size: 12px; }\npolyline { fill: none; stroke-width: 2.5; }\ncircle { stroke-width: 2.5; }\n"
    )
    return f"{general}{theme(0)}@media (prefers-color-scheme: dark) {{\n{theme(1)}}}\n"
