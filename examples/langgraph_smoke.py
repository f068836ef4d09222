"""A LangGraph agent whose tools are those of an MCP server: a smoke test of both.

    cargo run
    python langgraph_smoke.py http://127.0.0.1:8000/mcp

One node asks a model, another runs the tools it asks for, all in one MCP session. The agent must add two numbers with
the server's tool `add`; the program ends with exit code 1 if the tool did not run or the answer is another. It prints
the answer and the trace id of each call, which is `trace_id` in the log lines of gateway and worker. With LangSmith
(LANGSMITH_TRACING=true and LANGSMITH_API_KEY), it is also the id of the agent's trace there (agents/run_trace.py).

The model is a stand-in that always does the same and needs no key. With MODEL, such as
`MODEL=anthropic:claude-sonnet-5`, it is a real one (agents/model.py). A service that signs in gives --authority and
--client-id, and its secret in CLIENT_SECRET (agents/sign_in.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from mcp import ClientSession

# What the agents of the examples share.
sys.path.append(str(Path(__file__).parent / "agents"))
import sign_in
from model import StandIn, chosen
from run_trace import traceparent

A, B, SUM = 2, 40, "42"
QUESTION = f"What is {A} plus {B}? Use the tool add."


def agent(model: BaseChatModel, tools: list[BaseTool]) -> CompiledStateGraph:
    """A model and its tools, in turn until the model asks for none."""
    thinking = model.bind_tools(tools)

    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await thinking.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("agent", think)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", tools_condition)
    graph.add_edge("tools", "agent")
    return graph.compile()


def traced(session: ClientSession, began: Callable[[str, str], None]) -> ClientSession:
    """The session, with each call in the trace of the run that makes it: the adapters send no `traceparent`."""
    call_tool = session.call_tool

    async def traced_call(name: str, *arguments: Any, **options: Any) -> Any:
        parent = traceparent()
        began(name, parent.split("-")[1])
        return await call_tool(name, *arguments, meta={"traceparent": parent}, **options)

    session.call_tool = traced_call  # type: ignore[method-assign]
    return session


async def main(options: argparse.Namespace) -> None:
    server: dict[str, Any] = {"transport": "streamable_http", "url": options.url, "auth": sign_in.auth(options)}
    traces: list[tuple[str, str]] = []
    client = MultiServerMCPClient({"prynai": server})
    # One session for all calls. Tools of `client.get_tools()` open one for each call, which costs six requests.
    async with client.session("prynai") as session:
        tools = await load_mcp_tools(traced(session, lambda name, trace: traces.append((name, trace))))
        model = chosen(StandIn(tool="add", arguments={"a": A, "b": B}))
        ended = await agent(model, tools).ainvoke({"messages": [HumanMessage(QUESTION)]})
    messages = ended["messages"]
    for name, trace in traces:
        print(f"called {name} in trace {trace}")
    print(messages[-1].text)
    answers = [message.text for message in messages if isinstance(message, ToolMessage) and message.name == "add"]
    if not answers or not all(SUM in answer for answer in answers):
        sys.exit(f"the agent did not get {SUM} from the tool add, but {answers or 'nothing: it did not call it'}")
    if SUM not in messages[-1].text:
        sys.exit(f"the answer of the agent lacks {SUM}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="An agent that must call the tool add of an MCP server.")
    parser.add_argument("url", help="the server's endpoint, as in http://127.0.0.1:8000/mcp")
    sign_in.add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    anyio.run(main, arguments())
