"""What is measured: the fleet, the standalone server, and the peers. Each is started with its defaults."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "python"))

from processes import Process, Starter, binary, free_port, says  # noqa: E402

from counters import Redis  # noqa: E402
from messages import INITIALIZE, INITIALIZED, LEGACY, PLAIN_HEADERS  # noqa: E402

PEER_BINARY = "PRYNAI_BENCH_RMCP"
PEER_PYTHON = "PRYNAI_BENCH_PYTHON"
DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec")


@dataclass
class Subject:
    """A server that runs, and its processes by what they are."""

    name: str
    urls: list[str]
    processes: dict[str, int]
    folder: Path
    redis_port: int | None = None

    @property
    def url(self) -> str:
        return self.urls[0]

    @contextlib.contextmanager
    def redis(self) -> Iterator[Redis | None]:
        if self.redis_port is None:
            yield None
        else:
            with contextlib.closing(Redis(self.redis_port)) as redis:
                yield redis

    def open_session(self) -> str:
        """A new session of the legacy era; its name."""
        at = urlsplit(self.url)
        with contextlib.closing(http.client.HTTPConnection(at.netloc, timeout=30)) as connection:
            connection.request("POST", at.path, INITIALIZE, PLAIN_HEADERS)
            answer = connection.getresponse()
            answer.read()
            session = answer.getheader("Mcp-Session-Id")
            assert answer.status == 200 and session, f"{self.name} opened no session: {answer.status}"
            headers = {**PLAIN_HEADERS, "Mcp-Session-Id": session, "MCP-Protocol-Version": LEGACY}
            connection.request("POST", at.path, INITIALIZED, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 202, f"{self.name} refused initialized: {answer.status}"
        return session


class Peer(Process):
    """A process that is not ours, which ends as it likes."""

    def stop(self) -> None:
        self._child.terminate()
        self._child.wait(60)
        self._reader.join()


Subjects = Callable[[Path, str], contextlib.AbstractContextManager[Subject]]


@contextlib.contextmanager
def fleet(
    folder: Path,
    name: str,
    gateways: int = 1,
    workers: int = 1,
    gateway_flags: Sequence[str] = (),
    worker_flags: Sequence[str] = (),
    redis_flags: Sequence[str] = (),
) -> Iterator[Subject]:
    """Gateways, Redis and workers; the processes of a kind are numbered when there are several."""
    with contextlib.ExitStack() as stack:
        starter = Starter(folder, stack)
        processes: dict[str, int] = {}

        def start(label: str, command: list[str], ready: Callable[[str], str | None]) -> str:
            process = starter.start(label.replace(" ", "-"), command, ready)
            processes[label] = process.pid
            return process.wait_until_ready()

        port = free_port()
        server = [
            *("redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", *redis_flags),
        ]
        start("redis", server, lambda line: line if "Ready to accept connections" in line else None)
        shared = ["--redis-url", f"redis://127.0.0.1:{port}", "--log-format", "json"]
        for label in numbered("worker", workers):
            start(label, [binary("prynai-worker"), *shared, *worker_flags], says("ready", "worker"))
        gateway = [binary("prynai-gateway"), "--listen", "127.0.0.1:0", *shared, *gateway_flags]
        addresses = [start(label, gateway, says("listening", "address")) for label in numbered("gateway", gateways)]
        yield Subject(name, [f"http://{address}/mcp" for address in addresses], processes, folder, redis_port=port)


def numbered(kind: str, count: int) -> list[str]:
    return [kind] if count == 1 else [f"{kind} {number + 1}" for number in range(count)]


@contextlib.contextmanager
def split(folder: Path, era: str) -> Iterator[Subject]:
    """A fleet of one gateway, Redis and one worker."""
    with fleet(folder, "split") as subject:
        yield subject


@contextlib.contextmanager
def split_with_file(folder: Path, era: str) -> Iterator[Subject]:
    """The fleet, whose Redis writes an append-only file."""
    with fleet(folder, "split, append-only file", redis_flags=DURABLE) as subject:
        yield subject


@contextlib.contextmanager
def split_silent(folder: Path, era: str) -> Iterator[Subject]:
    """The fleet without an audit and without lines for requests and runs; metrics cannot be turned off."""
    silent = ("--audit-records", "0", "--log-requests", "none")
    with fleet(folder, "split, silent", gateway_flags=silent, worker_flags=silent) as subject:
        yield subject


@contextlib.contextmanager
def standalone(folder: Path, era: str) -> Iterator[Subject]:
    """Gateway, worker and the memory bus in one process."""
    with contextlib.ExitStack() as stack:
        command = [binary("prynai-mcp"), "--listen", "127.0.0.1:0", "--log-format", "json"]
        process = Starter(folder, stack).start("standalone", command, says("listening", "address"))
        address = process.wait_until_ready()
        yield Subject("standalone", [f"http://{address}/mcp"], {"standalone": process.pid}, folder)


@contextlib.contextmanager
def rmcp(folder: Path, era: str) -> Iterator[Subject]:
    """rmcp's own HTTP service around our handler."""
    command = [os.environ[PEER_BINARY], mode(era)]
    with peer("rmcp", command, folder, after("listening on ")) as (process, address):
        yield Subject("rmcp", [f"http://{address}/mcp"], {"rmcp": process.pid}, folder)


@contextlib.contextmanager
def fastmcp(folder: Path, era: str) -> Iterator[Subject]:
    """FastMCP under uvicorn."""
    port = free_port()
    program = str(HERE / "peers" / "fastmcp" / "server.py")
    command = [os.environ[PEER_PYTHON], program, str(port), mode(era)]
    with peer("fastmcp", command, folder, after("Uvicorn running on http://")) as (process, address):
        yield Subject("fastmcp", [f"http://{address.split()[0]}/mcp"], {"fastmcp": process.pid}, folder)


@contextlib.contextmanager
def peer(
    name: str, command: list[str], folder: Path, ready: Callable[[str], str | None]
) -> Iterator[tuple[Process, str]]:
    process = Peer(name, command, folder, ready)
    try:
        yield process, process.wait_until_ready()
    finally:
        process.stop()


def mode(era: str) -> str:
    return "stateless" if era == "modern" else "sessions"


def after(words: str) -> Callable[[str], str | None]:
    """Finds what stands behind these words in a line of the log."""
    return lambda line: line.split(words, 1)[1].strip() if words in line else None


def versions() -> dict[str, str]:
    """Of what is not ours."""

    def said(pattern: str, *command: str) -> str:
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(pattern, out)
        return found[1] if found else "unknown"

    locked = re.search(r'name = "rmcp"\nversion = "([^"]+)"', (HERE.parents[1] / "Cargo.lock").read_text())
    asked = "from importlib.metadata import version as v; print(v('fastmcp'))"
    return {
        "rmcp": locked[1] if locked else "unknown",
        "FastMCP": said(r"(\S+)", os.environ[PEER_PYTHON], "-c", asked),
        "Redis": said(r"v=(\S+)", "redis-server", "--version"),
    }


def allow_many_connections() -> None:
    """Thousands of connections need as many files; the processes that are started inherit this."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
