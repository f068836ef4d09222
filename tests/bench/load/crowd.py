"""Many clients that cost the machine little: sessions, and streams that nobody reads until something is sent."""

from __future__ import annotations

import json
import re
import select
import socket
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from messages import INITIALIZE, LEGACY, PLAIN_HEADERS, Call

TIMEOUT_S = 60
CONNECTIONS = 16
# Requests that one connection sends before it reads their answers.
AHEAD = 25
SESSION = re.compile(rb"mcp-session-id: ([^\r]+)\r\n", re.IGNORECASE)
UPDATED = b"notifications/resources/updated"
ACKNOWLEDGED = b"notifications/subscriptions/acknowledged"


def connect(url: str) -> socket.socket:
    at = urlsplit(url)
    connection = socket.create_connection((at.hostname, at.port), timeout=TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def request(url: str, method: str, headers: dict[str, str], body: str = "") -> bytes:
    at = urlsplit(url)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
    return f"{method} {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\n{lines}{length}\r\n{body}".encode()


def read_until(connection: socket.socket, *ends: bytes, heard: bytes = b"") -> bytes:
    while not all(end in heard for end in ends):
        more = connection.recv(65536)
        assert more, f"ended early: {heard.decode(errors='replace')}"
        heard += more
    return heard


def open_sessions(url: str, count: int) -> list[str]:
    """New sessions, many at a time on few connections."""
    connections = [connect(url) for _ in range(CONNECTIONS)]
    opening = request(url, "POST", PLAIN_HEADERS, INITIALIZE)
    sessions: list[str] = []
    while len(sessions) < count:
        left = count - len(sessions)
        sent = []
        for connection in connections:
            ahead = min(AHEAD, left)
            left -= ahead
            connection.sendall(opening * ahead)
            sent.append((connection, ahead))
        for connection, ahead in sent:
            heard = b""
            while len(SESSION.findall(heard)) < ahead or heard.count(b'"serverInfo"') < ahead:
                more = connection.recv(262144)
                assert more, "the gateway closed a connection"
                heard += more
            assert heard.count(b"HTTP/1.1 200") == ahead, heard[-500:].decode(errors="replace")
            sessions += [name.decode() for name in SESSION.findall(heard)]
    for connection in connections:
        connection.close()
    return sessions


class Streams:
    """Open streams, one connection each."""

    def __init__(self) -> None:
        self._open: dict[int, socket.socket] = {}
        self._poll = select.epoll()

    def __len__(self) -> int:
        return len(self._open)

    def listen(self, url: str, sessions: Iterable[str]) -> None:
        """The GET stream of each session."""
        for session in sessions:
            headers = {"Accept": "text/event-stream", "MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": session}
            self._keep(url, request(url, "GET", headers), b"HTTP/1.1 200", b"\r\n\r\n")

    def subscribe(self, url: str, uri: str, count: int) -> None:
        """Modern subscriptions to one resource."""
        call = Call("subscriptions/listen", {"notifications": {"resourceSubscriptions": [uri]}}, "")
        for _ in range(count):
            self._keep(url, request(url, "POST", call.headers(), call.body()), ACKNOWLEDGED)

    def until_all_hear(self) -> tuple[float, float]:
        """When the first one has heard of an update, and when the last one has."""
        waiting = dict.fromkeys(self._open, b"")
        first = 0.0
        until = time.perf_counter() + TIMEOUT_S
        while waiting:
            assert time.perf_counter() < until, f"{len(waiting)} subscribers never heard of the update"
            for number, _ in self._poll.poll(1, 4096):
                more = self._open[number].recv(65536)
                assert more, "a subscription ended"
                if number in waiting:
                    waiting[number] += more
                    if UPDATED in waiting[number]:
                        del waiting[number]
                        first = first or time.perf_counter()
        return first, time.perf_counter()

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()
        self._poll.close()
        self._poll = select.epoll()

    def _keep(self, url: str, sent: bytes, *ends: bytes) -> None:
        connection = connect(url)
        connection.sendall(sent)
        read_until(connection, *ends)
        self._open[connection.fileno()] = connection
        self._poll.register(connection.fileno(), select.EPOLLIN)


def call_tool(url: str, name: str, arguments: dict[str, object], expected: bytes) -> None:
    """A modern call on a connection of its own."""
    call = Call("tools/call", {"name": name, "arguments": arguments}, "")
    with connect(url) as connection:
        connection.sendall(request(url, "POST", call.headers(), call.body()))
        heard = read_until(connection, expected)
    assert b'"isError":true' not in heard, heard.decode(errors="replace")


def legacy_call(session: str, name: str, arguments: dict[str, object]) -> tuple[dict[str, str], str]:
    """Headers and body of a call in a session that reports its progress."""
    params = {"name": name, "arguments": arguments, "_meta": {"progressToken": "p"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return {**PLAIN_HEADERS, "MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": session}, json.dumps(body)
