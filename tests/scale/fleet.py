"""A fleet of any size, and what a call costs it. To be imported first: it says where the benchmark's modules are."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "bench"), str(HERE.parent / "python")]

import subjects  # noqa: E402
from counters import Snapshot, cost, snapshot  # noqa: E402
from load.wrk import Load  # noqa: E402
from messages import Call, echo  # noqa: E402
from subjects import Subject  # noqa: E402

# What one process, caller or address may have is raised: the whole crowd comes from one address.
GATEWAY = (
    *("--caller-sessions", "1000000", "--caller-kept", "4GiB", "--caller-streams", "100000"),
    *("--max-stream-age", "24h", "--session-idle", "24h"),
)
WORKER = ("--caller-kept", "4GiB")
CONNECTIONS = 32
PAUSE_S = 0.3
PARTS = ("gateway", "worker", "redis")


@contextlib.contextmanager
def fleet(
    folder: Path, gateways: int = 1, workers: int = 1, worker_flags: Sequence[str] = ()
) -> Iterator[Subject]:
    """A fleet that lets one address have a crowd."""
    flags = {"gateway_flags": GATEWAY, "worker_flags": (*WORKER, *worker_flags)}
    with subjects.fleet(folder, "fleet", gateways, workers, **flags) as subject:
        yield subject


def cost_of_calls(
    subject: Subject, rounds: int, seconds: int, era: str = "modern", connections: int = CONNECTIONS
) -> dict[str, float]:
    """Medians of what a call costs each part of the fleet, all gateways together; CPU time in microseconds.
    `connections` are divided among the gateways."""
    each = max(1, connections // len(subject.urls))
    loads = [prepared(subject, url, number, era, each) for number, url in enumerate(subject.urls)]
    sizes = [load.check() for load in loads]
    with ThreadPoolExecutor(len(loads)) as pool, subject.redis() as redis:
        assert redis is not None
        taken = []
        for _ in range(rounds):
            time.sleep(PAUSE_S)
            before = snapshot(subject.processes, redis)
            measured = list(pool.map(lambda one: one[0].measure(seconds, one[1]), zip(loads, sizes, strict=True)))
            calls = sum(one["calls"] for one in measured)
            rate = sum(one["per_second"] for one in measured)
            taken.append(by_part(before, snapshot(subject.processes, redis), calls) | {"per_second": rate})
    return {name: statistics.median(one[name] for one in taken) for name in taken[0]}


def prepared(subject: Subject, url: str, number: int, era: str, connections: int = CONNECTIONS) -> Load:
    folder = subject.folder / f"load-{number}"
    folder.mkdir(exist_ok=True)
    call: Call = echo(era=era)
    sessions = tuple(subject.open_session() for _ in range(connections)) if era == "legacy" else ()
    return Load(url, connections, call, sessions, folder)


def by_part(before: Snapshot, after: Snapshot, units: float) -> dict[str, float]:
    """What each part took for each of so many units."""
    whole = cost(before, after, units)
    cpu: dict[str, float] = whole["cpu_us"]  # type: ignore[assignment]
    parts = {part: sum(us for name, us in cpu.items() if name.startswith(part)) for part in PARTS}
    return parts | {"sum": sum(parts.values()), "commands": float(whole["commands"])}  # type: ignore[arg-type]


def resident_kib(pid: int) -> int:
    """Memory that a process has now, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def gateway_pids(subject: Subject) -> Sequence[int]:
    return [pid for name, pid in subject.processes.items() if name.startswith("gateway")]
