"""The same wish as approval.py has, in a session of the handshake era (2025-11-25 and earlier).

    cargo run
    python approval_legacy.py http://127.0.0.1:8000/mcp --item lamp

There the server asks while the call runs, over the open connection, and the tool waits. So this process must live, and
keep its session, until the person has answered: at most ten minutes, and the call holds a place on its worker all the
while. The question cannot become an interrupt of the graph: nothing in the call's answer could be kept for another
process to go on with. What works as in approval.py: question and answer may pass through different gateways, a broken
connection is resumed, and the tool's work before its question is done once, since the tool itself waits.

It needs ../python_service/requirements-langchain.txt: langchain-mcp-adapters is made of the Python SDK 1.x.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import anyio
import anyio.to_thread
import sign_in
from langchain_core.messages import HumanMessage
from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from mcp.types import ElicitRequestParams, ElicitResult
from model import StandIn, chosen


async def ask(_request: Any, question: ElicitRequestParams, _context: Any) -> ElicitResult:
    """Waits for a line: a form as JSON, or nothing, which declines."""
    print(question.message, flush=True)
    line = await anyio.to_thread.run_sync(input)
    return ElicitResult(action="accept", content=json.loads(line)) if line.strip() else ElicitResult(action="decline")


async def main(options: argparse.Namespace) -> None:
    server: dict[str, Any] = {"transport": "streamable_http", "url": options.url, "auth": sign_in.auth(options)}
    client = MultiServerMCPClient({"prynai": server}, callbacks=Callbacks(on_elicitation=ask))
    async with client.session("prynai") as session:
        tools = await load_mcp_tools(session)
        model = chosen(StandIn(tool="buy", arguments={"item": options.item})).bind_tools(tools)

        async def think(state: MessagesState) -> dict[str, Any]:
            return {"messages": [await model.ainvoke(state["messages"])]}

        graph = StateGraph(MessagesState)
        graph.add_node("agent", think)
        graph.add_node("tools", ToolNode(tools))
        graph.add_edge(START, "agent")
        graph.add_conditional_edges("agent", tools_condition)
        graph.add_edge("tools", "agent")
        ended = await graph.compile().ainvoke({"messages": [HumanMessage(f"Buy one {options.item}.")]})
    print(ended["messages"][-1].text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="An agent that buys something once a person has confirmed it.")
    parser.add_argument("url", help="the server's endpoint, as in http://127.0.0.1:8000/mcp")
    parser.add_argument("--item", default="lamp", help="what to buy [default: lamp]")
    sign_in.add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    anyio.run(main, arguments())
