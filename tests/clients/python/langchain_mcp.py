"""`langchain[mcp]`: the tools of an `MCPAdapter`, called by a graph.

Handlers are those of the FastMCP client that it is made of. In 2026-07-28 it has a means of its own to ask the user, an
interrupt of the graph, which is what asks here; it works with clients that have no handler for that.
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
from langchain_core.tools import BaseTool  # noqa: E402
from langgraph.checkpoint.memory import InMemorySaver  # noqa: E402
from langgraph.graph import END, START, StateGraph  # noqa: E402
from langgraph.graph.state import CompiledStateGraph  # noqa: E402
from langgraph.types import Command  # noqa: E402

from capabilities import CONFIRMED, STATELESS, Client, OnProgress, Updates, main  # noqa: E402
from fastmcp_client import FastMcpClient, client_of  # noqa: E402

warnings.simplefilter("ignore", LangChainBetaWarning)

from langchain.mcp import MCPAdapter  # noqa: E402

# The tool that asks the user.
ASKING = "book_table"
THREAD = {"configurable": {"thread_id": "one"}}


class LangChainClient(Client):
    def __init__(self, url: str, revision: str, feed: Feed) -> None:
        self.revision = revision
        self.on_progress: OnProgress | None = None
        self.adapter = MCPAdapter(client_of(url, revision, feed, progress_handler=self.progressed))
        self.interrupting = MCPAdapter(url)
        # For what is not a tool, LangChain refers to the FastMCP client.
        self.fastmcp = FastMcpClient(self.adapter.client, feed, revision)

    async def list_tools(self) -> Collection[str]:
        return [tool.name for tool in await self.adapter.list_tools()]

    async def call(self, tool: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> str:
        self.on_progress = on_progress
        interrupts = tool == ASKING and self.revision == STATELESS
        adapter = self.interrupting if interrupts else self.adapter
        async with adapter:
            [wanted] = [each for each in await adapter.list_tools() if each.name == tool]
            graph = calling(wanted, arguments)
            state = await graph.ainvoke({}, THREAD)
            if interrupts:
                [question] = state["__interrupt__"][0].value["requests"]
                answers = {question["key"]: {"action": "accept", "content": CONFIRMED}}
                state = await graph.ainvoke(Command(resume={"responses": answers}), THREAD)
        [content] = state["content"]
        return content["text"]

    async def progressed(self, progress: float, _total: float | None, _message: str | None) -> None:
        if self.on_progress is not None:
            self.on_progress(progress)

    async def read(self, uri: str) -> str:
        return await self.fastmcp.read(uri)

    def watch(self, uri: str) -> AbstractAsyncContextManager[Updates]:
        return self.fastmcp.watch(uri)


def calling(tool: BaseTool, arguments: dict[str, Any]) -> CompiledStateGraph:
    """A graph that calls a tool."""

    async def call(_state: dict[str, Any]) -> dict[str, Any]:
        return {"content": await tool.ainvoke(arguments)}

    graph = StateGraph(dict).add_node("call", call).add_edge(START, "call").add_edge("call", END)
    return graph.compile(checkpointer=InMemorySaver())


@asynccontextmanager
async def connect(url: str, revision: str) -> AsyncIterator[Client]:
    feed = Feed()
    with closing(feed):
        client = LangChainClient(url, revision, feed)
        async with client.adapter:
            assert client.adapter.client.protocol_version == revision, client.adapter.client.protocol_version
            yield client


if __name__ == "__main__":
    main(importlib.metadata.version("langchain"), connect)
