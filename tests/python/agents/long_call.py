"""A graph that makes one long tool call, and sees how it goes on.

    python long_call.py URL legacy|modern STEPS DELAY_MS --authority … --scope … --client-id …

Prints what the graph's stream had: {"progress": [1, 2, …], "answer": "done after … steps"}; or, with exit code 1, what
the client was told: {"progress": […], "error": …}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, TypedDict

import anyio
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from service import arguments, auth, told

TOOL = "long_running"


class State(TypedDict, total=False):
    answer: str


class Progress:
    """Brings the progress of a call to the stream of the graph. The client hears of it in a task of its own, which does
    not know the graph; so the node that calls says where to."""

    def __init__(self) -> None:
        self.tell: Callable[[Any], None] = lambda _: None

    async def heard(self, progress: float, _total: float | None, _message: str | None, *_: Any) -> None:
        self.tell({"progress": progress})


@asynccontextmanager
async def legacy(options: Any, progress: Progress) -> AsyncIterator[list[BaseTool]]:
    from langchain_mcp_adapters.callbacks import Callbacks
    from langchain_mcp_adapters.client import MultiServerMCPClient
    from langchain_mcp_adapters.tools import load_mcp_tools

    server = {"transport": "streamable_http", "url": options.url, "auth": auth(options)}
    async with MultiServerMCPClient({"fleet": server}).session("fleet") as session:
        yield await load_mcp_tools(session, callbacks=Callbacks(on_progress=progress.heard))


@asynccontextmanager
async def modern(options: Any, progress: Progress) -> AsyncIterator[list[BaseTool]]:
    from fastmcp import Client
    from fastmcp.client.elicitation import ElicitResult
    from langchain.mcp import MCPAdapter

    async def nobody(*_: Any) -> ElicitResult:
        """With a handler of its own for questions, the adapter asks for progress; without, it does not."""
        return ElicitResult(action="decline")

    client = Client(options.url, auth=auth(options), elicitation_handler=nobody, progress_handler=progress.heard)
    async with MCPAdapter(client) as adapter:
        assert adapter.client.protocol_version == "2026-07-28", adapter.client.protocol_version
        yield await adapter.list_tools()


def calling(tool: BaseTool, progress: Progress, work: dict[str, int]) -> CompiledStateGraph:
    async def call(_state: State) -> State:
        progress.tell = partial(copy_context().run, get_stream_writer())
        [content] = await tool.ainvoke(work)
        return {"answer": content["text"]}

    return StateGraph(State).add_node("call", call).add_edge(START, "call").compile()


async def main(options: Any) -> None:
    progress, seen = Progress(), []
    work = {"steps": options.steps, "delay_ms": options.delay_ms}
    ended: dict[str, Any] = {"progress": seen}
    try:
        async with {"legacy": legacy, "modern": modern}[options.era](options, progress) as tools:
            [tool] = [each for each in tools if each.name == TOOL]
            graph = calling(tool, progress, work)
            async for mode, what in graph.astream({}, stream_mode=["custom", "updates"]):
                if mode == "custom":
                    seen.append(what["progress"])
                else:
                    ended["answer"] = what["call"]["answer"]
    except Exception as error:
        ended["error"] = told(error)
    print(json.dumps(ended))
    sys.exit("error" in ended)


if __name__ == "__main__":
    anyio.run(main, arguments("A graph that makes one long tool call.", "steps", "delay_ms"))
