"""`langchain[mcp]`: `MCPAdapter`, on a FastMCP client that answers sampling.

In 2026-07-28 the user is asked by its own means, an interrupt of the graph that calls the tool. It has none in the
handshake era, where the FastMCP client asks.
"""

from __future__ import annotations

import importlib.metadata
import sys
import warnings
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))

from handshake import Feed  # noqa: E402
from langchain_core._api import LangChainBetaWarning  # noqa: E402
from langgraph.checkpoint.memory import InMemorySaver  # noqa: E402
from langgraph.graph import END, START, StateGraph  # noqa: E402
from langgraph.types import Command  # noqa: E402

from capabilities import CONFIRMED, STATELESS, Client, OnProgress, Updates, main  # noqa: E402
from fastmcp_client import FastMcpClient, client_of  # noqa: E402

warnings.simplefilter("ignore", LangChainBetaWarning)

from langchain.mcp import MCPAdapter  # noqa: E402

THREAD = {"configurable": {"thread_id": "one"}}


class LangChainClient(Client):
    def __init__(self, adapter: MCPAdapter, feed: Feed, revision: str) -> None:
        self.adapter = adapter
        self.revision = revision
        # For what is not a tool, LangChain refers to the FastMCP client.
        self.fastmcp = FastMcpClient(adapter.client, feed, revision)

    async def list_tools(self) -> Collection[str]:
        return [tool.name for tool in await self.adapter.list_tools()]

    async def call(self, tool: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> str:
        assert on_progress is None
        [wanted] = [each for each in await self.adapter.list_tools() if each.name == tool]

        async def call_tool(_state: dict[str, Any]) -> dict[str, Any]:
            return {"content": await wanted.ainvoke(arguments)}

        graph = StateGraph(dict).add_node("call", call_tool).add_edge(START, "call").add_edge("call", END)
        running = graph.compile(checkpointer=InMemorySaver())
        state = await running.ainvoke({}, THREAD)
        if interrupts := state.get("__interrupt__"):
            [question] = interrupts[0].value["requests"]
            answers = {question["key"]: {"action": "accept", "content": CONFIRMED}}
            state = await running.ainvoke(Command(resume={"responses": answers}), THREAD)
        [content] = state["content"]
        return content["text"]

    async def read(self, uri: str) -> str:
        return await self.fastmcp.read(uri)

    def watch(self, uri: str) -> AbstractAsyncContextManager[Updates]:
        return self.fastmcp.watch(uri)


@asynccontextmanager
async def connect(url: str, revision: str) -> AsyncIterator[Client]:
    feed = Feed()
    client = client_of(url, revision, feed)
    with closing(feed):
        async with MCPAdapter(client) as adapter:
            assert adapter.client.protocol_version == revision, adapter.client.protocol_version
            yield LangChainClient(adapter, feed, revision)


if __name__ == "__main__":
    main(importlib.metadata.version("langchain"), connect)
