"""MCP Inspector in CLI mode: `mcp-inspector --cli`, one process for each use.

    python inspector_cli.py URL FLEET REVISION

It is a client of Node; the program finds it, and the Node to run it with, in the folder INSPECTOR_NODE_MODULES.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from capabilities import HANDSHAKE, STATELESS, Client, OnProgress, Updates, main

INSTALLED = Path(os.environ["INSPECTOR_NODE_MODULES"])
# The launcher takes whichever Node is first in the path for its own.
NODE_FIRST = f"{INSTALLED / '.bin'}{os.pathsep}{os.environ['PATH']}"

MISSING = {
    "progress": "The CLI asks for no progress and has no option that would.",
    "sampling": "The CLI does not offer sampling to servers.",
    "elicitation": "The CLI does not offer elicitation to servers.",
    "too_large": "A command line takes no argument of 4 MiB.",
    "share": "Each process of the CLI makes one call, in a session of its own.",
    "late_answer": "The CLI does not offer sampling to servers.",
    "cancelled_stream": "The CLI has no command that cancels a call.",
    "update": "The CLI has no command for it: it refuses `--method resources/subscribe`.",
}
NO_CANCEL = "The CLI has no command that cancels a call, and ends without sending `notifications/cancelled`."


class InspectorClient(Client):
    def __init__(self, url: str, revision: str, folder: str) -> None:
        self.url = url
        self.revision = revision
        self.folder = folder

    async def list_tools(self) -> Collection[str]:
        return [tool["name"] for tool in (await self.result("tools/list"))["tools"]]

    async def call(self, tool: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> str:
        assert on_progress is None
        [content] = (await self.result(*calling(tool, arguments)))["content"]
        return content["text"]

    async def read(self, uri: str) -> str:
        [content] = (await self.result("resources/read", "--uri", uri))["contents"]
        return content["text"]

    def watch(self, uri: str) -> AbstractAsyncContextManager[Updates]:
        raise NotImplementedError(MISSING["update"])

    async def abandon(
        self,
        tool: str,
        arguments: dict[str, Any],
        when: Callable[[], Awaitable[object]],
        on_progress: OnProgress | None = None,
    ) -> None:
        """A user's Ctrl-C. It closes the connection, and that is a cancel in 2026-07-28."""
        async with self.process(*calling(tool, arguments)):
            await when()

    async def result(self, *command: str) -> dict[str, Any]:
        async with self.process(*command) as running:
            printed, said = await running.communicate()
        assert running.returncode == 0, said.decode()
        return json.loads(printed)["result"]

    @asynccontextmanager
    async def process(self, *command: str) -> AsyncIterator[Process]:
        era = "modern" if self.revision == STATELESS else "legacy"
        options = ["--transport", "http", "--protocol-era", era, "--format", "json", "--method"]
        running = await asyncio.create_subprocess_exec(
            INSTALLED / ".bin" / "mcp-inspector",
            *("--cli", self.url, *options, *command),
            # What it remembers is not that of this machine's user.
            env={**os.environ, "PATH": NODE_FIRST, "HOME": self.folder},
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            yield running
        finally:
            if running.returncode is None:
                running.send_signal(signal.SIGINT)
            await running.wait()


def calling(tool: str, arguments: dict[str, Any]) -> tuple[str, ...]:
    return "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments)


@asynccontextmanager
async def connect(url: str, revision: str) -> AsyncIterator[Client]:
    with tempfile.TemporaryDirectory() as folder:
        yield InspectorClient(url, revision, folder)


if __name__ == "__main__":
    package = INSTALLED / "@modelcontextprotocol" / "inspector" / "package.json"
    missing = {**MISSING, "cancel": NO_CANCEL} if sys.argv[3] == HANDSHAKE else MISSING
    main(json.loads(package.read_text())["version"], connect, missing)
