"""The same for LangChain and LangGraph: the server's tools, as tools of an agent or a graph.

    export CLIENT_SECRET=…
    python langchain_service.py https://mcp.example.com/mcp --authority https://login.microsoftonline.com/TENANT \\
        --client-id CLIENT_ID --call add --arguments '{"a": 2, "b": 40}'
"""

from __future__ import annotations

import argparse
from datetime import timedelta

import anyio
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from settings import auth, settings


async def main(options: argparse.Namespace) -> None:
    # Not `headers`: those never change, and a token lasts for an hour.
    server = {"transport": "streamable_http", "url": options.url, "auth": auth(options)}
    # A client that cannot come back for an answer waits for ever otherwise. Longer than the longest call.
    server["session_kwargs"] = {"read_timeout_seconds": timedelta(minutes=10)}
    client = MultiServerMCPClient({"prynai": server})
    # One session for all calls. Tools of `client.get_tools()` open one for each call, which costs six requests.
    async with client.session("prynai") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}
        if options.call is None:
            print("\n".join(tools))
        else:
            print(await call(tools[options.call], options))


async def call(tool: BaseTool, options: argparse.Namespace) -> str:
    """In a graph: `ToolNode(tools)`, or `create_react_agent(model, tools)`."""
    content = await tool.ainvoke(options.arguments)
    return "\n".join(part["text"] for part in content if part["type"] == "text")


if __name__ == "__main__":
    anyio.run(main, settings("Calls a tool as a service, through LangChain."))
