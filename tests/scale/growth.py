"""The cases: what grows, and what is measured at each size. Each gives rows of figures."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from load.crowd import Streams, call_tool, connect, legacy_call, open_sessions, read_until, request
from fleet import CONNECTIONS, PAUSE_S, by_part, cost_of_calls, fleet, gateway_pids, prepared, resident_kib
from counters import snapshot
from messages import LEGACY
from processes import binary

Row = dict[str, float | str]

URI = "everything://readme"
# What "given back" looks at, and how long after the last stream was closed.
GIVEN_BACK_AFTER_S = 30
LEASE = ("--lease", "5s")
KILL_EVERY_S = 3


@dataclass(frozen=True)
class Plan:
    folder: Path
    rounds: int
    seconds: int
    # The largest sizes are left out.
    quick: bool

    def sizes(self, *sizes: int) -> list[int]:
        return list(sizes[:-2]) if self.quick and len(sizes) > 3 else list(sizes)


def sessions(plan: Plan) -> list[Row]:
    """A call, with so many sessions alive."""
    rows = []
    with fleet(plan.folder) as subject:
        alive = 0
        for size in plan.sizes(1, 10, 100, 1_000, 10_000, 100_000):
            open_sessions(subject.url, size - alive)
            alive = size
            for era in ("modern", "legacy"):
                costs = cost_of_calls(subject, plan.rounds, plan.seconds, era)
                with subject.redis() as redis:
                    assert redis is not None
                    mib = int(redis.info()["used_memory"]) / 1024**2
                rows.append({"sessions": size, "era": era} | costs | {"MiB of Redis": mib})
                say(rows[-1])
            # Each measurement in the legacy era opens some more.
            alive += CONNECTIONS
    return rows


def streams(plan: Plan) -> list[Row]:
    """A call, with so many GET streams open on its gateway; and their memory."""
    rows: list[Row] = []
    with fleet(plan.folder) as subject, contextlib.closing(Streams()) as opened:
        [gateway] = gateway_pids(subject)
        cost_of_calls(subject, 1, plan.seconds)
        at_first = resident_kib(gateway)
        for size in plan.sizes(1, 10, 100, 1_000, 10_000):
            before = resident_kib(gateway)
            more = size - len(opened)
            with subject.redis() as redis:
                names = open_sessions(subject.url, more)
                started = snapshot(subject.processes, redis)
                opened.listen(subject.url, names)
                opening = by_part(started, snapshot(subject.processes, redis), more)
            kib = (resident_kib(gateway) - before) / more
            costs = cost_of_calls(subject, plan.rounds, plan.seconds)
            rows.append({"open streams": size} | costs)
            if more >= 90:
                rows[-1] |= {"gateway µs to open one": opening["gateway"], "KiB each": kib}
            say(rows[-1])
        most = resident_kib(gateway)
        opened.close()
        time.sleep(GIVEN_BACK_AFTER_S)
        left = resident_kib(gateway)
        back = (most - left) / (most - at_first)
        rows.append({"open streams": f"0, {GIVEN_BACK_AFTER_S} s after closing", "given back": f"{back:.0%}"})
        rows[-1] |= {"MiB before, with all, after": " / ".join(f"{kib / 1024:.0f}" for kib in (at_first, most, left))}
        say(rows[-1])
    return rows


def gateways(plan: Plan) -> list[Row]:
    """A call, with so many gateways and 32 connections at each of them."""
    return replicas(plan, "gateways")


def workers(plan: Plan) -> list[Row]:
    """A call, with so many workers and 32 connections for each of them."""
    return replicas(plan, "workers")


def replicas(plan: Plan, what: str) -> list[Row]:
    """As load grows with the number of processes: the same load on more of them would make smaller batches of it."""
    rows = []
    for size in plan.sizes(1, 2, 4, 8):
        folder = plan.folder / str(size)
        folder.mkdir()
        with fleet(folder, **{what: size}) as subject:
            costs = cost_of_calls(subject, plan.rounds, plan.seconds, connections=size * CONNECTIONS)
            rows.append({what: size} | costs)
            say(rows[-1])
    return rows


def subscribers(plan: Plan) -> list[Row]:
    """A call, with so many subscribers of one resource on two gateways; and one update to them all."""
    rows = []
    with fleet(plan.folder, gateways=2) as subject, contextlib.closing(Streams()) as opened:
        for size in plan.sizes(0, 1, 10, 100, 1_000, 5_000):
            for url in subject.urls:
                opened.subscribe(url, URI, (size - len(opened)) // 2 if url != subject.urls[-1] else size - len(opened))
            row: Row = {"subscribers": size} | cost_of_calls(subject, plan.rounds, plan.seconds)
            if size:
                row |= update(subject, opened, plan.rounds * 3)
            rows.append(row)
            say(row)
    return rows


def update(subject, opened: Streams, rounds: int) -> dict[str, float]:
    took, cpu = [], []
    with subject.redis() as redis:
        for _ in range(rounds):
            time.sleep(PAUSE_S)
            before = snapshot(subject.processes, redis)
            started = time.perf_counter()
            call_tool(subject.url, "touch_resource", {"uri": URI}, b"was updated")
            _, last = opened.until_all_hear()
            took.append((last - started) * 1e3)
            cpu.append(by_part(before, snapshot(subject.processes, redis), len(opened))["gateway"])
    return {"ms until the last hears": statistics.median(took), "gateways' µs for each": statistics.median(cpu)}


def resume(plan: Plan) -> list[Row]:
    """How long a stream takes that breaks on one gateway and goes on at another, from the GET to the response."""
    took = []
    with fleet(plan.folder, gateways=2) as subject:
        first, second = subject.urls
        for session in open_sessions(first, 20 if plan.quick else 200):
            headers, body = legacy_call(session, "long_running", {"steps": 2, "delay_ms": 50})
            with connect(first) as connection:
                connection.sendall(request(first, "POST", headers, body))
                heard = read_until(connection, b"id: ", b"\n\n")
            place = heard.split(b"id: ", 1)[1].split(b"\n", 1)[0].strip().decode()
            time.sleep(0.15)
            going_on = {"Accept": "text/event-stream", "MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": session}
            started = time.perf_counter()
            with connect(second) as connection:
                connection.sendall(request(second, "GET", going_on | {"Last-Event-ID": place}))
                heard = read_until(connection, b"done after 2 steps")
            took.append((time.perf_counter() - started) * 1e3)
    took.sort()
    row: Row = {"resumes": len(took), "p50 ms": statistics.median(took), "p99 ms": took[len(took) * 99 // 100]}
    row["worst ms"] = took[-1]
    say(row)
    return [row]


def kills(plan: Plan) -> list[Row]:
    """How long a call takes while one of three workers is killed every three seconds, and another one takes its place.

    A call that a worker held when it died runs again at most a lease (here 5 s) and a second later.
    """
    seconds = 6 if plan.quick else 30
    with fleet(plan.folder, workers=1, worker_flags=LEASE) as subject:
        command = [binary("prynai-worker"), "--redis-url", f"redis://127.0.0.1:{subject.redis_port}", *LEASE]
        victims = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
        load = prepared(subject, subject.url, 0, "modern")
        size = load.check()
        rows: list[Row] = []
        for name, deadly in (("all live", False), ("killed every 3 s", True)):
            with ThreadPoolExecutor(1) as pool:
                measured = pool.submit(load.measure, seconds, size)
                killed = 0
                while deadly and not wait([measured], KILL_EVERY_S).done:
                    victims[killed % 2].kill()
                    victims[killed % 2].wait()
                    victims[killed % 2] = subprocess.Popen(command, stdout=subprocess.DEVNULL)
                    killed += 1
                taken = measured.result()
            row: Row = {"workers": name, "killed": killed, "calls": taken["calls"]}
            row |= {f"{mark} ms": taken[f"{mark}_us"] / 1e3 for mark in ("p50", "p99", "max")}
            rows.append(row)
            say(row)
        for victim in victims:
            victim.kill()
            victim.wait()
    return rows


def backlog(plan: Plan) -> list[Row]:
    """What XINFO GROUPS tells an autoscaler when one worker has more calls than permits (64)."""
    rows = []
    with fleet(plan.folder) as subject, subject.redis() as redis:
        assert redis is not None
        for size in plan.sizes(16, 64, 128, 512):
            threads = [
                threading.Thread(
                    target=call_tool,
                    args=(subject.url, "long_running", {"steps": 1, "delay_ms": 1500}, b"done after"),
                )
                for _ in range(size)
            ]
            for thread in threads:
                thread.start()
            time.sleep(1)
            group = group_of(redis)
            rows.append({"calls of 1.5 s at once": size} | group)
            say(rows[-1])
            for thread in threads:
                thread.join()
    return rows


def group_of(redis) -> dict[str, float]:
    redis.send("XINFO", "GROUPS", "prynai:{main.0}:requests")
    # One group: a map of names and values, each with a line that says what it is.
    lines, fields = [], 0
    head = redis.line()
    assert head == "*1", head
    fields = int(redis.line().lstrip("*%"))
    while len(lines) < fields:
        kind = redis.line()
        lines.append(redis.line() if kind.startswith("$") and kind != "$-1" else kind.lstrip(":"))
    values = dict(zip(lines[::2], lines[1::2], strict=True))
    return {name: float(values[name]) for name in ("pending", "lag")}


def say(row: Row) -> None:
    print("  " + ", ".join(f"{name} {shown(value)}" for name, value in row.items()), flush=True)


def shown(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:.1f}"


CASES: dict[str, Callable[[Plan], list[Row]]] = {
    "sessions": sessions,
    "streams": streams,
    "gateways": gateways,
    "workers": workers,
    "subscribers": subscribers,
    "resume": resume,
    "kills": kills,
    "backlog": backlog,
}
