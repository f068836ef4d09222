"""What is measured, in which order, and with whom."""

from __future__ import annotations

from dataclasses import dataclass

import subjects
from messages import Call, echo, list_tools, progress

ALL = {
    "rmcp": subjects.rmcp,
    "fastmcp": subjects.fastmcp,
    "split": subjects.split,
    "standalone": subjects.standalone,
}
US = {name: ALL[name] for name in ("rmcp", "split", "standalone")}


@dataclass(frozen=True)
class Setting:
    """One point of a case."""

    name: str
    connections: int
    call: Call


@dataclass(frozen=True)
class Case:
    """Subjects that get the same load in turn."""

    name: str
    title: str
    settings: tuple[Setting, ...]
    subjects: dict[str, subjects.Subjects]
    # What one of them is called in a table.
    unit: str = "call"

    @property
    def era(self) -> str:
        return self.settings[0].call.era


def at(*connections: int, call: Call) -> tuple[Setting, ...]:
    return tuple(Setting(f"{count} connection{'s' if count > 1 else ''}", count, call) for count in connections)


CASES = [
    Case("modern", "Modern call: `tools/call` of `echo`, 100 bytes", at(1, 32, 64, 256, call=echo()), ALL),
    Case(
        "payload",
        "Modern call by size of the text, which goes there and comes back",
        (
            Setting("100 B", 32, echo(100)),
            Setting("10 KiB", 32, echo(10 * 1024)),
            Setting("1 MiB", 8, echo(1024 * 1024)),
        ),
        ALL,
    ),
    Case("legacy", "Legacy call in an open session", at(1, 32, call=echo(era="legacy")), ALL),
    Case(
        "session",
        "Legacy: `initialize`, `initialized`, one call, DELETE",
        at(32, call=echo(era="legacy", whole_session=True)),
        ALL,
        unit="session",
    ),
    Case("progress", "Modern call with 10 progress events", at(32, 64, call=progress()), US),
    Case("list", "Modern `tools/list`", at(32, call=list_tools()), ALL),
    Case(
        "durability",
        "Modern call with and without an append-only file (everysec)",
        at(32, call=echo()),
        {"split": subjects.split, "split, append-only file": subjects.split_with_file},
    ),
    Case(
        "telemetry",
        "Modern call with and without the audit and the lines of failed requests",
        at(32, call=echo()),
        {"split": subjects.split, "split, silent": subjects.split_silent},
    ),
]
