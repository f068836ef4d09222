"""The call of a tool that takes long, and what becomes of it."""

from __future__ import annotations

from typing import Any

from fastmcp import Client
from fastmcp_tasks import ToolTask
from fastmcp_tasks.client_models import ClientCreateTaskResult
from mcp.types import CallToolResult

TOOL = "long_running"


async def begin(client: Client, steps: int, key: str) -> dict[str, Any]:
    """Calls the tool; under the same key it is the same call. Gives its `task`, or its `result` if it has ended."""
    answer = await client.session.call_tool(
        name=TOOL,
        arguments={"steps": steps, "delay_ms": 1000},
        meta={"ai.prynai/idempotencyKey": key},
        allow_claimed=True,
    )
    if isinstance(answer, CallToolResult):
        return {"result": text_of(answer)}
    return {"task": answer.model_dump(mode="json", by_alias=True, exclude_none=True)}


async def end(client: Client, task: dict[str, Any]) -> str:
    """Asks about the task until it has ended, and gives its result."""
    made = ClientCreateTaskResult.model_validate(task, by_name=False)
    return text_of(await ToolTask(client, TOOL, made).result())


def text_of(result: Any) -> str:
    return result.content[0].text
