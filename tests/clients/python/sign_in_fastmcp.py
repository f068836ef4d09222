"""FastMCP's client signs a person in, with what `auth="oauth"` brings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import fastmcp

from signing_in import TOOL, Call, main


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Call]:
    async with fastmcp.Client(url, auth="oauth") as client:

        async def call() -> str:
            [content] = (await client.call_tool(TOOL, {})).content
            return content.text

        yield call


if __name__ == "__main__":
    main(fastmcp.__version__, connect)
