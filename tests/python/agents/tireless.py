"""Many agents at once, in one event loop: each is a graph that calls a tool which must not run twice, again and again.

    python tireless.py URL legacy|modern AGENTS FIRST_CALL --authority … --scope … --client-id …

A legacy agent has a session of its own; modern ones share an adapter, as 2026-07-28 has no sessions. Every call of the
tool has a number that no other call has, from FIRST_CALL on. An agent goes on until standard input ends, and then
finishes the call it is at. Prints {"message": "working"} when all have begun, and then one JSON object for each agent
that has ended: {"asked": [numbers], "answered": [texts]}, or {"asked": …, "error": …}.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import anyio
import anyio.to_thread
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from service import arguments, auth, told

TOOL = "pay"
# Milliseconds of a call, at least, and how many more: longer than a stopping gateway serves on (--stop-delay), and not
# in step with the others.
SHORTEST, MORE = 2000, 2500
# A graph stops after so many steps; an agent here does as many as the restart takes.
MOST_STEPS = 100_000


class Tireless(BaseChatModel):
    """Asks for the tool with the next number until `over` is set, and then says so."""

    numbers: Any
    over: Any

    @property
    def _llm_type(self) -> str:
        return "tireless"

    def bind_tools(self, tools: Any, **_: Any) -> Tireless:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        if self.over.is_set() and isinstance(messages[-1], ToolMessage):
            said = AIMessage("done")
        else:
            number = next(self.numbers)
            # It says something on both sides of a restart, too.
            work = {"call": number, "ms": SHORTEST + random.randrange(MORE), "events": 2}
            said = AIMessage("", tool_calls=[{"name": TOOL, "args": work, "id": f"call-{number}"}])
        return ChatResult(generations=[ChatGeneration(message=said)])


def graph(model: BaseChatModel, tools: list[BaseTool]) -> CompiledStateGraph:
    thinking = model.bind_tools(tools)

    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await thinking.ainvoke(state["messages"])]}

    drawn = StateGraph(MessagesState)
    drawn.add_node("agent", think)
    drawn.add_node("tools", ToolNode(tools))
    drawn.add_edge(START, "agent")
    drawn.add_conditional_edges("agent", tools_condition)
    drawn.add_edge("tools", "agent")
    return drawn.compile()


# Opens what the tools of one agent after the other come from.
Tools = Callable[[], AbstractAsyncContextManager[list[BaseTool]]]


@asynccontextmanager
async def legacy(options: Any) -> AsyncIterator[Tools]:
    from langchain_mcp_adapters.callbacks import Callbacks
    from langchain_mcp_adapters.client import MultiServerMCPClient
    from langchain_mcp_adapters.tools import load_mcp_tools

    async def progressed(*_: Any) -> None:
        """Without somebody who listens, the adapters ask for no progress."""

    server = {"transport": "streamable_http", "url": options.url, "auth": auth(options)}
    client = MultiServerMCPClient({"fleet": server})

    @asynccontextmanager
    async def tools() -> AsyncIterator[list[BaseTool]]:
        async with client.session("fleet") as session:
            yield await load_mcp_tools(session, callbacks=Callbacks(on_progress=progressed))

    yield tools


@asynccontextmanager
async def modern(options: Any) -> AsyncIterator[Tools]:
    from fastmcp import Client
    from langchain.mcp import MCPAdapter

    async def hushed(_message: Any) -> None:
        """Otherwise what the tool logs is drawn on standard error, which takes longer than all the rest."""

    async with MCPAdapter(Client(options.url, auth=auth(options), log_handler=hushed)) as adapter:
        assert adapter.client.protocol_version == "2026-07-28", adapter.client.protocol_version
        listed = await adapter.list_tools()
        yield lambda: nullcontext(listed)


ERAS = {"legacy": legacy, "modern": modern}


async def main(options: Any) -> None:
    over, begun, numbers = anyio.Event(), 0, itertools.count(options.first_call)

    async def work(tools_of_one: Tools) -> None:
        nonlocal begun
        asked: list[int] = []
        try:
            async with tools_of_one() as tools:
                begun += 1
                if begun == options.agents:
                    say({"message": "working"})
                agent = graph(Tireless(numbers=noted(numbers, asked), over=over), tools)
                ended = await agent.ainvoke({"messages": [HumanMessage("Pay.")]}, {"recursion_limit": MOST_STEPS})
            answered = [message.text for message in ended["messages"] if isinstance(message, ToolMessage)]
            say({"asked": asked, "answered": answered})
        except Exception as error:
            say({"asked": asked, "error": told(error)})

    async def wait_for_the_end() -> None:
        await anyio.to_thread.run_sync(sys.stdin.read)
        over.set()

    async with ERAS[options.era](options) as tools, anyio.create_task_group() as all_of_them:
        all_of_them.start_soon(wait_for_the_end)
        for _ in range(options.agents):
            all_of_them.start_soon(work, tools)


def say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


def noted(numbers: Iterator[int], asked: list[int]) -> Iterator[int]:
    for number in numbers:
        asked.append(number)
        yield number


if __name__ == "__main__":
    anyio.run(main, arguments("Agents that work until standard input ends.", "agents", "first_call"))
