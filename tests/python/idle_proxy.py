"""What an ingress does to a silent connection: a TCP proxy that cuts each one on which no byte passed for a while."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

CHUNK = 64 * 1024
BEGIN_SECONDS = 30


class IdleProxy:
    """Runs in a thread of its own, in front of `upstream` (host:port)."""

    def __init__(self, upstream: str, idle_seconds: float) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream, self._idle_seconds = (host, int(port)), idle_seconds
        self.address = ""
        # Connections that were cut.
        self.cut = 0
        self._begun = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="idle proxy", daemon=True)
        self._thread.start()
        assert self._begun.wait(BEGIN_SECONDS), "the proxy does not begin"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"
        self._begun.set()
        await self._over.wait()
        server.close()
        relaying = asyncio.all_tasks() - {asyncio.current_task()}
        for task in relaying:
            task.cancel()
        await asyncio.gather(*relaying, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
        passed = asyncio.Event()
        copies = [
            asyncio.ensure_future(copy(reader, upstream_writer, passed)),
            asyncio.ensure_future(copy(upstream_reader, writer, passed)),
        ]
        try:
            while not any(each.done() for each in copies):
                passed.clear()
                something = asyncio.ensure_future(passed.wait())
                done, _ = await asyncio.wait(
                    {something, *copies}, timeout=self._idle_seconds, return_when=asyncio.FIRST_COMPLETED
                )
                something.cancel()
                if not done:
                    self.cut += 1
                    return
        finally:
            for each in copies:
                each.cancel()
            await asyncio.gather(*copies, return_exceptions=True)
            # At once, and on both sides, as who cuts does not say goodbye.
            writer.transport.abort()
            upstream_writer.transport.abort()


async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter, passed: asyncio.Event) -> None:
    while chunk := await source.read(CHUNK):
        passed.set()
        sink.write(chunk)
        await sink.drain()


@contextlib.contextmanager
def idle_proxy(upstream: str, idle_seconds: float) -> Iterator[IdleProxy]:
    proxy = IdleProxy(upstream, idle_seconds)
    try:
        yield proxy
    finally:
        proxy.stop()
