"""The official Python SDK, whichever generation is installed, through the client of the other Python tests."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))

import anyio  # noqa: E402
import clients  # noqa: E402
from mcp import types  # noqa: E402

from capabilities import CONFIRMED, SUMMARY, Client, OnProgress, answers, main  # noqa: E402


class SdkClient(Client):
    def __init__(self, connection: clients.Connection) -> None:
        self.connection = connection

    async def list_tools(self) -> Collection[str]:
        return (await self.connection.list_tools()).keys()

    async def call(self, tool: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> str:
        heard = None if on_progress is None else lambda told: on_progress(told["progress"])
        return clients.text_of(await self.connection.call(tool, arguments, heard))

    async def read(self, uri: str) -> str:
        return (await self.connection.read(uri))["text"]

    def watch(self, uri: str) -> AbstractAsyncContextManager[clients.Updates]:
        return self.connection.watch(uri)


class Sdk1Client(SdkClient):
    """1.x tells the server nothing when a call's task is cancelled; whoever wants that sends the notification."""

    async def abandon(
        self,
        tool: str,
        arguments: dict[str, Any],
        when: Callable[[], Awaitable[object]],
        on_progress: OnProgress | None = None,
    ) -> None:
        session = self.connection._sdk
        # 1.x counts its requests and has no API that tells the id of one.
        cancelled = types.CancelledNotificationParams(requestId=session._request_id, reason="not needed any more")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.call, tool, arguments, on_progress)
            await when()
            await session.send_notification(
                types.ClientNotification(types.CancelledNotification(params=cancelled))
            )
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def connect(url: str, revision: str) -> AsyncIterator[Client]:
    adapter = Sdk1Client if clients.SDK_GENERATION == 1 else SdkClient
    async with clients.connect(url, revision, on_sampling=model, on_elicitation=user) as connection:
        yield adapter(connection)


async def model(_request: clients.Json) -> clients.Json:
    await answers.may_go()
    return {"role": "assistant", "content": {"type": "text", "text": SUMMARY}, "model": "test-model"}


async def user(_question: clients.Json) -> clients.Json:
    return {"action": "accept", "content": CONFIRMED}


if __name__ == "__main__":
    main(importlib.metadata.version("mcp"), connect)
