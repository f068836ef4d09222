"""Tool calls that wait for a person: two nodes in the place of a `ToolNode`.

    agent ──▶ call ──▶ agent
               │ ▲
               ▼ │
               ask

`call` makes a tool call. If the tool asks something, the call has ended with its questions and a `requestState`, in which
the server keeps how far it had come (2026-07-28, Multi Round-Trip Requests). Both go into the graph's state, and so into
the checkpoint. `ask` interrupts the graph. Whenever it goes on, in whatever process, only `ask` runs again: `call` then
goes on with the answers and the `requestState`, and the tool's work before its question is not done again.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypedDict

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langgraph.graph import MessagesState
from langgraph.types import interrupt
from langsmith import trace
from mcp import ClientSession, MCPError
from mcp.types import CallToolResult, ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from run_trace import traceparent


class Round(TypedDict):
    """What a call waits for; as JSON, because checkpoints outlive the classes of a library."""

    # The questions, each with the key for its answer.
    requests: list[dict[str, Any]]
    request_state: str | None
    answers: dict[str, Any] | None


class Conversation(MessagesState):
    round: Round | None


class Rounds:
    """The nodes, for the calls of one session."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def call(self, state: Conversation) -> dict[str, Any]:
        """The next tool call, or the next round of the one that waits."""
        wanted = unanswered(state)[0]
        try:
            result = await self._call(wanted, name_of(wanted, state), state.get("round"))
        except MCPError as error:
            # Such as a `requestState` that has expired: the model reads it, and may call anew.
            refused = ToolMessage(str(error), tool_call_id=wanted["id"], status="error")
            return {"round": None, "messages": [refused]}
        if isinstance(result, InputRequiredResult):
            requests = [described(key, request) for key, request in (result.input_requests or {}).items()]
            return {"round": Round(requests=requests, request_state=result.request_state, answers=None)}
        return {"round": None, "messages": [answered(wanted, result)]}

    async def _call(self, wanted: ToolCall, name: str, earlier: Round | None) -> CallToolResult | InputRequiredResult:
        answers = (earlier and earlier["answers"]) or {}
        async with trace(wanted["name"], "tool", inputs=wanted["args"]) as run:
            result = await self._session.call_tool(
                wanted["name"],
                wanted["args"],
                input_responses={key: ElicitResult.model_validate(answer) for key, answer in answers.items()} or None,
                request_state=earlier and earlier["request_state"],
                meta={"ai.prynai/idempotencyKey": name, "traceparent": traceparent()},
                allow_input_required=True,
            )
            run.end(outputs=result.model_dump(mode="json", by_alias=True, exclude={"request_state"}))
        return result

    def ask(self, state: Conversation) -> dict[str, Any]:
        """Interrupts as LangChain's `MCPAdapter` does, so that whoever shows its questions can show these."""
        waiting = state["round"]
        assert waiting is not None
        tool = unanswered(state)[0]["name"]
        said = interrupt({"type": "mcp_elicitation", "tool_name": tool, "requests": waiting["requests"]})
        return {"round": Round(**{**waiting, "answers": said["responses"]})}

    @staticmethod
    def after_call(state: Conversation) -> str:
        if state.get("round"):
            return "ask"
        return "call" if unanswered(state) else "agent"


def unanswered(state: Conversation) -> list[ToolCall]:
    """The tool calls that the model asked for last, and that have no answer yet."""
    done = {message.tool_call_id for message in state["messages"] if isinstance(message, ToolMessage)}
    return [call for call in asking(state).tool_calls if call["id"] not in done]


def asking(state: Conversation) -> AIMessage:
    return next(message for message in reversed(state["messages"]) if isinstance(message, AIMessage))


def name_of(wanted: ToolCall, state: Conversation) -> str:
    """The same in every round, and when a node runs again because its process died before the checkpoint was written:
    the server then answers what it has answered, and the tool does not run twice."""
    return hashlib.sha256(f"{asking(state).id}/{wanted['id']}".encode()).hexdigest()


def described(key: str, request: Any) -> dict[str, Any]:
    if not isinstance(request, ElicitRequest):
        raise NotImplementedError(f"the server asks for {request.method}, which no person can answer")
    params = request.params
    if isinstance(params, ElicitRequestFormParams):
        return {"key": key, "mode": "form", "message": params.message, "requested_schema": params.requested_schema}
    return {"key": key, "mode": "url", "message": params.message, "url": str(params.url)}


def answered(wanted: ToolCall, result: CallToolResult) -> ToolMessage:
    text = "\n".join(block.text for block in result.content if block.type == "text")
    return ToolMessage(text, tool_call_id=wanted["id"], status="error" if result.is_error else "success")
