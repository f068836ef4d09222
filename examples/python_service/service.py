"""A service, without a user, calls a tool.

    export CLIENT_SECRET=…
    python service.py https://mcp.example.com/mcp --authority https://login.microsoftonline.com/TENANT \\
        --client-id CLIENT_ID --call add --arguments '{"a": 2, "b": 40}'
"""

from __future__ import annotations

import argparse

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from settings import auth, settings


async def main(options: argparse.Namespace) -> None:
    # The SDK's own limits: an answer may be a stream that is silent for a while.
    timeout = httpx2.Timeout(30, read=300)
    http = httpx2.AsyncClient(auth=auth(options), timeout=timeout)
    async with http, Client(streamable_http_client(options.url, http_client=http)) as client:
        if options.call is None:
            for tool in (await client.list_tools()).tools:
                print(tool.name)
        else:
            result = await client.call_tool(options.call, options.arguments)
            print(result.model_dump_json(by_alias=True, exclude_none=True))


if __name__ == "__main__":
    anyio.run(main, settings("Calls a tool as a service."))
