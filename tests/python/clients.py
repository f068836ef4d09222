"""One client for the tests, whichever generation of the Python SDK is installed.

All results are the JSON of the wire (`model_dump` by alias), so a test reads the same with both.
"""

from __future__ import annotations

import abc
import importlib.metadata
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
from mcp import types

Json = dict[str, Any]
Answer = Callable[[Json], Awaitable[Json]]
OnProgress = Callable[[Json], None]

SDK_GENERATION = int(importlib.metadata.version("mcp").partition(".")[0])
HANDSHAKE = "2025-11-25"
STATELESS = "2026-07-28"
REVISIONS = [HANDSHAKE] if SDK_GENERATION == 1 else [HANDSHAKE, STATELESS]

# Only something that hangs takes so long.
TEST_SECONDS = 60


@dataclass
class Callbacks:
    """What the client answers and hears. Without `on_sampling` or `on_elicitation` it does not offer that capability to
    the server."""

    log_level: str | None = None
    on_sampling: Answer | None = None
    on_elicitation: Answer | None = None
    logs: list[Json] = field(default_factory=list)

    async def heard_log(self, params: Any) -> None:
        self.logs.append(wire(params))

    async def sample(self, _context: Any, params: Any) -> types.CreateMessageResult:
        assert self.on_sampling is not None
        return types.CreateMessageResult.model_validate(await self.on_sampling(wire(params)))

    async def elicit(self, _context: Any, params: Any) -> types.ElicitResult:
        assert self.on_elicitation is not None
        return types.ElicitResult.model_validate(await self.on_elicitation(wire(params)))

    def for_sdk(self) -> dict[str, Any]:
        """The callbacks as keyword arguments of the SDK's clients; both generations name them alike."""
        return {
            "logging_callback": self.heard_log,
            "sampling_callback": self.sample if self.on_sampling else None,
            "elicitation_callback": self.elicit if self.on_elicitation else None,
        }


class Updates(Protocol):
    """The `notifications/resources/updated` of one watched resource."""

    async def next(self) -> str:
        """Waits for the next one and gives its URI."""


class Connection(abc.ABC):
    """A connected client."""

    def __init__(self, sdk: Any, callbacks: Callbacks, revision: str, server_info: Any, capabilities: Any) -> None:
        self._sdk = sdk
        self.revision = revision
        self.server_info = wire(server_info)
        self.capabilities = wire(capabilities)
        self.logs = callbacks.logs

    @abc.abstractmethod
    def watch(self, uri: str) -> AbstractAsyncContextManager[Updates]:
        """Subscribes to a resource; once entered, no later change of it is missed."""

    async def list_tools(self) -> dict[str, Json]:
        return by_name(wire(await self._sdk.list_tools())["tools"])

    async def list_prompts(self) -> dict[str, Json]:
        return by_name(wire(await self._sdk.list_prompts())["prompts"])

    async def list_resources(self) -> dict[str, Json]:
        return {each["uri"]: each for each in wire(await self._sdk.list_resources())["resources"]}

    async def list_resource_templates(self) -> dict[str, Json]:
        listed = wire(await self._sdk.list_resource_templates())["resourceTemplates"]
        return {each["uriTemplate"]: each for each in listed}

    async def call(self, tool: str, arguments: Json, on_progress: OnProgress | None = None) -> Json:
        async def progressed(progress: float, total: float | None, message: str | None) -> None:
            assert on_progress is not None
            on_progress({"progress": progress, "total": total, "message": message})

        heard = progressed if on_progress else None
        return wire(await self._sdk.call_tool(tool, arguments, progress_callback=heard))

    async def read(self, uri: str) -> Json:
        """The one content of a resource."""
        [content] = wire(await self._sdk.read_resource(uri))["contents"]
        return content

    async def get_prompt(self, name: str, arguments: dict[str, str]) -> Json:
        return wire(await self._sdk.get_prompt(name, arguments))

    async def complete_prompt(self, name: str, argument: str, typed: str) -> list[str]:
        return await self._complete(types.PromptReference(type="ref/prompt", name=name), argument, typed)

    async def complete_template(self, template: str, argument: str, typed: str) -> list[str]:
        return await self._complete(types.ResourceTemplateReference(type="ref/resource", uri=template), argument, typed)

    async def _complete(self, reference: Any, argument: str, typed: str) -> list[str]:
        result = await self._sdk.complete(reference, {"name": argument, "value": typed})
        return wire(result)["completion"]["values"]


@asynccontextmanager
async def connect(
    url: str,
    revision: str,
    *,
    log_level: str | None = None,
    on_sampling: Answer | None = None,
    on_elicitation: Answer | None = None,
    auth: Any = None,
    seconds: float = TEST_SECONDS,
) -> AsyncIterator[Connection]:
    """A client connected to the server at `url`, speaking `revision`, for so long at most. `auth` is what the SDK's
    HTTP library takes."""
    if SDK_GENERATION == 1:
        import sdk1 as sdk
    else:
        import sdk2 as sdk
    callbacks = Callbacks(log_level, on_sampling, on_elicitation)
    with anyio.fail_after(seconds):
        async with sdk.connect(url, revision, callbacks, auth) as connection:
            assert connection.revision == revision
            yield connection


def wire(model: Any) -> Json:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


def by_name(listed: list[Json]) -> dict[str, Json]:
    return {each["name"]: each for each in listed}


def text_of(result: Json) -> str:
    """The one text of a tool's result, which must not be an error."""
    assert not result.get("isError"), result
    [content] = result["content"]
    assert content["type"] == "text", content
    return content["text"]


def protocol_error() -> type[Exception]:
    """What the SDK raises for a JSON-RPC error; its `error` has the code."""
    import mcp.shared.exceptions

    return mcp.shared.exceptions.McpError if SDK_GENERATION == 1 else mcp.shared.exceptions.MCPError
