"""Makes a fleet refuse, for clients that must outlive it, and tells when they have given up what has ended.

    GET /quiet      200 as soon as no client has tried to open or resume a stream for a while
    GET /full       200 as soon as the queue is full of other callers' calls; /room takes them away again
    GET /away       200 as soon as Redis stands still; /back makes it go on
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from fleet_work import ANSWER_SECONDS, LOOK_EVERY_SECONDS, FleetWork
from processes import Server

# Clients wait for half a second between two attempts, as they are told to.
QUIET_SECONDS = 3
# More than it takes to fill the queue, and refusals in a row that each gateway had its turn in.
MOST_ATTEMPTS = 128
REFUSALS = 4

# What the fleet is started with: room for what a client is put through, and for a few others that fill it.
QUEUE_LIMIT = 16
GATEWAY_FLAGS = ["--queue-limit", str(QUEUE_LIMIT), "--caller-limit", "4"]
WORKER_FLAGS = ["--max-result", "64KiB"]


def request(method: str, params: dict[str, object]) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


INITIALIZE = request(
    "initialize",
    {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "filler", "version": "1"}},
)
FILLER = request("tools/call", {"name": "long_running", "arguments": {"steps": 1000, "delay_ms": 1000}})


class RefusingFleet(FleetWork):
    """A fleet that can be made to refuse."""

    def __init__(self, server: Server) -> None:
        assert server.redis_url is not None
        super().__init__(server.redis_url)
        self._url = server.url
        processes = {process.name: process for process in server.processes}
        self._redis_process = processes["redis"]
        self._balancer = processes["balancer"]
        self._fillers: list[tuple[dict[str, str], http.client.HTTPConnection]] = []

    def questions(self) -> dict[str, Callable[[], bool]]:
        return {
            **super().questions(),
            "/quiet": self.quiet,
            "/full": self.fill,
            "/room": self.make_room,
            "/away": lambda: self._signal_redis(signal.SIGSTOP),
            "/back": lambda: self._signal_redis(signal.SIGCONT),
        }

    def gets(self) -> int:
        """How often a client has tried to open or resume a stream. Some go on with the stream of the session when that
        of a call has ended, so all count."""
        return sum('"GET"' in line for line in self._balancer.log.open())

    def quiet(self) -> bool:
        begun = quiet_since = time.monotonic()
        gets = self.gets()
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            if (now := self.gets()) != gets:
                gets, quiet_since = now, time.monotonic()
            if time.monotonic() - begun > ANSWER_SECONDS:
                return False
            time.sleep(LOOK_EVERY_SECONDS)
        return True

    def fill(self) -> bool:
        refused = 0
        for _ in range(MOST_ATTEMPTS):
            # What waits or runs beside the fillers ends soon, and would leave room.
            if len(self._fillers) >= QUEUE_LIMIT and refused >= REFUSALS:
                return True
            refused = 0 if self._holds_one_more() else refused + 1
        return False

    def make_room(self) -> bool:
        for session, connection in self._fillers:
            self._send("DELETE", None, session)
            connection.close()
        self._fillers.clear()
        return self.idle()

    def serve_again(self) -> None:
        """For the next client, whatever became of this one."""
        self._signal_redis(signal.SIGCONT)
        self.make_room()

    def _holds_one_more(self) -> bool:
        """Whether one more call runs, in a session of its own."""
        opened = self._send("POST", INITIALIZE)[1]
        assert opened.status == 200, opened.status
        session = {"Mcp-Session-Id": opened.headers["Mcp-Session-Id"]}
        connection, answer = self._send("POST", FILLER, session)
        if answer.headers["Content-Type"] == "text/event-stream":
            self._fillers.append((session, connection))
            return True
        error = json.loads(answer.read())["error"]
        assert error["data"]["reason"] == "queue_full", error
        self._send("DELETE", None, session)
        return False

    def _send(
        self, method: str, message: str | None, session: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urlsplit(self._url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=ANSWER_SECONDS)
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        connection.request(method, parts.path, message, {**headers, **(session or {})})
        return connection, connection.getresponse()

    def _signal_redis(self, number: int) -> bool:
        os.kill(self._redis_process.pid, number)
        return True
