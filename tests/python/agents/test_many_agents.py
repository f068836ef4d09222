"""Many agents work while every process of their fleet is restarted in turn: nothing is lost, and nothing done twice."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import haproxy
from issuer import DAEMON, DAEMON_SECRET, Issuer
from ledger import VARIABLE, Ledger, ledger
from processes import HERE, Server, clean_environment, fleet, until
from environments import ENVIRONMENTS
from programs import INSTALLED

# Of each era.
AGENTS = 100
# More than one agent ever asks for.
NUMBERS = 1_000_000
# Only something that hangs takes so long.
BEGIN_SECONDS = END_SECONDS = 300


class Agents:
    """The agents of one era, in a process of their own."""

    def __init__(self, era: str, url: str, issuer: Issuer, folder: Path, first_call: int) -> None:
        self.out, self.err = folder / f"{era}.out", folder / f"{era}.err"
        python = INSTALLED / ENVIRONMENTS[era] / "bin" / "python"
        assert python.exists(), f"{python} is missing: run scripts/agents"
        self.calls = range(first_call, first_call + NUMBERS)
        command = [
            *(str(python), str(HERE / "agents" / "tireless.py"), url, era, str(AGENTS), str(first_call)),
            *("--authority", issuer.authority, "--local-authority"),
            *("--scope", f"{issuer.resource}/.default", "--client-id", DAEMON),
        ]
        environment = {
            **clean_environment(),
            **{"SSL_CERT_FILE": str(issuer.ca), "REQUESTS_CA_BUNDLE": str(issuer.ca), "CLIENT_SECRET": DAEMON_SECRET},
            **{"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"},
        }
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=err, text=True
            )

    def have_begun(self) -> bool:
        assert self.process.poll() is None, self.err.read_text()
        return "working" in self.out.read_text()

    def told_to_end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def ended(self) -> list[dict[str, Any]]:
        """What became of each."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        _begun, *ended = map(json.loads, self.out.read_text().splitlines())
        assert self.process.poll() is not None, f"{AGENTS - len(ended)} agents hang"
        assert self.process.returncode == 0, self.err.read_text()
        return ended


@pytest.fixture
def deeds() -> Iterator[Ledger]:
    with ledger() as kept:
        yield kept


@pytest.fixture
def restartable(issuer: Issuer, deeds: Ledger, tmp_path: Path) -> Iterator[Server]:
    """A fleet with tools that write down what they do, behind a balancer that turns away from gateways that stop."""
    with fleet(
        tmp_path,
        worker="prynai-chaos-worker",
        gateway_flags=[*issuer.gateway_flags(), "--log-requests", "all"],
        # A worker alone has room for all.
        worker_flags=["--concurrency", str(2 * AGENTS)],
        worker_environment={VARIABLE: str(deeds.path)},
        balance=haproxy.haproxy,
    ) as server:
        yield server


@pytest.fixture
def agents(restartable: Server, issuer: Issuer, tmp_path: Path) -> Iterator[list[Agents]]:
    with contextlib.ExitStack() as stack:
        started = []
        for n, era in enumerate(ENVIRONMENTS):
            started.append(Agents(era, restartable.url, issuer, tmp_path, n * NUMBERS))
            stack.callback(started[-1].process.wait)
            stack.callback(started[-1].process.kill)
        yield started


def test_agents_lose_nothing_while_every_process_is_restarted(restartable, agents, deeds):
    processes = {process.name: process for process in restartable.processes}
    for each in agents:
        until(each.have_begun, BEGIN_SECONDS)
    for number in range(2):
        # So that some are in the middle of something.
        for each in agents:
            until(lambda: deeds.running(each.calls), BEGIN_SECONDS)
        # A new release comes to gateways and to workers at the same time.
        with ThreadPoolExecutor() as pool:
            gateway, worker = processes[f"gateway-{number}"], processes[f"worker-{number}"]
            for restarted in [
                pool.submit(haproxy.restart, gateway, processes["balancer"]),
                pool.submit(worker.restart),
            ]:
                restarted.result()
    for each in agents:
        each.told_to_end()

    asked: list[int] = []
    for each in agents:
        ended = each.ended()
        assert len(ended) == AGENTS
        for agent in ended:
            assert "error" not in agent, agent
            # Its own answers, each once and in order; who ran the call stands behind its number.
            assert [int(text.split()[0]) for text in agent["answered"]] == agent["asked"]
            asked.extend(agent["asked"])
    done = deeds.deeds()
    assert sorted(done) == sorted(asked)
    once = {"begun": 1, "effect": 1, "done": 1}
    assert {call: dict(of_call) for call, of_call in done.items() if of_call != once} == {}
    # Legacy clients were sent away in the middle of calls, and came back for the rest.
    logs = [process.log.read_text() for name, process in processes.items() if name.startswith("gateway")]
    assert any('"outcome":"detached"' in log for log in logs)
