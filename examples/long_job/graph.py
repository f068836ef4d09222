"""A LangGraph node that waits for a job of hours: another process goes on waiting, from the checkpoint.

    python graph.py http://127.0.0.1:8000/mcp --thread report     # starts the job; kill it whenever you like
    python graph.py http://127.0.0.1:8000/mcp --thread report     # goes on, and prints the result

Three nodes, each with a checkpoint after it: the first names the job, the second calls the tool and keeps the task that
the server made of the call, the third asks about the task until it has ended. A process that dies in the second one
sends the same call again under the same key, which is the same job, and gets its result if it has ended.
"""

from __future__ import annotations

import argparse
import asyncio
import uuid
from typing import Any, TypedDict

from fastmcp import Client
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

from work import begin, end


class Work(TypedDict, total=False):
    steps: int
    key: str
    task: dict[str, Any]
    result: str


class Nodes:
    """The nodes, with the client that they share."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def name(self, state: Work) -> Work:
        return {"key": str(uuid.uuid4())}

    async def begin(self, state: Work) -> Work:
        begun = await begin(self._client, state["steps"], state["key"])
        if "task" in begun:
            print("the task is working", flush=True)
        return Work(**begun)

    async def wait(self, state: Work) -> Work:
        return {"result": state.get("result") or await end(self._client, state["task"])}


async def main(options: argparse.Namespace) -> None:
    async with Client(options.url) as client, AsyncSqliteSaver.from_conn_string(options.checkpoints) as checkpoints:
        nodes = Nodes(client)
        graph = StateGraph(Work)
        graph.add_node("name", nodes.name)
        graph.add_node("begin", nodes.begin)
        graph.add_node("wait", nodes.wait)
        graph.add_edge(START, "name")
        graph.add_edge("name", "begin")
        graph.add_edge("begin", "wait")
        graph.add_edge("wait", END)
        compiled = graph.compile(checkpointer=checkpoints)
        thread = {"configurable": {"thread_id": options.thread}}
        kept = await compiled.aget_state(thread)
        # A process died before the end: from the last checkpoint.
        begin = None if kept.next else {"steps": options.steps}
        ended = await compiled.ainvoke(begin, thread, durability="sync")
    print(ended["result"])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A graph with a node that waits for a long job.")
    parser.add_argument("url", help="the server's endpoint, as in http://127.0.0.1:8000/mcp")
    parser.add_argument("--thread", required=True, help="names the run, which any process can go on with")
    parser.add_argument("--steps", type=int, default=60, help="how many seconds the job takes [default: 60]")
    parser.add_argument("--checkpoints", default="checkpoints.sqlite", help="where runs are kept")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
