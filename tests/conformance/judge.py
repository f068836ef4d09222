"""Judges what the official conformance suite found.

Its own totals and its exit code count too little: warnings and skipped checks pass, and some scenarios pass against a
server that is not there. So every `checks.json` is read, and each run must have all its scenarios, not one failure or
warning, and as many successes as a perfect server can have.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# server-<scenario>-2026-07-28T12-00-00-000Z
RESULT_FOLDER = re.compile(r"(authorization-)?server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
BAD = ("FAILURE", "WARNING")
# What the suite notes among its checks while it talks to the server.
TRAFFIC = ("incoming-", "outgoing-", "stream-closed")
# Messages of the suite can be long.
MESSAGE_LENGTH = 300


@dataclass(frozen=True)
class Run:
    """One run of the suite, and what a perfect server gets in it. Scenarios that are expected to fail are among the
    scenarios, not among the successes."""

    name: str
    suite: str
    options: tuple[str, ...]
    scenarios: int
    successes: int


LEGACY, MODERN = "0.1.16", "0.2.0-alpha.12"

RUNS = (
    Run("0.1.16", LEGACY, (), 32, 47),
    Run("0.2.0-alpha.12 at 2025-03-26", MODERN, ("--spec-version", "2025-03-26"), 1, 3),
    Run("0.2.0-alpha.12 at 2025-06-18", MODERN, ("--spec-version", "2025-06-18"), 27, 56),
    Run("0.2.0-alpha.12 at 2025-11-25", MODERN, ("--spec-version", "2025-11-25"), 33, 84),
    Run("0.2.0-alpha.12 at 2026-07-28", MODERN, ("--spec-version", "2026-07-28"), 40, 153),
    # Every scenario in its own era; the only run with those of the extensions.
    Run("0.2.0-alpha.12 with extensions", MODERN, (), 65, 276),
)

# Of the façade as an authorization server.
AUTHORIZATION = Run("0.2.0-alpha.12 authorization", MODERN, (), 2, 3)


@dataclass
class Verdict:
    """What came of a run."""

    run: Run
    scenarios: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def expected_failures(path: Path) -> set[str]:
    """The scenarios of the list. Of YAML, this reads what the list is made of: comments and `- item`."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return {line.removeprefix("- ") for line in lines if line.startswith("- ")}


def judge(run: Run, folder: Path, exit_code: int, excused: set[str]) -> Verdict:
    verdict = Verdict(run)
    any_excused = False
    shortfalls = []
    for scenario, checks in results(folder):
        verdict.scenarios.add(scenario)
        if scenario in excused:
            any_excused = True
            if passes(checks):
                verdict.problems.append(f"{scenario} passes: take it off the list of expected failures")
            continue
        verdict.statuses.update(check["status"] for check in checks)
        for check in checks:
            if check["status"] in BAD:
                verdict.problems.append(described(scenario, check))
            elif check["status"] != "SUCCESS" and not check["id"].startswith(TRAFFIC):
                shortfalls.append(described(scenario, check))
    if len(verdict.scenarios) != run.scenarios:
        verdict.problems.append(f"{len(verdict.scenarios)} scenarios ran, not {run.scenarios}")
    if verdict.statuses["SUCCESS"] != run.successes:
        verdict.problems.append(f"{verdict.statuses['SUCCESS']} checks succeeded, not {run.successes}")
        verdict.problems.extend(shortfalls)
    if exit_code != 0 and not any_excused:
        verdict.problems.append(f"the suite ended with exit code {exit_code}")
    return verdict


def results(folder: Path) -> list[tuple[str, list[dict[str, Any]]]]:
    """The checks of each scenario."""
    found = []
    for path in sorted(folder.glob("*server-*/checks.json")):
        name = RESULT_FOLDER.fullmatch(path.parent.name)
        assert name, f"{path.parent.name} does not name a scenario"
        found.append((name["scenario"], json.loads(path.read_text())))
    return found


def passes(checks: list[dict[str, Any]]) -> bool:
    statuses = {check["status"] for check in checks}
    return "SUCCESS" in statuses and statuses.isdisjoint((*BAD, "SKIPPED"))


def described(scenario: str, check: dict[str, Any]) -> str:
    details = check.get("details") or {}
    message = str(check.get("errorMessage") or details.get("message") or check.get("description") or "")
    return f"{check['status']:8} {scenario}: {check['id']}: {' '.join(message.split())[:MESSAGE_LENGTH]}"


def table(verdicts: list[tuple[str, Verdict]]) -> str:
    """One line for each run against each server, then the problems."""
    lines = [f"{'server':12} {'suite':32} {'scenarios':>9} {'success':>9} {'failure':>7} {'warning':>7}"]
    for server, verdict in verdicts:
        run, statuses = verdict.run, verdict.statuses
        scenarios = f"{len(verdict.scenarios)}/{run.scenarios}"
        successes = f"{statuses['SUCCESS']}/{run.successes}"
        numbers = f"{scenarios:>9} {successes:>9} {statuses['FAILURE']:7} {statuses['WARNING']:7}"
        lines.append(f"{server:12} {run.name:32} {numbers}  {'NO' if verdict.problems else 'ok'}")
    for server, verdict in verdicts:
        if verdict.problems:
            lines += ["", f"{server}, {verdict.run.name}:", *(f"  {problem}" for problem in verdict.problems)]
    return "\n".join(lines)
