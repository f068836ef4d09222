"""`langchain-mcp-adapters`: tools and resources of a `MultiServerMCPClient`, which opens a session for each use."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))

import httpx  # noqa: E402
from handshake import Feed  # noqa: E402
from langchain_mcp_adapters.callbacks import Callbacks  # noqa: E402
from langchain_mcp_adapters.client import MultiServerMCPClient  # noqa: E402
from mcp import types  # noqa: E402

from capabilities import CONFIRMED, SUMMARY, Client, OnProgress, Updates, main  # noqa: E402

SERVER = "fleet"


class AdaptersClient(Client):
    """A call has a session of its own; when it is abandoned, the session is ended, and with it the call."""

    def __init__(self, url: str, revision: str, feed: Feed) -> None:
        self.revision = revision
        self.feed = feed
        self.on_progress: OnProgress | None = None
        connection = {
            "transport": "streamable_http",
            "url": url,
            "httpx_client_factory": self.http_client,
            "session_kwargs": {"sampling_callback": model, "message_handler": feed.on_message},
        }
        callbacks = Callbacks(on_progress=self.progressed, on_elicitation=user)
        self.client = MultiServerMCPClient({SERVER: connection}, callbacks=callbacks)

    async def list_tools(self) -> Collection[str]:
        served = (await self.client.get_server_info())[SERVER]
        assert served.protocolVersion == self.revision, served
        return [tool.name for tool in await self.client.get_tools()]

    async def call(self, tool: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> str:
        self.on_progress = on_progress
        [wanted] = [each for each in await self.client.get_tools() if each.name == tool]
        [content] = await wanted.ainvoke(arguments)
        return content["text"]

    async def read(self, uri: str) -> str:
        [blob] = await self.client.get_resources(SERVER, uris=uri)
        return blob.as_string()

    @asynccontextmanager
    async def watch(self, uri: str) -> AsyncIterator[Updates]:
        async with self.client.session(SERVER) as session, self.feed.watch(session, uri) as updates:
            yield updates

    async def progressed(self, progress: float, _total: float | None, _message: str | None, _context: Any) -> None:
        if self.on_progress is not None:
            self.on_progress(progress)

    def http_client(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx.Timeout | None = None,
        auth: httpx.Auth | None = None,
    ) -> httpx.AsyncClient:
        hooks = {"response": [self.feed.on_http_response]}
        return httpx.AsyncClient(headers=headers, timeout=timeout, auth=auth, event_hooks=hooks)


@asynccontextmanager
async def connect(url: str, revision: str) -> AsyncIterator[Client]:
    feed = Feed()
    with closing(feed):
        yield AdaptersClient(url, revision, feed)


async def model(_context: Any, _params: Any) -> types.CreateMessageResult:
    content = types.TextContent(type="text", text=SUMMARY)
    return types.CreateMessageResult(role="assistant", content=content, model="test-model")


async def user(_mcp_context: Any, _params: Any, _context: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content=CONFIRMED)


MISSING = {
    "share": "Each of its calls has a session of its own, and a session of this fleet a share.",
    "late_answer": "It ends the session with a call that is given up, and so never answers late.",
}

if __name__ == "__main__":
    main(importlib.metadata.version("langchain-mcp-adapters"), connect, MISSING)
