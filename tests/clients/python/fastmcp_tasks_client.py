"""FastMCP's client of tasks, `fastmcp-tasks`.

python fastmcp_tasks_client.py URL REVISION
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import fastmcp
from fastmcp_tasks import ToolTask, call_tool_task

import tasks


class FastMcpTasks:
    def __init__(self, client: fastmcp.Client) -> None:
        self._client = client
        self._tasks: dict[str, ToolTask] = {}

    async def begin(self, tool: str, arguments: dict[str, Any]) -> str:
        task = await call_tool_task(self._client, tool, arguments)
        self._tasks[task.task_id] = task
        return task.task_id

    async def status(self, task: str) -> str:
        return (await self._tasks[task].status()).status

    async def result(self, task: str) -> str:
        [content] = (await self._tasks[task].result()).content
        return content.text

    async def cancel(self, task: str) -> None:
        await self._tasks[task].cancel()


async def confirmed(_message: str, _type: Any, _params: Any, _context: Any) -> dict[str, Any]:
    return {"confirm": True}


async def run() -> None:
    async with fastmcp.Client(sys.argv[1], mode="auto", elicitation_handler=confirmed) as client:
        await tasks.check(FastMcpTasks(client))


if __name__ == "__main__":
    tasks.report(version("fastmcp-tasks"), run)
