"""The curves: CPU time per call by what grows, each beside its smallest size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from report.svg import Picture

# The case, what grows in it, and which rows count.
CURVES = {
    "sessions": ("live sessions", {"era": "modern"}),
    "streams": ("open GET streams", {}),
    "subscribers": ("subscribers of one resource", {}),
    "gateways": ("gateways", {}),
    "workers": ("workers", {}),
}
PARTS = {"gateway": "gateways", "worker": "workers", "redis": "Redis"}
WIDTH, HEIGHT = 400, 230


def write(results: dict[str, Any], file: Path) -> None:
    picture = Picture(2 * WIDTH, 80 + 3 * HEIGHT, "CPU time per modern call, µs, as the fleet grows")
    picture.legend(16, 60, PARTS)
    for number, case in enumerate(CURVES):
        curve(picture, results, case, number % 2 * WIDTH, 80 + number // 2 * HEIGHT)
    picture.write(file)


def curve(picture: Picture, results: dict[str, Any], case: str, x: float, y: float) -> None:
    title, wanted = CURVES[case]
    key = next(iter(results[case]["rows"][0]))
    rows = [row for row in results[case]["rows"] if all(row.get(name) == value for name, value in wanted.items())]
    rows = [row for row in rows if "gateway" in row]
    left, right, top, bottom = x + 60, x + WIDTH - 20, y + 30, y + HEIGHT - 50
    highest = max(row[part] for row in rows for part in PARTS) * 1.1
    for step in range(3):
        at = bottom - (bottom - top) * step / 2
        picture.rule(left, at, right, at)
        picture.words(left - 8, at + 4, f"{highest * step / 2:.0f}", "end", "quiet")
    places = [left + (right - left) * (index + 0.5) / len(rows) for index in range(len(rows))]
    for at, row in zip(places, rows, strict=True):
        picture.words(at, bottom + 18, f"{row[key]:,}", "middle", "quiet")
    picture.words((left + right) / 2, bottom + 38, title, "middle")
    for part in PARTS:
        points = [(at, bottom - (bottom - top) * row[part] / highest) for at, row in zip(places, rows, strict=True)]
        picture.line(points, part)
        for point in points:
            picture.dot(*point, part)
