"""A LangGraph agent that waits for a person, for as long as it takes: another process goes on with it.

    cargo run
    python approval.py http://127.0.0.1:8000/mcp --thread lamp --item lamp
    python approval.py http://127.0.0.1:8000/mcp --thread lamp --accept '{"confirm": true}'

The agent calls the tool `buy`, which reserves an item and then asks whether to buy it. The first command shows the
question and ends. The second one goes on from the checkpoint, minutes or days later: on another gateway and another
worker, and `buy` does not reserve again, because the checkpoint has its `requestState` (rounds.py).

With --plain, the tools are those of LangChain's `MCPAdapter` as they are. They interrupt the graph in the same way, but
keep no `requestState`: whenever the graph goes on, the call begins anew, and so does the work before the question. Then
only the server can tell that it is the same order, by its number: give --order.

With MODEL, the model is a real one (model.py). A service that signs in gives --authority and --client-id (sign_in.py).
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

import anyio
import sign_in
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from langchain.mcp import MCPAdapter
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command
from model import StandIn, chosen
from rounds import Conversation, Rounds
from run_trace import in_run


async def agent(
    options: argparse.Namespace, adapter: MCPAdapter, checkpoints: BaseCheckpointSaver
) -> CompiledStateGraph:
    tools = await adapter.list_tools()
    order = {"order": options.order} if options.order else {}
    model = chosen(StandIn(tool="buy", arguments={"item": options.item, **order})).bind_tools(tools)

    async def think(state: Conversation) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(Conversation)
    graph.add_node("agent", think)
    graph.add_edge(START, "agent")
    if options.plain:
        for tool in tools:
            tool.coroutine = in_run(tool.coroutine)
        graph.add_node("tools", ToolNode(tools))
        graph.add_conditional_edges("agent", tools_condition)
        graph.add_edge("tools", "agent")
    else:
        rounds = Rounds(adapter.client.session)
        graph.add_node("call", rounds.call)
        graph.add_node("ask", rounds.ask)
        graph.add_conditional_edges("agent", tools_condition, {"tools": "call", "__end__": "__end__"})
        graph.add_conditional_edges("call", rounds.after_call, ["ask", "call", "agent"])
        graph.add_edge("ask", "call")
    return graph.compile(checkpointer=checkpoints)


async def main(options: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        transport = StreamableHttpTransport(options.url, auth=sign_in.auth(options))
        adapter = await stack.enter_async_context(MCPAdapter(Client(transport)))
        checkpoints = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(options.checkpoints))
        graph = await agent(options, adapter, checkpoints)
        thread = {"configurable": {"thread_id": options.thread}}
        kept = await graph.aget_state(thread)
        waiting = [asked for task in kept.tasks for asked in task.interrupts]
        if waiting:
            if options.answer is None:
                sys.exit(f"the thread {options.thread} waits for an answer: give --accept or --decline")
            responses = {request["key"]: options.answer for request in waiting[0].value["requests"]}
            begin: Any = Command(resume={"responses": responses})
        elif kept.next:
            # A process died within a step, or did not reach the server: from the last checkpoint.
            begin = None
        else:
            begin = {"messages": [HumanMessage(f"Buy one {options.item}.")]}
        # Each step is stored before the next one begins.
        ended = await graph.ainvoke(begin, thread, durability="sync")
    for asked in ended.get("__interrupt__", ()):
        for request in asked.value["requests"]:
            print(f"{request['message']} {json.dumps(request.get('requested_schema', request.get('url')))}")
        return
    print(ended["messages"][-1].text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="An agent that buys something once a person has confirmed it.")
    parser.add_argument("url", help="the server's endpoint, as in http://127.0.0.1:8000/mcp")
    parser.add_argument("--thread", required=True, help="names the conversation, which any process can go on with")
    parser.add_argument("--item", default="lamp", help="what to buy [default: lamp]")
    parser.add_argument("--order", help="your number of the order; the server keeps its reservation under it")
    parser.add_argument("--plain", action="store_true", help="with the tools of MCPAdapter as they are")
    parser.add_argument("--checkpoints", default="checkpoints.sqlite", help="where conversations are kept")
    answer = parser.add_mutually_exclusive_group()
    answer.add_argument("--accept", dest="answer", type=accepted, metavar="JSON", help="answers with this form")
    answer.add_argument("--decline", dest="answer", action="store_const", const={"action": "decline"})
    sign_in.add_options(parser)
    return parser.parse_args()


def accepted(form: str) -> dict[str, Any]:
    return {"action": "accept", "content": json.loads(form)}


if __name__ == "__main__":
    anyio.run(main, arguments())
