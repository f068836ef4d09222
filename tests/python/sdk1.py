"""The 1.x SDK: `ClientSession`, the handshake era only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import Any

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from clients import Callbacks, Connection
from handshake import Feed


class SessionConnection(Connection):
    def __init__(self, session: ClientSession, feed: Feed, *rest: Any) -> None:
        super().__init__(session, *rest)
        self._feed = feed

    def watch(self, uri: str) -> AbstractAsyncContextManager[Feed]:
        return self._feed.watch(self._sdk, uri)


@asynccontextmanager
async def connect(url: str, revision: str, callbacks: Callbacks, auth: Any = None) -> AsyncIterator[Connection]:
    feed = Feed()
    # The SDK's own limits; no proxy of the environment stands between the tests and the loopback address.
    http = httpx.AsyncClient(
        timeout=httpx.Timeout(30, read=300),
        trust_env=False,
        auth=auth,
        event_hooks={"response": [feed.on_http_response]},
    )
    with closing(feed):
        async with (
            http,
            streamable_http_client(url, http_client=http) as (read, write, _session_id),
            ClientSession(read, write, message_handler=feed.on_message, **callbacks.for_sdk()) as session,
        ):
            welcome = await session.initialize()
            if callbacks.log_level is not None:
                await session.set_logging_level(callbacks.log_level)
            yield SessionConnection(
                session, feed, callbacks, welcome.protocolVersion, welcome.serverInfo, welcome.capabilities
            )
