"""The Rust SDK, `rmcp`, signs a person in: by the program of examples/rust_client, which PRYNAI_BIN_DIR has."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from signing_in import TOOL, Call, main, open_browser

ROOT = Path(__file__).parents[3]
PROGRAM = Path(os.environ.get("PRYNAI_BIN_DIR") or ROOT / "target" / "debug") / "rust-client"


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Call]:
    command = [str(PROGRAM), url, "--call", TOOL, "--lines"]
    child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert child.stdin and child.stdout and child.stderr
    told = asyncio.ensure_future(follow(child.stderr))

    async def call() -> str:
        child.stdin.write(b"{}\n")
        await child.stdin.drain()
        line = await child.stdout.readline()
        [content] = json.loads(line)["content"]
        return content["text"]

    try:
        yield call
    finally:
        child.stdin.close()
        await child.wait()
        await told


async def follow(stderr: asyncio.StreamReader) -> None:
    """Opens the page that the program names; what else it says is passed on."""
    async for line in stderr:
        said = line.decode()
        if found := re.match(r"Sign in at (\S+)", said):
            open_browser(found[1])
        sys.stderr.write(said)
        sys.stderr.flush()


def version() -> str:
    locked = re.search(r'name = "rmcp"\nversion = "([^"]+)"', (ROOT / "Cargo.lock").read_text())
    assert locked, "Cargo.lock names no rmcp"
    return locked[1]


if __name__ == "__main__":
    main(version(), connect)
