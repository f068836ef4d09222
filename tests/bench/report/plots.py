"""The plots of docs/performance.md."""

from __future__ import annotations

import math
from pathlib import Path

from report import figures
from report.results import Results
from report.svg import Picture

NAMES = {"rmcp": "rmcp, one process", "split": "split", "standalone": "standalone", "fastmcp": "FastMCP"}
PARTS = {"gateway": "gateway", "redis": "Redis", "worker": "worker", "standalone": "standalone", "rmcp": "rmcp"}
# What fits into one scale: Python takes thirty times as much.
COST_CASES = {
    "modern": ("Modern call", figures.C32),
    "legacy": ("Legacy call in a session", figures.C32),
    "list": ("tools/list", figures.C32),
}


def write(results: Results, folder: Path) -> None:
    throughput(results).write(folder / "throughput.svg")
    cpu(results).write(folder / "cpu.svg")
    latency(results).write(folder / "latency.svg")


def throughput(results: Results) -> Picture:
    picture = Picture(760, 400, "Modern calls per second, by connections")
    settings = list(results.settings("modern"))
    rates = {
        subject: [results.median("modern", setting, subject, "per_second") or 0 for setting in settings]
        for subject in NAMES
        if all(results.rounds("modern", setting, subject) for setting in settings)
    }
    highest = nice(max((rate for line in rates.values() for rate in line), default=1))
    names = [setting.split()[0] for setting in settings]
    picture.curves((80, 730, 86, 340), highest, 4, names, rates, "connections")
    picture.legend(80, 60, {subject: NAMES[subject] for subject in rates})
    return picture


def cpu(results: Results) -> Picture:
    rows = [
        (title if subject == "rmcp" else "", subject, results.cpu(case, setting, subject))
        for case, (title, setting) in COST_CASES.items()
        for subject in ("rmcp", "split", "standalone")
        if results.cpu(case, setting, subject)
    ]
    picture = Picture(760, 100 + 30 * len(rows) + 12 * len(COST_CASES), "CPU time per call, µs, 32 connections")
    left, right = 300, 690
    longest = max((sum(costs.values()) for _, _, costs in rows), default=1)
    y = 86
    for title, subject, costs in rows:
        if title:
            y += 12
            picture.words(16, y + 16, title)
        picture.words(left - 10, y + 16, NAMES[subject], "end", "quiet")
        x = float(left)
        for part in PARTS:
            width = costs.get(part, 0) / longest * (right - left)
            picture.bar(x, y, width - 1, 22, part)
            x += width
        picture.words(x + 8, y + 16, f"{sum(costs.values()):.0f}")
        y += 30
    picture.legend(16, 60, PARTS)
    return picture


def latency(results: Results) -> Picture:
    rows = []
    for case, setting, title in (
        ("modern", figures.C1, "1 connection, in turn"),
        ("open-loop", figures.OPEN, "open loop, 3,000/s"),
    ):
        for subject in ("rmcp", "split", "standalone"):
            half = results.median(case, setting, subject, "p50_us")
            most = results.median(case, setting, subject, "p99_us")
            if half and most:
                rows.append((title, subject, half / 1000, most / 1000))
                title = ""
    groups = sum(1 for row in rows if row[0])
    picture = Picture(
        760, 136 + 30 * len(rows) + 14 * groups, "Latency of a modern call: p50 (full) and p99 (hollow), ms"
    )
    left, right, top = 330, 720, 86
    lowest = 10 ** math.floor(math.log10(min((row[2] for row in rows), default=0.1)))
    highest = 10 ** math.ceil(math.log10(max((row[3] for row in rows), default=1)))

    def place(value: float) -> float:
        return left + (right - left) * math.log10(value / lowest) / math.log10(highest / lowest)

    bottom = top + 30 * len(rows) + 14 * groups
    for value in ticks(lowest, highest):
        picture.rule(place(value), top, place(value), bottom)
        picture.words(place(value), bottom + 20, f"{value:g}", "middle", "quiet")
    y = top - 14.0
    for title, subject, half, most in rows:
        y += 30
        if title:
            y += 0 if title == rows[0][0] else 14
            picture.words(16, y + 4, title)
        picture.words(left - 14, y + 4, NAMES[subject], "end", "quiet")
        picture.line([(place(half), y), (place(most), y)], subject)
        picture.dot(place(half), y, subject)
        picture.dot(place(most), y, subject, hollow=True)
    picture.legend(16, 60, {subject: NAMES[subject] for subject in ("rmcp", "split", "standalone")})
    return picture


def ticks(lowest: float, highest: float) -> list[float]:
    """1, 2, 5, 10 … within the bounds."""
    decades = range(round(math.log10(lowest)), round(math.log10(highest)) + 1)
    values = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
    return [value for value in values if lowest <= value <= highest * 1.0001]


def nice(value: float) -> float:
    """The next of 1, 2, 4, 6, 8 with zeros behind it."""
    decade = 10 ** math.floor(math.log10(value))
    return next(step * decade for step in (1, 2, 4, 6, 8, 10) if step * decade >= value)
