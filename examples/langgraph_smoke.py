"""A LangGraph agent whose tools are those of an MCP server: a smoke test of both.

    cargo run
    python langgraph_smoke.py http://127.0.0.1:8000/mcp

One node asks a model, another runs the tools it asks for, all in one MCP session. The agent must add two numbers with
the server's tool `add`; the program ends with exit code 1 if the tool did not run or the answer is another. It prints
the answer and the trace id of each call, which is `trace_id` in the log lines of gateway and worker.

The model is a stand-in that always does the same and needs no key. With MODEL, such as
`MODEL=anthropic:claude-sonnet-5`, it is a real one: `pip install langchain langchain-anthropic`, and set the provider's
key. A service that signs in gives --authority and --client-id, and its secret in CLIENT_SECRET (python_service/).
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from mcp import ClientSession

A, B, SUM = 2, 40, "42"
QUESTION = f"What is {A} plus {B}? Use the tool add."


class StandIn(BaseChatModel):
    """Asks for `add` once, and then says what the tool answered."""

    @property
    def _llm_type(self) -> str:
        return "stand-in"

    def bind_tools(self, tools: Sequence[BaseTool], **_: Any) -> StandIn:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        last = messages[-1]
        if isinstance(last, ToolMessage):
            said = AIMessage(f"The tool answered {last.text}.")
        else:
            said = AIMessage("", tool_calls=[{"name": "add", "args": {"a": A, "b": B}, "id": "call-1"}])
        return ChatResult(generations=[ChatGeneration(message=said)])


def chosen_model() -> BaseChatModel:
    if not (name := os.environ.get("MODEL")):
        return StandIn()
    from langchain.chat_models import init_chat_model

    return init_chat_model(name)


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
    """The session, with each tool call in a trace of its own: the adapters send no `traceparent` (SEP-414)."""
    call_tool = session.call_tool

    async def traced_call(name: str, *arguments: Any, **options: Any) -> Any:
        trace = secrets.token_hex(16)
        began(name, trace)
        meta = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
        return await call_tool(name, *arguments, meta=meta, **options)

    session.call_tool = traced_call  # type: ignore[method-assign]
    return session


async def main(options: argparse.Namespace) -> None:
    server: dict[str, Any] = {"transport": "streamable_http", "url": options.url}
    if options.authority:
        # It gets the token, keeps it, and replaces it before it expires and when it is refused.
        sys.path.append(str(Path(__file__).parent / "python_service"))
        from settings import auth

        server["auth"] = auth(options)
    traces: list[tuple[str, str]] = []
    client = MultiServerMCPClient({"prynai": server})
    # One session for all calls. Tools of `client.get_tools()` open one for each call, which costs six requests.
    async with client.session("prynai") as session:
        tools = await load_mcp_tools(traced(session, lambda name, trace: traces.append((name, trace))))
        ended = await agent(chosen_model(), tools).ainvoke({"messages": [HumanMessage(QUESTION)]})
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
    parser.add_argument("--authority", help="https://login.microsoftonline.com/TENANT; without it, nobody signs in")
    parser.add_argument("--client-id", help="of the service's own registration")
    parser.add_argument("--scope", help="of the server's registration [default: URL/.default]")
    parser.add_argument("--local-authority", action="store_true", help="the authority is none of Microsoft's")
    options = parser.parse_args()
    if options.authority and not (options.client_id and os.environ.get("CLIENT_SECRET")):
        parser.error("with --authority, give --client-id, and the secret as CLIENT_SECRET in the environment")
    return options


if __name__ == "__main__":
    anyio.run(main, arguments())
