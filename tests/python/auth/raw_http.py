"""Plain HTTP, for what a client of an SDK would not send or show."""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from clients import HANDSHAKE, STATELESS

ANSWER_SECONDS = 30


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def challenge(self) -> dict[str, str]:
        """The parameters of the one `WWW-Authenticate` header."""
        [header] = self.headers.get_all("WWW-Authenticate") or []
        scheme, _, parameters = header.partition(" ")
        assert scheme == "Bearer", header
        return dict(re.findall(r'([a-z_]+)="([^"]*)"', parameters))


def send(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=ANSWER_SECONDS)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        sent = None if body is None else json.dumps(body)
        connection.request(method, target, sent, headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def post(url: str, revision: str, token: str | None = None) -> Answer:
    """The first request of a client of this revision."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if revision == STATELESS:
        headers |= {"MCP-Protocol-Version": STATELESS, "Mcp-Method": "tools/list"}
    return send("POST", url, FIRST_REQUESTS[revision], headers)


FIRST_REQUESTS = {
    HANDSHAKE: {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": HANDSHAKE,
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "1"},
        },
    },
    STATELESS: {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/list",
        "params": {
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": STATELESS,
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    },
}
