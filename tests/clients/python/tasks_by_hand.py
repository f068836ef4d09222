"""A client of tasks without an SDK: each request is a POST with Python's own library, on a connection of its own.

python tasks_by_hand.py URL REVISION
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from typing import Any

import tasks

EXTENSION = "io.modelcontextprotocol/tasks"
REVISION = "2026-07-28"


class ByHand:
    def __init__(self, url: str) -> None:
        self._url = url

    async def begin(self, tool: str, arguments: dict[str, Any]) -> str:
        task = await self._ask("tools/call", tool, name=tool, arguments=arguments)
        assert task["resultType"] == "task", task
        return task["taskId"]

    async def status(self, task: str) -> str:
        return (await self._ask("tasks/get", task, taskId=task))["status"]

    async def result(self, task: str) -> str:
        while (now := await self._ask("tasks/get", task, taskId=task))["status"] != "completed":
            assert now["status"] in ("working", "input_required"), now
            if questions := now.get("inputRequests"):
                yes = {"action": "accept", "content": {"confirm": True}}
                await self._ask("tasks/update", task, taskId=task, inputResponses=dict.fromkeys(questions, yes))
        return now["result"]["content"][0]["text"]

    async def cancel(self, task: str) -> None:
        await self._ask("tasks/cancel", task, taskId=task)

    async def _ask(self, method: str, target: str, **params: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self._post, method, target, params)

    def _post(self, method: str, target: str, params: dict[str, Any]) -> dict[str, Any]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "extensions": {EXTENSION: {}}},
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "MCP-Protocol-Version": REVISION,
            "Mcp-Method": method,
            "Mcp-Name": target,
        }
        with urllib.request.urlopen(urllib.request.Request(self._url, json.dumps(message).encode(), headers)) as response:
            return json.load(response)["result"]


if __name__ == "__main__":
    tasks.report("–", lambda: tasks.check(ByHand(sys.argv[1])))
