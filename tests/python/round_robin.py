"""A load balancer that sends every request to the next upstream: no request can rely on where the last one went.

Each connection carries one request: the upstream is asked to close it after its answer. After the head, bytes are only
copied, so streams arrive as they are written, and `Host` and `Origin` stay as the client sent them.

    python round_robin.py PORT 127.0.0.1:8001 127.0.0.1:8002

Port 0 takes a free one. Prints where it listens as the processes of the fleet do, and each attempt to open a stream:
{"message": "listening", "address": "127.0.0.1:PORT"}
{"message": "GET"}
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys

CHUNK = 64 * 1024
# Longest request head.
HEAD_LIMIT = 64 * 1024
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def serve(port: int, upstreams: list[tuple[str, int]]) -> None:
    turns = itertools.cycle(upstreams)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await relay(reader, writer, turns)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            # One side is gone, or this process ends: nobody is left who could be told.
            writer.transport.abort()
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", port, limit=HEAD_LIMIT)
    host, bound = server.sockets[0].getsockname()[:2]
    print(json.dumps({"message": "listening", "address": f"{host}:{bound}"}), flush=True)

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()


async def relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    turns: itertools.cycle[tuple[str, int]],
) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"GET "):
        print(json.dumps({"message": "GET"}), flush=True)
    # Chosen when the request is there, not when the connection is: clients may connect ahead.
    host, port = next(turns)
    try:
        upstream_reader, upstream_writer = await asyncio.open_connection(host, port, limit=CHUNK)
    except OSError:
        writer.write(BAD_GATEWAY)
        await writer.drain()
        return
    try:
        upstream_writer.write(asking_to_close(head))
        await copy_until_one_ends(reader, writer, upstream_reader, upstream_writer)
    finally:
        # An answer that nobody waits for ends here, not when the upstream next writes.
        upstream_writer.transport.abort()


async def copy_until_one_ends(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream_reader: asyncio.StreamReader,
    upstream_writer: asyncio.StreamWriter,
) -> None:
    request = asyncio.ensure_future(copy(reader, upstream_writer))
    response = asyncio.ensure_future(copy(upstream_reader, writer))
    ended, running = await asyncio.wait({request, response}, return_when=asyncio.FIRST_COMPLETED)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for task in ended:
        task.result()


async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while chunk := await source.read(CHUNK):
        sink.write(chunk)
        await sink.drain()


def asking_to_close(head: bytes) -> bytes:
    """The request head with `Connection: close` instead of what the client says about its connection."""
    lines = head[: -len(b"\r\n\r\n")].split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"keep-alive:"))]
    return b"\r\n".join([*kept, b"Connection: close", b"", b""])


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), [address(text) for text in sys.argv[2:]]))
