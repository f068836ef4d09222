"""Resource updates in the handshake era: `resources/subscribe`, heard on the session's GET stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from clients import wire


class Feed:
    """The session's GET stream, which the SDK opens by itself at some time after `initialize`."""

    def __init__(self) -> None:
        self._open = anyio.Event()
        self._send, self._receive = anyio.create_memory_object_stream[str](100)

    async def on_http_response(self, response: Any) -> None:
        """An event hook of the HTTP client: the headers of the GET stream say that it is open."""
        if response.request.method == "GET" and response.status_code == 200:
            self._open.set()

    async def on_message(self, message: Any) -> None:
        """The SDK's message handler."""
        # 1.x wraps notifications in a root model, 2.x hands them over as they are.
        notification = getattr(message, "root", message)
        if getattr(notification, "method", None) == "notifications/resources/updated":
            self._send.send_nowait(wire(notification)["params"]["uri"])

    async def next(self) -> str:
        return await self._receive.receive()

    def close(self) -> None:
        self._send.close()
        self._receive.close()

    @asynccontextmanager
    async def watch(self, sdk: Any, uri: str) -> AsyncIterator[Feed]:
        await self._open.wait()
        await sdk.subscribe_resource(uri)
        yield self
        await sdk.unsubscribe_resource(uri)
