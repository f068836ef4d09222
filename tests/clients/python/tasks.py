"""What is asked of a client of tasks, at a fleet whose tools are those of `tests/fixtures/src/conformance/tasks.rs`."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from capabilities import say

# Longer than anything here takes.
LIMIT_SECONDS = 60


class Client(Protocol):
    """A client that declares the extension, and does not wait for the end of a task by itself."""

    async def begin(self, tool: str, arguments: dict[str, Any]) -> str:
        """The id of the task that a call became."""

    async def status(self, task: str) -> str:
        """How it stands."""

    async def result(self, task: str) -> str:
        """The text of its result. A question before that is answered with yes."""

    async def cancel(self, task: str) -> None: ...


async def check(client: Client) -> None:
    """Each request goes to the next gateway."""
    computed = await client.begin("slow_compute", {"seconds": 1})
    assert await client.status(computed) == "working"
    asks = await client.begin("confirm_delete", {"filename": "old.txt"})
    assert await client.result(asks) == "deleted old.txt"
    assert await client.result(computed) == "computed for 1 s"
    assert await client.status(computed) == "completed"

    endless = await client.begin("slow_compute", {"seconds": 600})
    await client.cancel(endless)
    while (status := await client.status(endless)) != "cancelled":
        assert status == "working", status


def report(version: str, run: Callable[[], Awaitable[None]]) -> None:
    """Says how it came out, as capabilities.py does."""
    say(version=version)
    try:
        asyncio.run(asyncio.wait_for(run(), LIMIT_SECONDS))
    except Exception:
        traceback.print_exc(file=sys.stderr)
        say(capability="tasks", outcome="failed")
    else:
        say(capability="tasks", outcome="ok")
