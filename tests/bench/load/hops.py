"""Which commands one call costs Redis, in their order, as MONITOR tells them."""

from __future__ import annotations

import contextlib
import http.client
import re
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import subjects
from counters import OWN_COMMANDS, Redis
from messages import Call, echo

CALLS = 20
# Until the fleet does nothing but wait, and until what follows an answer is done.
QUIET_SECONDS = 0.3
# What one client sends within this time was sent at once: an answer takes longer to come and to be answered.
AT_ONCE_SECONDS = 0.000_025
TOLD = re.compile(r'^\+?([\d.]+) \[\d+ ([^\]]+)\] "(\w+)"')
SETTING = "one call at a time"


def measure(folder: Path) -> list[dict[str, object]]:
    """For each of some calls: its commands, and how many of them it had to wait for one after the other."""
    with contextlib.ExitStack() as stack:
        fleet = stack.enter_context(subjects.split(folder, "modern"))
        assert fleet.redis_port
        call = echo()
        at = urlsplit(fleet.url)
        connection = stack.enter_context(contextlib.closing(http.client.HTTPConnection(at.netloc, timeout=30)))
        send(connection, call)
        found = []
        for _ in range(CALLS):
            time.sleep(QUIET_SECONDS)
            redis = stack.enter_context(contextlib.closing(Redis(fleet.redis_port)))
            redis.send("MONITOR")
            redis.line()
            send(connection, call)
            time.sleep(QUIET_SECONDS)
            found.append(told(lines_until_marker(redis, fleet.redis_port)))
            redis.close()
        return found


def send(connection: http.client.HTTPConnection, call: Call) -> None:
    connection.request("POST", "/mcp", call.body(), call.headers())
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200 and call.expected in text, f"{answer.status} {text}"


def lines_until_marker(redis: Redis, port: int) -> list[str]:
    """What MONITOR has told so far."""
    with contextlib.closing(Redis(port)) as marker:
        marker.send("ECHO", "the end of the bench")
        marker.line()
    lines = []
    while "the end of the bench" not in (line := redis.line()):
        lines.append(line)
    return lines


@dataclass(frozen=True)
class Command:
    """A command that Redis ran, as MONITOR tells it."""

    at: float
    # Its address, or `lua` for what a script calls.
    client: str
    name: str

    @property
    def of_script(self) -> bool:
        return self.client == "lua"


def told(lines: list[str]) -> dict[str, object]:
    """The commands that processes sent, in order; those that scripts call stand in parentheses."""
    matches = [match for line in lines if (match := TOLD.match(line))]
    commands = [Command(float(match[1]), match[2], match[3].lower()) for match in matches]
    commands = [command for command in commands if command.name not in OWN_COMMANDS]
    names = [f"({command.name})" if command.of_script else command.name for command in commands]
    return {"sequence": " ".join(names), "hops": waited_for(commands)}


def waited_for(commands: list[Command]) -> int:
    """How often a call waits for Redis, one time after the other: for its place in the queue, for its claim, and for
    what follows until a script publishes the answer. What is sent at once is waited for once."""
    names = [command.name for command in commands]
    publications = [index for index, one in enumerate(commands) if one.of_script and one.name == "publish"]
    if "xadd" not in names or not publications:
        return 0
    # The claim that takes the entry was asked for before the entry came, with all that goes in its pipeline; the one
    # that MONITOR tells of is for the next call.
    claiming = {one.client for one in commands if one.name == "xreadgroup"}
    sent = [one for one in commands[names.index("xadd") : publications[0]] if not one.of_script]
    sent = [one for one in sent if one.client not in claiming]
    pairs = zip(sent, sent[1:], strict=False)
    together = sum(one.client == next.client and next.at - one.at < AT_ONCE_SECONDS for one, next in pairs)
    return len(sent) - together + 1
