"""The 2.x SDK: `Client`, which speaks both eras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated, Subscription

from clients import STATELESS, Callbacks, Connection
from handshake import Feed


class ListenUpdates:
    """Resource updates of 2026-07-28: a `subscriptions/listen` stream."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def next(self) -> str:
        event = await anext(self._subscription)
        assert isinstance(event, ResourceUpdated), event
        return event.uri


class ClientConnection(Connection):
    def __init__(self, client: Client, feed: Feed, *rest: Any) -> None:
        super().__init__(client, *rest)
        self._feed = feed

    def watch(self, uri: str) -> AbstractAsyncContextManager[Feed | ListenUpdates]:
        if self.revision == STATELESS:
            return self._listen(uri)
        return self._feed.watch(self._sdk, uri)

    @asynccontextmanager
    async def _listen(self, uri: str) -> AsyncIterator[ListenUpdates]:
        async with self._sdk.listen(resource_subscriptions=[uri]) as subscription:
            assert subscription.honored.resource_subscriptions == [uri]
            yield ListenUpdates(subscription)


@asynccontextmanager
async def connect(url: str, revision: str, callbacks: Callbacks, auth: Any = None) -> AsyncIterator[Connection]:
    feed = Feed()
    # The SDK's own limits; no proxy of the environment stands between the tests and the loopback address.
    http = httpx2.AsyncClient(
        timeout=httpx2.Timeout(30, read=300),
        trust_env=False,
        auth=auth,
        event_hooks={"response": [feed.on_http_response]},
    )
    client = Client(
        streamable_http_client(url, http_client=http),
        # "auto" is what users get: it asks `server/discover` and falls back to the handshake.
        mode="auto" if revision == STATELESS else "legacy",
        log_level=callbacks.log_level,
        message_handler=feed.on_message,
        **callbacks.for_sdk(),
    )
    with closing(feed):
        async with http, client:
            if callbacks.log_level is not None and revision != STATELESS:
                await client.set_logging_level(callbacks.log_level)
            yield ClientConnection(
                client, feed, callbacks, client.protocol_version, client.server_info, client.server_capabilities
            )
