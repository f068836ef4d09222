"""How long one update of a resource takes to reach thousands of subscribers on two gateways."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import subjects
from load.crowd import Streams, connect, read_until, request
from messages import Call

URI = "everything://readme"
# In total, spread evenly. Streams of one address are bounded by a setting that has to be raised here.
SETTING = "5,000 subscribers on two gateways"
SUBSCRIBERS = 5000
FLAGS = ("--caller-streams", "10000")
TOUCH = Call("tools/call", {"name": "touch_resource", "arguments": {"uri": URI}}, "was updated")


def measure(folder: Path, rounds: int, count: int = SUBSCRIBERS) -> list[dict[str, float]]:
    """One update per round, with the milliseconds until the first and until the last subscriber has it."""
    subjects.allow_many_connections()
    with (
        subjects.fleet(folder, "split", gateways=2, gateway_flags=FLAGS) as fleet,
        contextlib.closing(Streams()) as crowd,
    ):
        for number, url in enumerate(fleet.urls):
            crowd.subscribe(url, URI, count // 2 + (count % 2) * number)
        # The first update also makes what later ones find made.
        touch(fleet.url, crowd)
        return [touch(fleet.url, crowd) for _ in range(rounds)]


def touch(url: str, crowd: Streams) -> dict[str, float]:
    with connect(url) as connection:
        started = time.perf_counter()
        connection.sendall(request(url, "POST", TOUCH.headers(), TOUCH.body()))
        first, last = crowd.until_all_hear()
        answer = read_until(connection, TOUCH.expected.encode())
    assert b'"isError":true' not in answer, answer.decode(errors="replace")
    return {"first_ms": (first - started) * 1e3, "last_ms": (last - started) * 1e3}
