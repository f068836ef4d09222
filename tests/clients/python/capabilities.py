"""What a client is put through, and how its program reports that.

A program here adapts one client to `Client` and calls `main`, which runs it as

    python PROGRAM.py URL FLEET REVISION capabilities|endings|deadline

where URL is the endpoint, FLEET that of ../fleet_work.py, and REVISION the protocol revision to speak. With `endings`
the client is refused, or left without an answer, and must live on; so too with `deadline`, on a fleet where a request
may take two seconds. Each capability gets a client of its own and one
line of JSON on standard output; the reasons of failures go to standard error. ../node/capabilities.mjs asks the same of
the clients of Node.
"""

from __future__ import annotations

import abc
import asyncio
import json
import sys
import traceback
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import anyio.to_thread

HANDSHAKE = "2025-11-25"
STATELESS = "2026-07-28"

# What the client's model and user answer, whenever they are asked.
# Some readers of event streams end a line at each of the last three.
SUMMARY = "Two halves. \u2028\u2029\x85"
CONFIRMED = {"confirm": True, "time": "20:15"}

README = "everything://readme"
# The policy of the fleet that refuses says nothing of it.
FORBIDDEN = "everything://counter"
# A gateway takes 4 MiB.
TOO_LARGE = "x" * (5 << 20)
# A worker of the fleet that refuses sends 64 KiB.
TOO_LARGE_A_RESULT = 80 << 10
# More than one caller may have under way at both gateways of that fleet.
MORE_THAN_THE_SHARE = 12
NOTE = "everything://notes/resume"

# Only something that hangs meets it.
CAPABILITY_SECONDS = 30
REFUSED_SECONDS = 10

OnProgress = Callable[[float], None]


class Updates(Protocol):
    """The `notifications/resources/updated` of one watched resource."""

    async def next(self) -> str:
        """Waits for the next one and gives its URI."""


class Client(abc.ABC):
    """A connected client. Where it answers questions, it answers with `SUMMARY` and `CONFIRMED`."""

    @abc.abstractmethod
    async def list_tools(self) -> Collection[str]:
        """The names of all tools."""

    @abc.abstractmethod
    async def call(self, tool: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> str:
        """The text of the tool's result."""

    @abc.abstractmethod
    async def read(self, uri: str) -> str:
        """The text of a resource."""

    @abc.abstractmethod
    def watch(self, uri: str) -> AbstractAsyncContextManager[Updates]:
        """Subscribes to a resource; once entered, no later change of it is missed."""

    async def abandon(
        self,
        tool: str,
        arguments: dict[str, Any],
        when: Callable[[], Awaitable[object]],
        on_progress: OnProgress | None = None,
    ) -> None:
        """Calls a tool and cancels the call when `when` returns."""
        call = asyncio.create_task(self.call(tool, arguments, on_progress))
        await when()
        call.cancel()
        await asyncio.wait([call])


Connect = Callable[[str, str], AbstractAsyncContextManager[Client]]


@dataclass
class Stage:
    """Where the checks play."""

    connect: Callable[[], AbstractAsyncContextManager[Client]]
    fleet: str

    async def works(self) -> None:
        """Returns when a worker runs a call."""
        await self._ask("working")

    async def is_idle(self) -> None:
        """Returns when no call waits or runs."""
        await self._ask("idle")

    async def is_quiet(self) -> None:
        """Returns when the client has given up the streams of calls that have ended."""
        await self._ask("quiet")

    @asynccontextmanager
    async def full_queue(self) -> AsyncIterator[None]:
        await self._ask("full")
        try:
            yield
        finally:
            await self._ask("room")

    @asynccontextmanager
    async def no_redis(self) -> AsyncIterator[None]:
        await self._ask("away")
        try:
            yield
        finally:
            await self._ask("back")

    async def _ask(self, question: str) -> None:
        # Fails when the answer is no.
        await anyio.to_thread.run_sync(lambda: urllib.request.urlopen(f"{self.fleet}/{question}").close())


async def lists(stage: Stage) -> None:
    async with stage.connect() as client:
        tools = set(await client.list_tools())
    assert {"add", "book_table", "echo", "long_running", "summarize", "touch_resource"} <= tools, tools


async def calls(stage: Stage) -> None:
    async with stage.connect() as client:
        text = await client.call("echo", {"text": "Grüße, 世界"})
    assert text == "Grüße, 世界", text


async def hears_progress(stage: Stage) -> None:
    heard: list[float] = []
    async with stage.connect() as client:
        text = await client.call("long_running", {"steps": 3, "delay_ms": 100}, heard.append)
        assert text == "done after 3 steps", text
    assert heard == [1, 2, 3], heard


async def samples(stage: Stage) -> None:
    async with stage.connect() as client:
        # A client that does not offer sampling would get a mock summary.
        text = await client.call("summarize", {"text": "Gateways hold sockets.\u2028\x85Workers run tools."})
    assert text == SUMMARY, text


async def elicits(stage: Stage) -> None:
    order = {"restaurant": "Chez Ada", "people": 4, "date": "2026-12-24"}
    async with stage.connect() as client:
        text = await client.call("book_table", order)
    assert text == "Booked: Chez Ada on 2026-12-24 at 20:15 for 4 people.", text


async def reads(stage: Stage) -> None:
    async with stage.connect() as client:
        text = await client.read(README)
    assert text.startswith("# PrynAI reference server"), text


async def hears_updates(stage: Stage) -> None:
    async with stage.connect() as client, client.watch(NOTE) as updates:
        await client.call("touch_resource", {"uri": NOTE})
        uri = await updates.next()
    assert uri == NOTE, uri


async def cancels(stage: Stage) -> None:
    async with stage.connect() as client:
        await client.abandon("long_running", {"steps": 60, "delay_ms": 1000}, stage.works)
        # The client is not closed before that, which might end the call as well.
        await stage.is_idle()


class Answers:
    """Lets a check keep back what the client's model answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._free: asyncio.Event | None = None

    def hold(self) -> None:
        self.asked, self._free = asyncio.Event(), asyncio.Event()

    def release(self) -> None:
        assert self._free is not None
        self._free.set()
        self._free = None

    async def may_go(self) -> None:
        """For the client's model, before it answers."""
        self.asked.set()
        if self._free is not None:
            await self._free.wait()


answers = Answers()


async def is_refused(attempt: Awaitable[object]) -> None:
    """The client must be told, by whatever it raises, and soon."""
    try:
        with anyio.fail_after(REFUSED_SECONDS):
            await attempt
    except TimeoutError:
        raise AssertionError("the client is not told") from None
    except Exception as refused:
        print(f"refused: {refused!r:.300}", file=sys.stderr)
    else:
        raise AssertionError("it is not refused")


async def lives(client: Client) -> None:
    assert await client.call("echo", {"text": "still here"}) == "still here"


async def lives_again(client: Client) -> None:
    """A gateway takes a moment to know that it can serve."""
    with anyio.fail_after(REFUSED_SECONDS):
        while True:
            try:
                await lives(client)
                return
            except Exception:
                await anyio.sleep(0.2)


async def outlives_policy(stage: Stage) -> None:
    async with stage.connect() as client:
        await is_refused(client.read(FORBIDDEN))
        await lives(client)


async def outlives_a_large_body(stage: Stage) -> None:
    async with stage.connect() as client:
        await is_refused(client.call("echo", {"text": TOO_LARGE}))
        await lives(client)


async def outlives_a_full_queue(stage: Stage) -> None:
    async with stage.connect() as client:
        await lives(client)
        async with stage.full_queue():
            await is_refused(client.call("echo", {"text": "x"}))
        await lives_again(client)


async def outlives_its_share(stage: Stage) -> None:
    async with stage.connect() as client:
        await lives(client)
        steps = {"steps": 20, "delay_ms": 100}
        calls = (client.call("long_running", steps) for _ in range(MORE_THAN_THE_SHARE))
        ended = await asyncio.gather(*calls, return_exceptions=True)
        refused = [each for each in ended if isinstance(each, Exception)]
        print(f"refused: {refused[:1]!r:.300}", file=sys.stderr)
        assert 0 < len(refused) < MORE_THAN_THE_SHARE, ended
        await lives(client)


async def outlives_its_deadline(stage: Stage) -> None:
    async with stage.connect() as client:
        await is_refused(client.call("long_running", {"steps": 60, "delay_ms": 1000}))
        await lives(client)


async def outlives_a_large_result(stage: Stage) -> None:
    async with stage.connect() as client:
        await is_refused(client.call("echo", {"text": "x" * TOO_LARGE_A_RESULT}))
        await lives(client)


async def outlives_an_outage(stage: Stage) -> None:
    async with stage.connect() as client:
        await lives(client)
        async with stage.no_redis():
            await is_refused(client.call("echo", {"text": "x"}))
        await lives_again(client)


async def answers_late(stage: Stage) -> None:
    answers.hold()
    async with stage.connect() as client:
        await client.abandon("summarize", {"text": "x"}, answers.asked.wait)
        await stage.is_idle()
        answers.release()
        # The first call goes out behind the answer, or beside it.
        await lives(client)
        await lives(client)


async def gives_up_cancelled_streams(stage: Stage) -> None:
    heard = asyncio.Event()
    async with stage.connect() as client, client.watch(NOTE) as updates:
        steps = {"steps": 600, "delay_ms": 100}
        await client.abandon("long_running", steps, heard.wait, lambda _: heard.set())
        await stage.is_idle()
        await stage.is_quiet()
        # Neither the client nor the stream of its session has suffered.
        await client.call("touch_resource", {"uri": NOTE})
        assert await updates.next() == NOTE


ENDINGS: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "policy": outlives_policy,
    "too_large": outlives_a_large_body,
    "queue_full": outlives_a_full_queue,
    "share": outlives_its_share,
    "large_result": outlives_a_large_result,
    "away": outlives_an_outage,
    "late_answer": answers_late,
    "cancelled_stream": gives_up_cancelled_streams,
}

DEADLINE: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "deadline": outlives_its_deadline,
}

CAPABILITIES: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "list": lists,
    "call": calls,
    "progress": hears_progress,
    "sampling": samples,
    "elicitation": elicits,
    "read": reads,
    "update": hears_updates,
    "cancel": cancels,
}


def main(version: str, connect: Connect, missing: dict[str, str] | None = None) -> None:
    """Runs the checks. `missing` are capabilities that the client has no API for, each with the reason."""
    url, fleet, revision, which = sys.argv[1:]
    say(version=version)
    checks = {"capabilities": CAPABILITIES, "endings": ENDINGS, "deadline": DEADLINE}[which]
    anyio.run(_run, Stage(lambda: connect(url, revision), fleet), checks, missing or {})


async def _run(stage: Stage, checks: dict[str, Callable[[Stage], Awaitable[None]]], missing: dict[str, str]) -> None:
    for capability, check in checks.items():
        if capability in missing:
            say(capability=capability, outcome="missing", reason=missing[capability])
            continue
        try:
            with anyio.fail_after(CAPABILITY_SECONDS):
                await check(stage)
        except Exception:
            print(f"--- {capability}", file=sys.stderr)
            traceback.print_exc()
            say(capability=capability, outcome="failed")
        else:
            say(capability=capability, outcome="ok")


def say(**line: str) -> None:
    print(json.dumps(line), flush=True)
