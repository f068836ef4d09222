"""Open-loop load by prynai-load: calls begin at fixed times, whether earlier ones have been answered or not.

What a closed loop leaves out counts here: a call that could not begin in time has waited since it should have begun
(coordinated omission).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path

from processes import clean_environment

import subjects
from counters import cost, forget_peak_memory, peak_memory_mib, snapshot
from load.wrk import WrongAnswers
from messages import echo
from subjects import Subject

PROGRAM = "PRYNAI_BENCH_LOAD"
RATE = 3000
CLIENTS = 32
SETTING = "3,000 calls/s on 32 connections"
SUBJECTS = {"rmcp": subjects.rmcp, "split": subjects.split, "standalone": subjects.standalone}
# How prynai-load names calls for which it had no free client in time.
UNSENT = "due and never sent"
QUANTILES = ("p50", "p90", "p95", "p99", "max")

Measured = dict[str, tuple[list[dict], dict[str, float]]]


def measure(folder: Path, rounds: int, seconds: int) -> Measured:
    """The rounds of each subject, and the peak memory of its processes."""
    with contextlib.ExitStack() as stack:
        ready = []
        for name, start in SUBJECTS.items():
            own = folder / name
            own.mkdir()
            ready.append((name, stack.enter_context(start(own, "modern"))))
        for _, subject in ready:
            run(subject, 1)
            forget_peak_memory(subject.processes.values())
        found: dict[str, list[dict]] = {name: [] for name in SUBJECTS}
        for number in range(rounds):
            turn = number % len(ready)
            for name, subject in ready[turn:] + ready[:turn]:
                found[name].append(measure_once(subject, seconds))
        return {
            name: (found[name], {part: peak_memory_mib(pid) for part, pid in subject.processes.items()})
            for name, subject in ready
        }


def measure_once(subject: Subject, seconds: int) -> dict:
    with subject.redis() as redis:
        before = snapshot(subject.processes, redis)
        measured = run(subject, seconds)
        after = snapshot(subject.processes, redis)
    return {**measured, **cost(before, after, measured["calls"])}


def run(subject: Subject, seconds: int) -> dict:
    call = echo()
    report = subject.folder / "load.json"
    command = [os.environ[PROGRAM], subject.url, "--mode", "modern", "--clients", str(CLIENTS), "--rate", str(RATE)]
    command += ["--duration", f"{seconds}s", "--tool", "echo", "--arguments", json.dumps(call.params["arguments"])]
    command += ["--json", str(report)]
    ran = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise WrongAnswers(f"prynai-load ended with {ran.returncode}: {ran.stdout}{ran.stderr}")
    return told(json.loads(report.read_text()))


def told(report: dict) -> dict:
    """What the report of prynai-load says of its calls, in microseconds.

    Calls that were never sent, because the server fell behind, are no wrong answers; the latencies show it anyway.
    """
    errors = report["errors_by_kind"]
    unsent = sum(count for kind, count in errors.items() if kind.startswith(UNSENT))
    if report["failed"] or report["lost"] or report["errors"] > unsent:
        raise WrongAnswers(f"{report['failed']} failed, {report['lost']} lost: {errors}")
    latency = {f"{name}_us": report["latency_ms"][name] * 1000 for name in QUANTILES}
    # How late the load itself was, which is no fault of the server.
    late = report["sent_late_ms"]["p99"] * 1000
    measured = {"calls": report["answered"], "per_second": report["per_second"], "unsent": unsent}
    return {**measured, "sent_late_p99_us": late, **latency}
