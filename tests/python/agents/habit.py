"""What a tool call of an agent costs in each of the two ways to open the client: for each call, or once.

    python habit.py URL legacy|modern CALLS --authority … --scope … --client-id …

Makes so many calls in each way, in turn, so that whatever else the machine does slows both alike. Prints, for each way,
the HTTP requests for one call and the median of its time: {"each": {"requests": 6.0, "p50_ms": …}, "once": …}.
"""

from __future__ import annotations

import json
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import anyio
from langchain_core.tools import BaseTool

from service import arguments, auth

TOOL = "echo"


@dataclass
class Way:
    """One of the two, and what it took."""

    signing_in: Any
    tool: BaseTool | None = None
    requests: int = 0
    seconds: list[float] = field(default_factory=list)

    async def sent(self, _request: Any) -> None:
        self.requests += 1

    async def call(self, text: str) -> None:
        assert self.tool is not None
        began = time.perf_counter()
        [content] = await self.tool.ainvoke({"text": text})
        self.seconds.append(time.perf_counter() - began)
        assert content["text"] == text, content

    def took(self) -> dict[str, float]:
        p50_ms = round(1000 * statistics.median(self.seconds), 2)
        return {"requests": self.requests / len(self.seconds), "p50_ms": p50_ms}


async def legacy(url: str, each: Way, once: Way, stack: AsyncExitStack) -> None:
    import httpx
    from langchain_mcp_adapters.client import MultiServerMCPClient
    from langchain_mcp_adapters.tools import load_mcp_tools

    def client(way: Way) -> MultiServerMCPClient:
        def http(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx.AsyncClient:
            hooks = {"request": [way.sent]}
            return httpx.AsyncClient(headers=headers, timeout=timeout, auth=auth, event_hooks=hooks)

        server = {"transport": "streamable_http", "url": url, "auth": way.signing_in, "httpx_client_factory": http}
        return MultiServerMCPClient({"fleet": server})

    each.tool = the_one(await client(each).get_tools())
    session = await stack.enter_async_context(client(once).session("fleet"))
    once.tool = the_one(await load_mcp_tools(session))


async def modern(url: str, each: Way, once: Way, stack: AsyncExitStack) -> None:
    import httpx2
    from fastmcp import Client
    from fastmcp.client.transports import StreamableHttpTransport
    from langchain.mcp import MCPAdapter

    def adapter(way: Way) -> MCPAdapter:
        def http(**options: Any) -> httpx2.AsyncClient:
            return httpx2.AsyncClient(**options, event_hooks={"request": [way.sent]})

        return MCPAdapter(Client(StreamableHttpTransport(url, auth=way.signing_in, httpx_client_factory=http)))

    each.tool = the_one(await adapter(each).list_tools())
    opened = await stack.enter_async_context(adapter(once))
    once.tool = the_one(await opened.list_tools())


def the_one(tools: list[BaseTool]) -> BaseTool:
    [tool] = [tool for tool in tools if tool.name == TOOL]
    return tool


async def main(options: Any) -> None:
    signing_in = auth(options)
    ways = {"each": Way(signing_in), "once": Way(signing_in)}
    async with AsyncExitStack() as stack:
        await {"legacy": legacy, "modern": modern}[options.era](options.url, *ways.values(), stack)
        for way in ways.values():
            # The first one may find out what later ones know.
            await way.call("first")
            way.requests, way.seconds = 0, []
        for number in range(options.calls):
            for way in ways.values():
                await way.call(f"call {number}")
        # Before the clients are closed.
        took = {name: way.took() for name, way in ways.items()}
    print(json.dumps(took))


if __name__ == "__main__":
    anyio.run(main, arguments("What a tool call costs with a client for each call, and with one for all.", "calls"))
