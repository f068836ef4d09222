"""Writes the tables of docs/performance.md, and the plots beside it.

What stands between the two markers is made anew each time; the rest of the page is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cases import CASES, Case
from report import figures, plots
from report.results import Results

BEGIN = "<!-- scripts/bench writes what follows; change tests/bench/report/ instead -->"
END = "<!-- the end of what scripts/bench writes -->"
NAMES = {"rmcp": "rmcp", "fastmcp": "FastMCP", "split": "split", "standalone": "standalone"}
OPEN = figures.OPEN


def write(results: Results, docs: Path) -> None:
    file = docs / "performance.md"
    file.write_text(replaced(file.read_text(), sections(results)))
    plots.write(results, docs / "performance")


def replaced(page: str, text: str) -> str:
    """The page with this text between the markers."""
    assert page.count(BEGIN) == 1 and page.count(END) == 1, "docs/performance.md has lost its markers"
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def sections(results: Results) -> str:
    parts = [
        about(results),
        "### Figures to reach\n\n" + goals(figures.judged(results)),
        "![Calls per second by connections](performance/throughput.svg)",
        "![CPU time of each process per call](performance/cpu.svg)",
        "![Latency on one connection and in the open loop](performance/latency.svg)",
    ]
    parts += [case_table(case, results) for case in CASES if results.settings(case.name)]
    parts += [open_loop(results), one_call(results)]
    return "\n\n".join(part for part in parts if part)


def about(results: Results) -> str:
    cases = [results.about(case) for case in results.cases]
    known = sorted({case["commit"] for case in cases})
    commits = f"commits {listed(known)}" if len(known) > 1 else f"commit {known[0]}"
    machine = cases[0]["machine"]
    versions = listed(f"{name} {version}" for name, version in cases[0]["versions"].items())
    cores = f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, {machine['kernel']}"
    rounds = " or ".join(str(count) for count in sorted({case["rounds"] for case in cases}))
    seconds = " or ".join(str(count) for count in sorted({case["seconds"] for case in cases}))
    return wrapped(
        f"Measured at {commits} with {versions}, on {cores}; Redis, the load and all that is measured share "
        f"them. Rounds: {rounds}, of {seconds} s each."
    )


def listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def goals(lines: list[figures.Judged]) -> str:
    rows = [(line.case, line.goal, line.figure, line.verdict) for line in lines]
    return table(("case", "goal", "figure", "verdict"), rows)


def case_table(case: Case, results: Results) -> str:
    rows = []
    for setting, subjects in results.settings(case.name).items():
        for subject in subjects:
            rows.append(case_row(case, results, setting, subject))
    columns = ("", "", f"{case.unit}s/s", "ratio", "p50 ms", "p99 ms", "CPU µs", "memory MiB", "Redis")
    return f"### {case.title}\n\n" + table(columns, rows)


def case_row(case: Case, results: Results, setting: str, subject: str) -> tuple[str, ...]:
    rate = results.median(case.name, setting, subject, "per_second")
    base = next(iter(case.subjects))
    ratio = results.ratio(case.name, setting, subject, base)
    commands = results.median(case.name, setting, subject, "commands")
    size = results.median(case.name, setting, subject, "redis_bytes")
    return (
        setting,
        NAMES.get(subject, subject),
        "–" if rate is None else f"{rate:,.0f}",
        "–" if ratio is None else f"{ratio:.2f}",
        latency(results, case.name, setting, subject, "p50_us"),
        latency(results, case.name, setting, subject, "p99_us"),
        parts(results.cpu(case.name, setting, subject), ".1f"),
        parts(results.peak_mib(case.name, setting, subject), ".0f"),
        f"{commands:.1f}; {sized(size or 0)}" if commands else "–",
    )


def latency(results: Results, case: str, setting: str, subject: str, metric: str) -> str:
    value = results.median(case, setting, subject, metric)
    return "–" if value is None else f"{value / 1000:.2f}"


def parts(values: dict[str, float], shown: str) -> str:
    """The sum, and of what it is."""
    total = f"{sum(values.values()):{shown}}" if values else "–"
    if len(values) < 2:
        return total
    return f"{total}: " + ", ".join(f"{name} {value:{shown}}" for name, value in sorted(values.items()))


def sized(size: float) -> str:
    return f"{size:,.0f} B" if size < 10_000 else f"{size / 1024:,.0f} KiB"


def open_loop(results: Results) -> str:
    rows = []
    for subject in results.settings("open-loop").get(OPEN, {}):
        names = ("p50", "p90", "p99", "max", "sent_late_p99")
        shown = [latency(results, "open-loop", OPEN, subject, f"{name}_us") for name in names]
        unsent = results.median("open-loop", OPEN, subject, "unsent") or 0
        cpu = parts(results.cpu("open-loop", OPEN, subject), ".1f")
        rows.append((NAMES.get(subject, subject), *shown, f"{unsent:.0f}", cpu))
    if not rows:
        return ""
    columns = ("", "p50 ms", "p90 ms", "p99 ms", "max ms", "sent late, p99 ms", "never sent", "CPU µs")
    return f"### Open loop: {OPEN}, coordinated omission corrected\n\n" + table(columns, rows)


def one_call(results: Results) -> str:
    """What one call asks of Redis, and by name under load."""
    text = []
    calls = results.rounds("hops", figures.HOPS, "split")
    if calls:
        sequences = [one["sequence"] for one in calls]
        usual = max(set(sequences), key=sequences.count)
        text.append(f"One call alone, as MONITOR tells it; what scripts call stands in parentheses: `{usual}`.")
    for case in ("modern", "legacy"):
        if taken := results.rounds(case, figures.C32, "split"):
            named = sorted(taken[-1]["commands_by_name"].items(), key=lambda item: -item[1])
            shown = ", ".join(f"{command} {each:.2f}" for command, each in named if each >= 0.01)
            text.append(f"Commands of a {case} call on 32 connections: {shown}.")
    return "### What a call asks of Redis\n\n" + "\n\n".join(wrapped(line) for line in text) if text else ""


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def wrapped(text: str, width: int = 120) -> str:
    """Lines that are not too wide; what stands in backquotes may be broken as well."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
