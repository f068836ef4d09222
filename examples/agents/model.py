"""The model of the examples: a stand-in that always does the same, or the one that MODEL names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool


class StandIn(BaseChatModel):
    """Asks for one tool once, and then says what it answered. It needs no key."""

    tool: str
    arguments: dict[str, Any]

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
            call = {"name": self.tool, "args": self.arguments, "id": f"call-{len(messages)}"}
            said = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=said)])


def chosen(stand_in: StandIn) -> BaseChatModel:
    """With `MODEL=anthropic:claude-sonnet-5`, that one: install langchain and langchain-anthropic, and set its key."""
    if not (name := os.environ.get("MODEL")):
        return stand_in
    from langchain.chat_models import init_chat_model

    return init_chat_model(name)
