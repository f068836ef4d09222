"""What a measurement costs: CPU time and memory of each process, commands and bytes of Redis. Linux only."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# Commands that count nothing but themselves.
OWN_COMMANDS = {"info", "client", "monitor"}


class Redis:
    """A connection that asks Redis what it has done."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._lines = self._socket.makefile("rb")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def send(self, *words: str) -> None:
        parts = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        self._socket.sendall(f"*{len(words)}\r\n{parts}".encode())

    def line(self) -> str:
        """One line: the whole of a simple answer, and of what MONITOR tells."""
        return self._lines.readline().decode(errors="replace").rstrip("\r\n")

    def info(self) -> dict[str, str]:
        self.send("INFO", "everything")
        size = int(self.line().removeprefix("$"))
        text = self._lines.read(size + 2).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


@dataclass(frozen=True)
class Snapshot:
    """Counters that only grow."""

    cpu_ns: dict[str, int]
    commands: dict[str, int]
    bytes_in: int
    bytes_out: int


def snapshot(processes: Mapping[str, int], redis: Redis | None) -> Snapshot:
    """`processes` are names and ids; those of one name are added up."""
    info = redis.info() if redis else {}
    commands = {
        name.removeprefix("cmdstat_"): int(re.findall(r"calls=(\d+)", value)[0])
        for name, value in info.items()
        if name.startswith("cmdstat_")
    }
    return Snapshot(
        cpu_ns={name: cpu_ns(pid) for name, pid in processes.items()},
        commands={name: count for name, count in commands.items() if name.split("|")[0] not in OWN_COMMANDS},
        bytes_in=int(info.get("total_net_input_bytes", 0)),
        bytes_out=int(info.get("total_net_output_bytes", 0)),
    )


def cost(before: Snapshot, after: Snapshot, calls: float) -> dict[str, object]:
    """The difference, per call."""
    commands = {
        name: (count - before.commands.get(name, 0)) / calls
        for name, count in after.commands.items()
        if count > before.commands.get(name, 0)
    }
    return {
        "cpu_us": {name: (ns - before.cpu_ns[name]) / 1000 / calls for name, ns in after.cpu_ns.items()},
        "commands_by_name": commands,
        # Those that scripts call count as well: Redis works for them all the same.
        "commands": sum(commands.values()),
        "redis_bytes": (after.bytes_in - before.bytes_in + after.bytes_out - before.bytes_out) / calls,
    }


def cpu_ns(pid: int) -> int:
    """CPU time of a process with all its threads, also of those that have ended, in nanoseconds."""
    # The clock of a process as clock_getcpuclockid(3) makes it.
    return time.clock_gettime_ns((~pid << 3) | 2)


def forget_peak_memory(pids: Iterable[int]) -> None:
    for pid in pids:
        # A process of somebody else keeps its peak.
        with contextlib.suppress(PermissionError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_memory_mib(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def machine() -> dict[str, object]:
    """What a reader must know of where figures come from."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "cores": os.cpu_count(),
        "cpu": cpu[1] if cpu else platform.machine(),
        "memory_gib": round(int(memory[1]) / 1024**2) if memory else None,
        "kernel": f"{platform.system()} {platform.release()}",
    }
