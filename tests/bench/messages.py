"""The calls that are measured: what is sent, and what the right answer has in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
# A number of nine digits stands where the id of a request goes, so that every id has the same length.
FIRST_ID = 100_000_000
PLAIN_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@dataclass(frozen=True)
class Call:
    """A request of one of the eras, and the text that its answer must have."""

    method: str
    params: dict[str, Any]
    expected: str
    era: str = "modern"
    # Progress notifications before the answer.
    events: int = 0
    # Each call has a session of its own, from `initialize` to DELETE.
    whole_session: bool = False
    meta: dict[str, Any] = field(default_factory=dict)
    # What `Mcp-Name` says of a modern request; without it, the name in `params`.
    name: str | None = None
    # What a modern client says of itself.
    capabilities: dict[str, Any] = field(default_factory=dict)

    def body(self, identifier: int = FIRST_ID) -> str:
        meta = dict(self.meta)
        if self.era == "modern":
            meta["io.modelcontextprotocol/protocolVersion"] = MODERN
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities
        params = {**self.params, "_meta": meta} if meta else self.params
        return json.dumps({"jsonrpc": "2.0", "id": identifier, "method": self.method, "params": params})

    def headers(self) -> dict[str, str]:
        """Without the session's."""
        if self.era == "legacy":
            return {**PLAIN_HEADERS, "MCP-Protocol-Version": LEGACY}
        name = self.name or self.params.get("name")
        named = {"Mcp-Name": name} if name else {}
        return {**PLAIN_HEADERS, "MCP-Protocol-Version": MODERN, "Mcp-Method": self.method, **named}


def echo(size: int = 100, **kind: Any) -> Call:
    """`tools/call` of `echo`, with a text of so many bytes."""
    text = "0123456789abcdef" * (size // 16 + 1)
    # The end of the text, with the quote after it: an answer that was cut off does not have it.
    return Call("tools/call", {"name": "echo", "arguments": {"text": text[: size - 4] + "end."}}, 'end."', **kind)


def progress(events: int = 10, **kind: Any) -> Call:
    """`tools/call` of `long_running`, which reports so many times and never sleeps."""
    arguments = {"name": "long_running", "arguments": {"steps": events, "delay_ms": 0}}
    meta = {"progressToken": "bench"}
    return Call("tools/call", arguments, f"done after {events} steps", events=events, meta=meta, **kind)


def list_tools(**kind: Any) -> Call:
    return Call("tools/list", {}, "long_running", **kind)


INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        },
    }
)
INITIALIZED = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
