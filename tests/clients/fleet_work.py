"""Tells the clients of the tests what the workers do, so that a cancel can be seen where it matters.

    GET /working    200 as soon as a worker runs a call
    GET /idle       200 as soon as no call waits or runs

Either is answered with 504 when it takes longer than a working fleet needs.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# As the README names them: the requests that wait or run, and those that a worker has claimed.
WAITING_OR_RUNNING = b"XLEN prynai:{main.0}:requests\r\n"
RUNNING = b"XPENDING prynai:{main.0}:requests workers\r\n"

ANSWER_SECONDS = 15
LOOK_EVERY_SECONDS = 0.02


class FleetWork:
    """The queue of a fleet, read from its Redis."""

    def __init__(self, redis_url: str) -> None:
        parts = urlsplit(redis_url)
        self._redis = (parts.hostname, parts.port)

    def working(self) -> bool:
        return self._number(RUNNING) > 0

    def idle(self) -> bool:
        return self._number(WAITING_OR_RUNNING) == 0

    def wait_until_idle(self, seconds: float = ANSWER_SECONDS) -> bool:
        return wait_for(self.idle, seconds)

    def _number(self, command: bytes) -> int:
        """The first number of Redis' answer."""
        with socket.create_connection(self._redis) as connection, connection.makefile("rb") as answer:
            connection.sendall(command)
            line = answer.readline()
            if line.startswith(b"*"):
                line = answer.readline()
        number = re.fullmatch(rb":(\d+)\r\n", line)
        assert number, line
        return int(number[1])


@contextlib.contextmanager
def served(work: FleetWork) -> Iterator[str]:
    """Serves the questions; gives the address without a path."""
    questions = {"/working": work.working, "/idle": work.idle}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if wait_for(questions[self.path], ANSWER_SECONDS) else 504)
            self.send_header("Content-Length", "0")
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


def wait_for(condition, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_SECONDS)
    return True
