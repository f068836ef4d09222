"""FastMCP's client."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))

import fastmcp  # noqa: E402
import httpx2  # noqa: E402
from fastmcp.client.transports import StreamableHttpTransport  # noqa: E402
from handshake import Feed  # noqa: E402
from mcp.client.subscriptions import listen  # noqa: E402
from sdk2 import ListenUpdates  # noqa: E402

from capabilities import CONFIRMED, STATELESS, SUMMARY, Client, OnProgress, Updates, answers, main  # noqa: E402


class FastMcpClient(Client):
    def __init__(self, client: fastmcp.Client, feed: Feed, revision: str) -> None:
        self.client = client
        self.feed = feed
        self.revision = revision

    async def list_tools(self) -> Collection[str]:
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, tool: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> str:
        async def progressed(progress: float, _total: float | None, _message: str | None) -> None:
            assert on_progress is not None
            on_progress(progress)

        result = await self.client.call_tool(tool, arguments, progress_handler=progressed if on_progress else None)
        [content] = result.content
        return content.text

    async def read(self, uri: str) -> str:
        [content] = await self.client.read_resource(uri)
        return content.text

    def watch(self, uri: str) -> AbstractAsyncContextManager[Updates]:
        # FastMCP leaves subscriptions to the session of the SDK, which it hands out.
        if self.revision == STATELESS:
            return self._listen(uri)
        return self.feed.watch(self.client.session, uri)

    @asynccontextmanager
    async def _listen(self, uri: str) -> AsyncIterator[Updates]:
        async with listen(self.client.session, resource_subscriptions=[uri]) as subscription:
            yield ListenUpdates(subscription)


@asynccontextmanager
async def connect(url: str, revision: str) -> AsyncIterator[Client]:
    feed = Feed()
    with closing(feed):
        async with client_of(url, revision, feed) as client:
            assert client.protocol_version == revision, client.protocol_version
            yield FastMcpClient(client, feed, revision)


def client_of(url: str, revision: str, feed: Feed, **settings: Any) -> fastmcp.Client:
    """A client that answers questions, and whose GET stream `feed` watches."""

    def http_client(**of_fastmcp: Any) -> httpx2.AsyncClient:
        of_fastmcp.setdefault("timeout", httpx2.Timeout(30, read=300))
        return httpx2.AsyncClient(event_hooks={"response": [feed.on_http_response]}, **of_fastmcp)

    return fastmcp.Client(
        StreamableHttpTransport(url, httpx_client_factory=http_client),
        mode="auto" if revision == STATELESS else "legacy",
        sampling_handler=model,
        elicitation_handler=user,
        message_handler=feed.on_message,
        **settings,
    )


async def model(_messages: Any, _params: Any, _context: Any) -> str:
    await answers.may_go()
    return SUMMARY


async def user(_message: str, _type: Any, _params: Any, _context: Any) -> dict[str, Any]:
    return CONFIRMED


if __name__ == "__main__":
    main(fastmcp.__version__, connect)
