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
    lines = {part: [float(row[part]) for row in rows] for part in PARTS}
    highest = max(max(line) for line in lines.values()) * 1.1
    box = (x + 60, x + WIDTH - 20, y + 30, y + HEIGHT - 50)
    picture.curves(box, highest, 2, [f"{row[key]:,}" for row in rows], lines, title)
