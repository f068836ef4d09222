"""Signs a person in where the server says, and calls a tool.

    python client.py http://127.0.0.1:8000/mcp --client-id CLIENT_ID
    python client.py https://mcp.example.com/mcp --client-id CLIENT_ID --tokens tokens.json \\
        --call add --arguments '{"a": 2, "b": 40}'

The SDK does the rest: it is refused, reads where to sign in (RFC 9728), gets a code with PKCE for a token, sends that
with each request, and refreshes it when it has expired.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import webbrowser
from pathlib import Path

import anyio
import httpx2
from loopback import Loopback
from mcp import Client
from mcp.client.auth import OAuthClientProvider, OAuthFlowError, OAuthTokenError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata
from token_file import TokenFile


def sign_in(options: argparse.Namespace, loopback: Loopback) -> OAuthClientProvider:
    """What adds a token to each request, and asks for a sign-in when there is none."""

    async def open_browser(url: str) -> None:
        print(f"Sign in at {url}", file=sys.stderr, flush=True)
        if options.browser:
            webbrowser.open(url)

    client = OAuthClientInformationFull(
        client_id=options.client_id,
        redirect_uris=[loopback.redirect_uri],
        # Public: a program on somebody's machine has no secret. PKCE takes its place.
        token_endpoint_auth_method="none",
    )
    storage = TokenFile(options.tokens, options.url, client)
    provider = OAuthClientProvider(
        server_url=options.url,
        client_metadata=OAuthClientMetadata(
            redirect_uris=client.redirect_uris,
            grant_types=["authorization_code", "refresh_token"],
            token_endpoint_auth_method="none",
        ),
        storage=storage,
        redirect_handler=open_browser,
        callback_handler=loopback.answer,
    )
    storage.attach(provider)
    return provider


async def main(options: argparse.Namespace) -> None:
    async with Loopback(options.port) as loopback:
        # The SDK's own limits: an answer may be a stream that is silent for a while.
        timeout = httpx2.Timeout(30, read=300)
        http = httpx2.AsyncClient(auth=sign_in(options, loopback), timeout=timeout)
        async with http, Client(streamable_http_client(options.url, http_client=http), mode=options.mode) as client:
            print(f"connected to {client.server_info.name}, {client.protocol_version}", file=sys.stderr)
            if options.call is None:
                for tool in (await client.list_tools()).tools:
                    print(tool.name)
            else:
                result = await client.call_tool(options.call, options.arguments)
                print(result.model_dump_json(by_alias=True, exclude_none=True))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Signs a person in and calls a tool.")
    parser.add_argument("url", help="the server's endpoint, as in https://mcp.example.com/mcp")
    parser.add_argument("--client-id", required=True, help="of the public client that is registered for this program")
    parser.add_argument("--call", metavar="TOOL", help="without it, the tools are listed")
    parser.add_argument("--arguments", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--tokens", type=Path, metavar="FILE", help="keeps the sign-in for the next run")
    parser.add_argument("--port", type=int, default=0, help="of the redirect URI, if that is registered with one")
    parser.add_argument("--mode", default="auto", help="auto, legacy or a revision such as 2026-07-28")
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="only print where to sign in")
    return parser.parse_args()


def cause(error: BaseException) -> BaseException:
    """What went wrong first: task groups wrap it, each once more."""
    while nested := getattr(error, "exceptions", ()):
        error = nested[0]
    return error


if __name__ == "__main__":
    # It logs what it raises as well.
    logging.getLogger("mcp.client.auth").setLevel(logging.CRITICAL)
    try:
        anyio.run(main, options())
    except Exception as error:
        if not isinstance(reason := cause(error), (OAuthFlowError, OAuthTokenError)):
            raise
        sys.exit(f"No sign-in, no call: {reason}")
