"""Closed-loop load by wrk: as many requests as the server answers, on connections that stay open."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from messages import FIRST_ID, INITIALIZE, INITIALIZED, Call

HERE = Path(__file__).parent
# A check reads every answer. A cold server of Python has hardly any in the first second.
CHECK_SECONDS = 2
# By how much answers may differ in size from those that were checked: the digits of a number.
TOLERANCE = 0.02
# Bytes around a chunk of a stream, at most.
FRAME = 10


class WrongAnswers(Exception):
    """Answers were not what the call asks for, so a figure would mean nothing."""


@dataclass(frozen=True)
class Load:
    """A call, ready to be sent to one server on so many connections."""

    url: str
    connections: int
    call: Call
    # Names of open sessions; for legacy calls only.
    sessions: tuple[str, ...]
    folder: Path

    def check(self) -> float:
        """Sends the call for a moment and reads every answer; returns the bytes of one.

        Raises WrongAnswers if any answer is not right.
        """
        result = self._run(CHECK_SECONDS, check=True)
        if result["wrong"] or not result["checked"]:
            raise WrongAnswers(f"{result['wrong']} of {result['checked']}: {result.get('said')}")
        return result["read"] / result["checked"]

    def measure(self, seconds: float, bytes_each: float) -> dict[str, float]:
        """Calls per second, and how long they took. Raises WrongAnswers if answers look unlike those checked."""
        result = self._run(seconds, check=False)
        if result["failed"] or result["wrong"]:
            raise WrongAnswers(f"{result['failed']} failed, {result['wrong']} wrong: {result.get('said')}")
        calls = result["checked"] if self.call.whole_session else result["requests"]
        size = result["bytes"] / result["requests"]
        # At the end, each connection may have been in the middle of an answer.
        slack = (TOLERANCE + self.connections / result["requests"]) * bytes_each
        # The check counts what is in the chunks of a stream; a log message may come with each event.
        framing = FRAME * (2 * self.call.events + 4)
        # Of a whole session every answer has been read.
        if not self.call.whole_session and not -slack <= size - bytes_each <= slack + framing:
            raise WrongAnswers(f"answers of {size:.0f} bytes, and {bytes_each:.0f} when they were checked")
        measured = {"calls": calls, "per_second": calls * 1e6 / result["microseconds"]}
        if not self.call.whole_session:
            measured |= {name: result[name] for name in ("p50_us", "p90_us", "p99_us", "max_us")}
        return measured

    def _run(self, seconds: float, check: bool) -> dict:
        # A whole session needs a thread of its own for each connection.
        threads = self.connections if self.call.whole_session else 1
        lua = HERE / ("session.lua" if self.call.whole_session else "call.lua")
        settings = self.folder / "call.lua"
        settings.write_text(self._as_lua())
        environment = {**os.environ, "BENCH_CALL": str(settings), "BENCH_REPORT": str(HERE / "report.lua")}
        if check:
            environment["BENCH_CHECK"] = "yes"
        command = ["wrk", f"-t{threads}", f"-c{self.connections}", f"-d{seconds}s", "--timeout", "20s"]
        run = subprocess.run(
            [*command, "-s", str(lua), self.url], env=environment, capture_output=True, text=True, check=False
        )
        return parsed(run.stdout, run.stderr)

    def _as_lua(self) -> str:
        headers = ", ".join(f"[{quoted(name)}] = {quoted(value)}" for name, value in self.call.headers().items())
        sessions = ", ".join(quoted(session) for session in self.sessions)
        return (
            f"call = {{ body = {quoted(self.call.body())}, headers = {{ {headers} }}, sessions = {{ {sessions} }},\n"
            f"  expected = {quoted(self.call.expected)}, events = {self.call.events}, first_id = {quoted(FIRST_ID)},\n"
            f"  initialize = {quoted(INITIALIZE)}, initialized = {quoted(INITIALIZED)} }}\n"
        )


def quoted(value: object) -> str:
    """As a string of Lua: JSON quotes the same way as long as there is nothing but ASCII."""
    return json.dumps(str(value))


def parsed(out: str, err: str) -> dict:
    """What `report.lua` printed."""
    result: dict = {}
    for line in out.splitlines():
        if line.startswith("RESULT "):
            result |= json.loads(line.removeprefix("RESULT "))
        elif line.startswith("SAID "):
            result["said"] = line.removeprefix("SAID ")
    if not result.get("requests"):
        raise WrongAnswers(f"no answer at all\n{out}{err}")
    return result
