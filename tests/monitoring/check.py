#!/usr/bin/env python3
"""Checks the alerts and the dashboard of docs/monitoring/; scripts/monitoring says when.

On paper: promtool reads both and plays the faults of alerts_test.yaml; each metric and label is one that docs/metrics.md
has; each alert has its fault, and its section in docs/operations.md.
For real: Prometheus reads a fleet; every panel of the dashboard shows something; two faults raise their alerts.

Needs Python 3.10, prometheus, promtool, redis-server, and the binaries in PRYNAI_BIN_DIR.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "bench"), str(HERE.parent / "python")]

import subjects
from messages import Call, echo
from processes import Starter, free_port

MONITORING = ROOT / "docs" / "monitoring"
ALERTS = MONITORING / "alerts.yaml"
FAULTS = HERE / "alerts_test.yaml"

# Generous: only what never comes reaches it.
PATIENCE_S = 60

GOOD = echo()
FAILED = Call("tools/call", {"name": "no_such_tool", "arguments": {}}, '"error"')
REFUSED = Call("tools/list", {"cursor": "x" * 10_000}, '"error"')

# What a fleet without trouble and without sign-in cannot show.
EMPTY = {"Starts", "Tokens refused per second"}

# Made by Prometheus from a histogram; by Prometheus itself.
SUFFIXES = re.compile(r"_(bucket|count|sum)$")
LABELS_OF_PROMETHEUS = {"instance", "job", "le"}
METRIC = re.compile(r"\b((?:prynai|mcp|process)_[a-z0-9_]+)(?:\{([^}]*)\})?")


class Fault(Exception):
    """What is wrong, and where."""


# === on paper ===


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Fault(f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


def documented() -> dict[str, set[str]]:
    """The labels of each metric, as docs/metrics.md has them."""
    known: dict[str, set[str]] = {}
    name = ""
    for line in (ROOT / "docs" / "metrics.md").read_text().splitlines():
        if heading := re.match(r"### `(\w+)`", line):
            name = heading[1]
            known[name] = set()
        elif name and (label := re.match(r"- `(\w+)`:", line)):
            known[name].add(label[1])
    return known


def check_names(where: str, expression: str, known: dict[str, set[str]]) -> None:
    labels = set().union(*known.values())
    for name, matchers in METRIC.findall(expression):
        if name in labels:
            continue
        metric = name if name in known else SUFFIXES.sub("", name)
        if metric not in known:
            raise Fault(f"{where}: there is no metric {name} in docs/metrics.md")
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers):
            if label not in known[metric] | LABELS_OF_PROMETHEUS:
                raise Fault(f"{where}: {metric} has no label {label}")


def alerts() -> dict[str, str]:
    """The rule of each alert, as text; read without a parser of YAML, whose form promtool has checked."""
    _, *rules = re.split(r"^ +- alert: ", ALERTS.read_text(), flags=re.MULTILINE)
    return {rule.split("\n", 1)[0].strip(): rule for rule in rules}


def check_alerts(known: dict[str, set[str]]) -> None:
    promtool("check", "rules", str(ALERTS))
    promtool("test", "rules", str(FAULTS))
    runbook = (ROOT / "docs" / "operations.md").read_text()
    played = FAULTS.read_text().split("eval_time:")
    for name, rule in alerts().items():
        check_names(name, rule, known)
        if f"#{name.lower()}\n" not in rule or f"### {name}\n" not in runbook:
            raise Fault(f"{name} has no section in docs/operations.md, or its runbook does not lead there")
        if not any(f"alertname: {name}\n" in play and "exp_labels" in play for play in played):
            raise Fault(f"{FAULTS.name} has no fault that raises {name}")
    for name in re.findall(r"^### (Prynai\w+)$", runbook, re.MULTILINE):
        if name not in alerts():
            raise Fault(f"docs/operations.md tells of {name}, which is no alert")


def queries() -> Iterator[tuple[str, str]]:
    """The title of each panel, and what it asks, for all jobs and over ten seconds."""
    dashboard = json.loads((MONITORING / "grafana.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        raise Fault("grafana.json: two panels have one id")
    asked = [(panel["title"], target) for panel in dashboard["panels"] for target in panel.get("targets", [])]
    asked += [(note["name"], note) for note in dashboard["annotations"]["list"]]
    for title, target in asked:
        yield title, target["expr"].replace("$job", ".+").replace("$__rate_interval", "10s")


def check_dashboard(known: dict[str, set[str]], folder: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": expr} for number, (_, expr) in enumerate(queries())]
    # JSON is YAML.
    everything = folder / "panels.yaml"
    everything.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(everything))
    for title, expr in queries():
        check_names(f"the panel {title!r}", expr, known)


# === for real ===


class Prometheus:
    """A Prometheus that reads a fleet, and has the alerts."""

    def __init__(self, folder: Path, starter: Starter, targets: list[str]) -> None:
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [{"job_name": "prynai", "static_configs": [{"targets": targets}]}],
        }
        path = folder / "prometheus.yaml"
        path.write_text(json.dumps(config))
        self.port = free_port()
        command = [
            *("prometheus", f"--config.file={path}", f"--storage.tsdb.path={folder / 'prometheus'}"),
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        ready = "Server is ready to receive web requests"
        starter.start("prometheus", command, lambda line: line if ready in line else None).wait_until_ready()

    def ask(self, path: str, **query: str) -> Any:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(query)}")
            answer = json.load(connection.getresponse())
        if answer["status"] != "success":
            raise Fault(f"Prometheus about {query}: {answer.get('error')}")
        return answer["data"]

    def raised(self, alert: str) -> bool:
        """Whether what the alert is for is seen. It fires when it has been for some time."""
        return any(raised["labels"]["alertname"] == alert for raised in self.ask("alerts")["alerts"])


def until(what: str, holds: Callable[[], bool]) -> None:
    patience = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > patience:
            raise Fault(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.3)


@contextlib.contextmanager
def paused(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def begin_call(url: str, call: Call = GOOD) -> http.client.HTTPConnection:
    at = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(at.netloc, timeout=PATIENCE_S)
    connection.request("POST", at.path, call.body(), call.headers())
    return connection


def end_call(connection: http.client.HTTPConnection, call: Call = GOOD) -> None:
    with contextlib.closing(connection):
        text = connection.getresponse().read().decode()
    if call.expected not in text:
        raise Fault(f"a call was answered with {text}")


def check_fleet(folder: Path) -> None:
    gateway, worker = (f"127.0.0.1:{free_port()}" for _ in range(2))
    with (
        subjects.fleet(
            folder,
            "fleet",
            gateway_flags=["--admin-listen", gateway],
            worker_flags=["--admin-listen", worker],
        ) as fleet,
        contextlib.ExitStack() as stack,
    ):
        prometheus = Prometheus(folder, Starter(folder, stack), [gateway, worker])

        def shows(expr: str) -> bool:
            # Something happens while it is looked at, so that there are rates.
            for call in (GOOD, FAILED, REFUSED):
                end_call(begin_call(fleet.url, call), call)
            return bool(prometheus.ask("query", query=expr)["result"])

        for title, expr in queries():
            if title not in EMPTY:
                until(f"the panel {title!r} shows {expr}", functools.partial(shows, expr))
        for alert in alerts():
            if prometheus.raised(alert):
                raise Fault(f"all is well, and {alert} is raised")

        with paused(fleet.processes["redis"]):
            until("PrynaiRedisAway is raised", lambda: prometheus.raised("PrynaiRedisAway"))
        until("PrynaiRedisAway ends", lambda: not prometheus.raised("PrynaiRedisAway"))
        os.kill(fleet.processes["worker"], signal.SIGTERM)
        until("the worker ends", lambda: not prometheus.ask("query", query="prynai_worker_concurrency")["result"])
        with contextlib.closing(begin_call(fleet.url)):
            until("PrynaiNoWorker is raised", lambda: prometheus.raised("PrynaiNoWorker"))


def main() -> None:
    known = documented()
    try:
        with tempfile.TemporaryDirectory(prefix="prynai-monitoring-") as folder:
            check_alerts(known)
            check_dashboard(known, Path(folder))
            check_fleet(Path(folder))
    except Fault as fault:
        sys.exit(f"scripts/monitoring: {fault}")
    print(f"{len(alerts())} alerts and {len(list(queries()))} queries of the dashboard are well")


if __name__ == "__main__":
    main()
