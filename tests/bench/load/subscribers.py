"""How long one update of a resource takes to reach thousands of subscribers on two gateways."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import subjects
from messages import Call
from subjects import Subject

URI = "everything://readme"
# In total, spread evenly. Streams of one address are bounded by a setting that has to be raised here.
SETTING = "5,000 subscribers on two gateways"
SUBSCRIBERS = 5000
FLAGS = ("--caller-streams", "10000")
LISTEN = Call("subscriptions/listen", {"notifications": {"resourceSubscriptions": [URI]}}, "")
TOUCH = Call("tools/call", {"name": "touch_resource", "arguments": {"uri": URI}}, "was updated")
ACKNOWLEDGED = b"notifications/subscriptions/acknowledged"
UPDATED = b"notifications/resources/updated"
TIMEOUT = 60


def measure(folder: Path, rounds: int, count: int = SUBSCRIBERS) -> list[dict[str, float]]:
    """One update per round, with the milliseconds until the first and until the last subscriber has it."""
    subjects.allow_many_connections()
    with contextlib.ExitStack() as stack:
        fleet = stack.enter_context(subjects.split(folder, "modern", gateways=2, gateway_flags=FLAGS))
        crowd = stack.enter_context(contextlib.closing(Crowd()))
        for number in range(count):
            crowd.subscribe(fleet.urls[number % len(fleet.urls)])
        # The first update also makes what later ones find made.
        touch(fleet, crowd)
        return [touch(fleet, crowd) for _ in range(rounds)]


class Crowd:
    """Subscribers: one connection each, read by one loop, so that reading costs as little as possible."""

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}
        self._poll = select.epoll()

    def subscribe(self, url: str) -> None:
        at = urlsplit(url)
        connection = socket.create_connection((at.hostname, at.port), timeout=TIMEOUT)
        connection.sendall(request(url, LISTEN))
        self._sockets[connection.fileno()] = connection
        heard = b""
        while ACKNOWLEDGED not in heard:
            more = connection.recv(65536)
            assert more, f"a subscription was refused: {heard.decode()}"
            heard += more
        connection.setblocking(False)
        self._poll.register(connection.fileno(), select.EPOLLIN)

    def wait_for_update(self) -> tuple[float, float]:
        """When the first one heard of the update, and when the last one did."""
        waiting = dict.fromkeys(self._sockets, b"")
        first = 0.0
        until = time.perf_counter() + TIMEOUT
        while waiting:
            assert time.perf_counter() < until, f"{len(waiting)} subscribers never heard of the update"
            for number, _ in self._poll.poll(1, 1024):
                more = self._sockets[number].recv(65536)
                assert more, "a subscription ended"
                if number in waiting:
                    waiting[number] += more
                    if UPDATED in waiting[number]:
                        del waiting[number]
                        first = first or time.perf_counter()
        return first, time.perf_counter()

    def close(self) -> None:
        self._poll.close()
        for connection in self._sockets.values():
            connection.close()


def touch(fleet: Subject, crowd: Crowd) -> dict[str, float]:
    at = urlsplit(fleet.url)
    with socket.create_connection((at.hostname, at.port), timeout=TIMEOUT) as connection:
        started = time.perf_counter()
        connection.sendall(request(fleet.url, TOUCH))
        first, last = crowd.wait_for_update()
        answer = connection.recv(65536).decode()
    assert TOUCH.expected in answer and '"isError":true' not in answer, answer
    return {"first_ms": (first - started) * 1e3, "last_ms": (last - started) * 1e3}


def request(url: str, call: Call) -> bytes:
    body = json.dumps(json.loads(call.body()))
    at = urlsplit(url)
    headers = "".join(f"{name}: {value}\r\n" for name, value in call.headers().items())
    return (
        f"POST {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
