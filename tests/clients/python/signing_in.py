"""What the Python clients that sign in have in common.

    python CLIENT.py URL

URL is all that the client is told of the server. It asks for a page of the sign-in to be opened with the program in
`BROWSER`, as programs of people do. On standard input each line `call` asks for a call of `whoami`. On standard output
stand lines of JSON: its version, and then what each call says, or the error.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOOL = "whoami"
LONGEST_HEAD = 64 * 1024

Call = Callable[[], Awaitable[str]]
Connect = Callable[[str], AbstractAsyncContextManager[Call]]


def open_browser(url: str) -> None:
    subprocess.run([os.environ["BROWSER"], url], check=True)


@dataclass
class Loopback:
    """Where the browser comes back to (RFC 8252, section 7.3); an async context manager."""

    redirect_uri: str = ""

    async def __aenter__(self) -> Loopback:
        self._answers: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0, limit=LONGEST_HEAD)
        self.redirect_uri = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/callback"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def answer(self) -> dict[str, str]:
        return await self._answers.get()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        target = urlsplit(head.split(b" ")[1].decode())
        if target.path == "/callback":
            self._answers.put_nowait({name: values[0] for name, values in parse_qs(target.query).items()})
        body = b"You may close this page."
        answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        writer.write(f"{answer}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


def main(version: str, connect: Connect) -> None:
    say({"version": version})
    asyncio.run(serve(connect))


async def serve(connect: Connect) -> None:
    async with connect(sys.argv[1]) as call:
        while (await asyncio.to_thread(sys.stdin.readline)).strip() == "call":
            try:
                say({"said": await call()})
            except Exception as error:
                say({"error": repr(error)})
                raise


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)
