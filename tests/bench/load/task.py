"""What `tasks/get` costs beside a `ping` in a session, the least that a client can ask: at one fleet, in turn."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from pathlib import Path
from urllib.parse import urlsplit

import subjects
from counters import cost, snapshot
from load.wrk import Load
from messages import Call
from subjects import Subject

CONNECTIONS = 32
PAUSE_SECONDS = 0.2
SETTING = "32 connections"
PING, TASK = "ping", "tasks/get"
EXTENSION = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
# The call whose task is asked about: it outlasts what a call may run before it becomes one.
SOON = ("--task-after", "1s")
SLOW = {"name": "long_running", "arguments": {"steps": 3, "delay_ms": 700}}


def measure(folder: Path, rounds: int, seconds: int) -> dict[str, list[dict]]:
    """The rounds of both."""
    with contextlib.ExitStack() as stack:
        fleet = stack.enter_context(subjects.fleet(folder, "split", worker_flags=SOON))
        sessions = tuple(fleet.open_session() for _ in range(CONNECTIONS))
        calls = {PING: Call("ping", {}, '"result":{}', era="legacy"), TASK: asking(ended_task(fleet))}
        ready = []
        for name, call in calls.items():
            own = folder / name.replace("/", "-")
            own.mkdir()
            load = Load(fleet.url, CONNECTIONS, call, sessions if call.era == "legacy" else (), own)
            ready.append((name, load, load.check()))
        found: dict[str, list[dict]] = {name: [] for name in calls}
        for number in range(rounds):
            turn = number % len(ready)
            for name, load, bytes_each in ready[turn:] + ready[:turn]:
                with fleet.redis() as redis:
                    before = snapshot(fleet.processes, redis)
                    measured = load.measure(seconds, bytes_each)
                    after = snapshot(fleet.processes, redis)
                found[name].append({**measured, **cost(before, after, measured["calls"])})
        return found


def asking(task: str) -> Call:
    """The request of a client that asks how the task stands."""
    return Call("tasks/get", {"taskId": task}, '"completed"', name=task, capabilities=EXTENSION)


def ended_task(fleet: Subject) -> str:
    """The id of a task that has ended."""
    at = urlsplit(fleet.url)
    call = Call("tools/call", SLOW, "taskId", capabilities=EXTENSION)
    with contextlib.closing(http.client.HTTPConnection(at.netloc, timeout=30)) as connection:
        made = told(connection, at.path, call)["result"]
        while told(connection, at.path, asking(made["taskId"]))["result"]["status"] == "working":
            time.sleep(PAUSE_SECONDS)
    return made["taskId"]


def told(connection: http.client.HTTPConnection, path: str, call: Call) -> dict:
    connection.request("POST", path, call.body(), {**call.headers(), "Accept": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200, f"{answer.status} {text}"
    return json.loads(text)
