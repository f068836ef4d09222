"""Tells the clients of the tests what the workers do, so that a cancel can be seen where it matters.

    GET /working    200 as soon as a worker runs a call
    GET /idle       200 as soon as no call waits or runs

Either is answered with 504 when it takes longer than a working fleet needs. refusing_fleet.py adds questions.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO
from urllib.parse import urlsplit

# As docs/fleet.md names it: the requests and notifications that wait or run.
QUEUE = "prynai:{main.0}:requests"
# Claimed by a worker, which fetches a few at a time.
CLAIMED = f"XPENDING {QUEUE} workers - + 100"
WAITING_OR_RUNNING = f"XRANGE {QUEUE} - +"
CALL = b"tools/call"

ANSWER_SECONDS = 15
LOOK_EVERY_SECONDS = 0.02


class FleetWork:
    """The queue of a fleet, read from its Redis."""

    def __init__(self, redis_url: str) -> None:
        parts = urlsplit(redis_url)
        self._redis = (parts.hostname, parts.port)

    def working(self) -> bool:
        claimed = {entry[0] for entry in self._ask(CLAIMED)}
        return any(entry in claimed and CALL in fields for entry, fields in self._ask(WAITING_OR_RUNNING))

    def idle(self) -> bool:
        return not self._ask(WAITING_OR_RUNNING)

    def wait_until_idle(self, seconds: float = ANSWER_SECONDS) -> bool:
        return wait_for(self.idle, seconds)

    def questions(self) -> dict[str, Callable[[], bool]]:
        return {"/working": self.working, "/idle": self.idle}

    def _ask(self, command: str) -> Any:
        with socket.create_connection(self._redis) as connection, connection.makefile("rb") as answer:
            connection.sendall(f"{command}\r\n".encode())
            return value_of(answer)


def value_of(answer: BinaryIO) -> Any:
    """Reads one value of Redis' protocol (RESP 2)."""
    line = answer.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"*":
        return [value_of(answer) for _ in range(int(rest))]
    if kind == b"$":
        return answer.read(int(rest) + 2)[:-2]
    assert kind == b":", line
    return int(rest)


@contextlib.contextmanager
def served(work: FleetWork) -> Iterator[str]:
    """Serves the questions; gives the address without a path."""
    questions = work.questions()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if wait_for(questions[self.path], ANSWER_SECONDS) else 504)
            self.send_header("Content-Length", "0")
            # For clients that are web pages.
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The clients report; requests are not news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_SECONDS)
    return True
