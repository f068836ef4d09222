"""The figures to reach, and whether they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from load import first_answer, hops, open_loop, subscribers, task
from report.results import Results

C1, C32, C64 = "1 connection", "32 connections", "64 connections"
FIRST_ANSWER = first_answer.SETTING
SUBSCRIBERS = subscribers.SETTING
OPEN = open_loop.SETTING
HOPS = hops.SETTING
WITH_FILE = "split, append-only file"
SILENT = "split, silent"

HELD, MISSED, UNKNOWN = "held", "**missed**", "not measured"


@dataclass(frozen=True)
class Goal:
    """A bound for one figure."""

    case: str
    goal: str
    # `least` and `most`: the bound itself still counts as held.
    figure: Callable[[Results], float | None]
    shown: Callable[[float], str]
    least: float | None = None
    most: float | None = None

    def verdict(self, value: float | None) -> str:
        if value is None:
            return UNKNOWN
        too_low = self.least is not None and value < self.least
        too_high = self.most is not None and value > self.most
        return MISSED if too_low or too_high else HELD


@dataclass(frozen=True)
class Judged:
    """A line of the table."""

    case: str
    goal: str
    figure: str
    verdict: str


def times(value: float) -> str:
    return f"{value:.2f} ×" if value < 10 else f"{value:.0f} ×"


def micros(value: float) -> str:
    return f"{value:.1f} µs"


def millis(value: float) -> str:
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"


def count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def percent(value: float) -> str:
    return f"{value * 100:.0f} %"


def ratio(case: str, setting: str, subject: str, other: str) -> Callable[[Results], float | None]:
    return lambda results: results.ratio(case, setting, subject, other)


def cpu(case: str, setting: str, subject: str) -> Callable[[Results], float | None]:
    return lambda results: results.cpu_total(case, setting, subject)


def metric(case: str, setting: str, subject: str, name: str, scale: float = 1.0) -> Callable[[Results], float | None]:
    def value(results: Results) -> float | None:
        found = results.median(case, setting, subject, name)
        return None if found is None else found * scale

    return value


def added(name: str) -> Callable[[Results], float | None]:
    """What the fleet adds to the latency of rmcp on one connection, in milliseconds."""

    def value(results: Results) -> float | None:
        ours = results.median("modern", C1, "split", name)
        theirs = results.median("modern", C1, "rmcp", name)
        return None if ours is None or theirs is None else (ours - theirs) / 1000

    return value


def legacy_against_modern(results: Results) -> float | None:
    legacy = results.cpu_total("legacy", C32, "split")
    modern = results.cpu_total("modern", C32, "split")
    return legacy / modern if legacy and modern else None


def task_against_ping(results: Results) -> float | None:
    asked, pinged = (results.cpu("task", task.SETTING, call).get("gateway") for call in (task.TASK, task.PING))
    return asked / pinged if asked and pinged else None


def scripts_of_task(results: Results) -> float | None:
    taken = results.rounds("task", task.SETTING, task.TASK)
    return taken[-1]["commands_by_name"].get("evalsha") if taken else None


def redis_cpu(results: Results) -> float | None:
    return results.cpu("modern", C32, "split").get("redis")


def cost_of_file(results: Results) -> float | None:
    kept = results.ratio("durability", C32, WITH_FILE, "split")
    return None if kept is None else 1 - kept


def cost_of_telemetry(results: Results) -> float | None:
    told, silent = (results.cpu_total("telemetry", C32, subject) for subject in ("split", SILENT))
    return told / silent - 1 if told and silent else None


def shown_percent_more(value: float) -> str:
    return shown_percent_less(-value)


def shown_percent_less(value: float) -> str:
    return f"{percent(value)} less" if value >= 0 else f"{percent(-value)} more"


GOALS = [
    Goal("modern call, split, 32 connections", "≥ 0.65 × rmcp", ratio("modern", C32, "split", "rmcp"), times, 0.65),
    Goal("modern call, split, 32 connections: CPU", "≤ 70 µs", cpu("modern", C32, "split"), micros, most=70),
    Goal("modern call, split, 64 connections", "≥ 0.85 × rmcp", ratio("modern", C64, "split", "rmcp"), times, 0.85),
    Goal("modern call, split, 32 connections", "≥ 25 × FastMCP", ratio("modern", C32, "split", "fastmcp"), times, 25),
    Goal(
        "modern call, standalone, 32 connections",
        "≥ 1.3 × rmcp",
        ratio("modern", C32, "standalone", "rmcp"),
        times,
        1.3,
    ),
    Goal("modern call, standalone, 32 connections: CPU", "≤ 30 µs", cpu("modern", C32, "standalone"), micros, most=30),
    Goal("legacy call in a session, split: CPU", "≤ 1.25 × the modern call's", legacy_against_modern, times, most=1.25),
    Goal(
        "legacy call in a session, split: commands of Redis",
        "≤ 8",
        metric("legacy", C32, "split", "commands"),
        count,
        most=8,
    ),
    Goal(
        "legacy call in a session, split", "≥ 1 × rmcp in session mode", ratio("legacy", C32, "split", "rmcp"), times, 1
    ),
    Goal(
        "`initialize`, call, DELETE, split",
        "≥ 0.8 × rmcp in session mode",
        ratio("session", C32, "split", "rmcp"),
        times,
        0.8,
    ),
    Goal("open loop, split: p50", "≤ 0.5 ms", metric("open-loop", OPEN, "split", "p50_us", 1e-3), millis, most=0.5),
    Goal("open loop, split: p99", "≤ 1.5 ms", metric("open-loop", OPEN, "split", "p99_us", 1e-3), millis, most=1.5),
    Goal("latency added by the split, 1 connection: p50", "≤ 0.2 ms over rmcp", added("p50_us"), millis, most=0.2),
    Goal("latency added by the split, 1 connection: p99", "≤ 0.6 ms over rmcp", added("p99_us"), millis, most=0.6),
    Goal(
        "progress events, split", "≥ 60,000 events/s", metric("progress", C64, "split", "per_second", 10), count, 60_000
    ),
    Goal(
        "one update to 5,000 subscribers on two gateways",
        "≤ 100 ms",
        metric("subscribers", SUBSCRIBERS, "split", "last_ms"),
        millis,
        most=100,
    ),
    Goal(
        "modern call, 32 connections: commands of Redis",
        "≤ 5",
        metric("modern", C32, "split", "commands"),
        count,
        most=5,
    ),
    Goal(
        "modern call, 1 connection: commands one after the other",
        "≤ 3",
        metric("hops", HOPS, "split", "hops"),
        count,
        most=3,
    ),
    Goal("`tasks/get`: CPU of the gateway", "≤ 1.2 × a `ping`'s", task_against_ping, times, most=1.2),
    Goal("`tasks/get`: scripts of Redis", "1", scripts_of_task, count, most=1.01),
    Goal("modern call, 32 connections: CPU of Redis", "≤ 20 µs", redis_cpu, micros, most=20),
    Goal("append-only file, everysec", "≤ 15 % less", cost_of_file, shown_percent_less, most=0.15),
    Goal(
        "audit and lines of failed requests, split: CPU",
        "≤ 5 % more",
        cost_of_telemetry,
        shown_percent_more,
        most=0.05,
    ),
    Goal(
        "start to first answer, standalone",
        "≤ 50 ms",
        metric("first-answer", FIRST_ANSWER, "standalone", "first_answer_ms"),
        millis,
        most=50,
    ),
]


def judged(results: Results) -> list[Judged]:
    lines = []
    for goal in GOALS:
        value = goal.figure(results)
        shown = "–" if value is None else goal.shown(value)
        lines.append(Judged(goal.case, goal.goal, shown, goal.verdict(value)))
    return lines


def as_text(lines: list[Judged]) -> str:
    """For a terminal."""
    rows = [("case", "goal", "figure", "verdict")]
    rows += [(line.case.replace("`", ""), line.goal, line.figure, line.verdict.strip("*")) for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
