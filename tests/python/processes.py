"""Starts the real binaries for the tests: alone, or as a fleet behind a balancer."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BINARIES = Path(os.environ.get("PRYNAI_BIN_DIR") or HERE.parent.parent / "target" / "debug")
# Generous: only a process that hangs reaches them.
START_SECONDS = 60
STOP_SECONDS = 60
EVENT_SECONDS = 30
LOG_LINES_SHOWN = 60
# How settings in the environment begin: of our programs, of traces, and of LangSmith, which agents send theirs to.
OTHERS = ("PRYNAI_", "OTEL_", "LANGSMITH_", "LANGCHAIN_")


class Process:
    """One child process. What it writes is kept in `log` and shown when something fails."""

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        ready: Callable[[str], str | None],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = command
        self.environment = environment or {}
        # How it ends when it is asked to.
        self.ends_with = 0
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._ready = ready
        self._start()

    def _start(self) -> None:
        self._found: queue.Queue[str | None] = queue.Queue()
        self._child = subprocess.Popen(
            self.command,
            cwd=self._folder,
            env={**clean_environment(), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, name=f"log of {self.name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        waiting = True
        with self.log.open("a") as log, self._child.stdout as lines:
            for line in lines:
                log.write(line)
                log.flush()
                if waiting and (found := self._ready(line)) is not None:
                    waiting = False
                    self._found.put(found)
        # Wakes whoever still waits for a process that has ended.
        self._found.put(None)

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_until_ready(self) -> str:
        """What `ready` found in the log."""
        with contextlib.suppress(queue.Empty):
            if (found := self._found.get(timeout=START_SECONDS)) is not None:
                return found
        raise AssertionError(f"{self.name} did not become ready\n{self.last_lines()}")

    def last_lines(self) -> str:
        text = self.log.read_text() if self.log.exists() else ""
        return "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])

    def check_alive(self) -> None:
        status = self._child.poll()
        assert status is None, f"{self.name} ended with {status}\n{self.last_lines()}"

    def restart(self) -> None:
        """Stops it as `stop` does, and starts it again; returns when it is ready."""
        self.stop()
        self._start()
        self.wait_until_ready()

    def stop(self) -> None:
        """Asks it to end. Fails if it does not end, ends without success, or has logged an error."""
        self._child.terminate()
        try:
            status: int | str = self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            status = f"nothing: it still ran {STOP_SECONDS} s after SIGTERM"
        self._reader.join()
        assert status == self.ends_with, f"{self.name} ended with {status}\n{self.last_lines()}"
        errors = [line for line in self.log.read_text().splitlines() if '"level":"ERROR"' in line]
        assert not errors, "\n".join([f"{self.name} logged errors:", *errors])


@dataclass
class Server:
    """Where the tests connect, and the processes behind it."""

    url: str
    processes: list[Process]
    # None for the standalone server, which has no Redis.
    redis_url: str | None = None

    def check_alive(self) -> None:
        for process in self.processes:
            process.check_alive()

    def lines_of_trace(self, part: str, trace: str) -> list[dict[str, Any]]:
        """What the processes whose name begins with `part` have logged so far in this trace."""
        logs = [process.log for process in self.processes if process.name.startswith(part)]
        lines = [line for log in logs for line in log.read_text().splitlines() if trace in line]
        return [line for line in map(json.loads, lines) if line.get("trace_id") == trace]


def until(condition: Callable[[], Any], seconds: float = EVENT_SECONDS) -> Any:
    """Waits for what follows an answer, such as a line of the log; gives what `condition` gave when it was true."""
    deadline = time.monotonic() + seconds
    while not (came := condition()):
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)
    return came


class Starter:
    """Starts processes, and stops them in reverse order."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self.processes: list[Process] = []
        self._stack = stack

    def start(
        self,
        name: str,
        command: list[str],
        ready: Callable[[str], str | None],
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        process = Process(name, command, self.folder, ready, environment)
        self.processes.append(process)
        self._stack.callback(process.stop)
        return process


# Starts a balancer at a port in front of gateways, and gives its address.
Balance = Callable[[Starter, int, Sequence[str]], str]


@contextlib.contextmanager
def standalone(folder: Path, program: str = "prynai-mcp", flags: Sequence[str] = ()) -> Iterator[Server]:
    with contextlib.ExitStack() as stack:
        starter = Starter(folder, stack)
        command = [binary(program), "--listen", "127.0.0.1:0", "--log-format", "json", *flags]
        address = starter.start("standalone", command, says("listening", "address")).wait_until_ready()
        yield Server(f"http://{address}/mcp", starter.processes)


@contextlib.contextmanager
def fleet(
    folder: Path,
    gateways: int = 2,
    workers: int = 2,
    worker: str = "prynai-worker",
    gateway_flags: Sequence[str] = (),
    worker_flags: Sequence[str] = (),
    port: int = 0,
    worker_environment: Mapping[str, str] | None = None,
    gateway_environment: Mapping[str, str] | None = None,
    balance: Balance | None = None,
) -> Iterator[Server]:
    """`port` is where the balancer listens, if that must be known before it starts."""
    with contextlib.ExitStack() as stack:
        starter = Starter(folder, stack)
        redis_url = start_redis(starter)
        shared = ["--redis-url", redis_url, "--log-format", "json"]

        running = [
            starter.start(
                f"worker-{n}",
                [binary(worker), *shared, *worker_flags],
                says("ready", "worker"),
                worker_environment,
            )
            for n in range(workers)
        ]
        for process in running:
            process.wait_until_ready()

        listening = [
            starter.start(
                f"gateway-{n}",
                [binary("prynai-gateway"), "--listen", "127.0.0.1:0", *shared, *gateway_flags],
                says("listening", "address"),
                gateway_environment,
            )
            for n in range(gateways)
        ]
        upstreams = [gateway.wait_until_ready() for gateway in listening]
        for gateway, address in zip(listening, upstreams):
            # Where it listens again when it is restarted.
            gateway.command = [address if part == "127.0.0.1:0" else part for part in gateway.command]

        address = (balance or round_robin)(starter, port, upstreams)
        yield Server(f"http://{address}/mcp", starter.processes, redis_url)


def round_robin(starter: Starter, port: int, upstreams: Sequence[str]) -> str:
    command = [sys.executable, str(HERE / "round_robin.py"), str(port), *upstreams]
    return starter.start("balancer", command, says("listening", "address")).wait_until_ready()


def start_redis(starter: Starter) -> str:
    program = shutil.which("redis-server")
    assert program, "redis-server is not installed; scripts/test installs it"
    port = free_port()
    command = [
        *(program, "--bind", "127.0.0.1", "--port", str(port)),
        *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
    ]
    redis = starter.start("redis", command, lambda line: line if "Ready to accept connections" in line else None)
    redis.wait_until_ready()
    return f"redis://127.0.0.1:{port}"


def says(message: str, field: str) -> Callable[[str], str | None]:
    """Finds `field` in the JSON log line with this message."""

    def found(line: str) -> str | None:
        try:
            entry = json.loads(line)
        except ValueError:
            return None
        if isinstance(entry, dict) and entry.get("message") == message:
            return str(entry[field])
        return None

    return found


def binary(name: str) -> str:
    path = BINARIES / name
    assert path.exists(), f"{path} is missing: run cargo build --workspace --bins, or set PRYNAI_BIN_DIR"
    return str(path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """The environment without the caller's own settings of what the tests start."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
