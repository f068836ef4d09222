"""Runs real clients against a fleet of two gateways and two workers behind a per-request balancer, and writes
docs/compatibility.md. scripts/clients calls it.

    python run.py FOLDER BROWSER_FOLDER BROWSER [--check]

FOLDER holds the installed clients: a virtual environment for each python/requirements-NAME.txt, and node/. BROWSER is
the program, BROWSER_FOLDER holds what ../browser needs. What the clients and the fleet said goes to FOLDER/results. With --check the page is compared and not written. The exit code is 0
if nothing failed and, with --check, the page says what came out.
"""

from __future__ import annotations

import difflib
import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "python"))
sys.path.insert(1, str(HERE.parent / "browser" / "apps"))

import apps  # noqa: E402
import long_job  # noqa: E402
import sign_in  # noqa: E402
from fleet_work import FleetWork, served  # noqa: E402
from page import CAPABILITIES, ENDINGS, EXTENSIONS, SIGN_IN, Row, page, same  # noqa: E402
from processes import Server, clean_environment, fleet  # noqa: E402
from refusing_fleet import GATEWAY_FLAGS, WORKER_FLAGS, RefusingFleet  # noqa: E402

PAGE = ROOT / "docs" / "compatibility.md"
# What a program can be asked for, and what it then reports.
COLUMNS = {
    "capabilities": CAPABILITIES,
    "endings": {name: shown for name, shown in ENDINGS.items() if name != "deadline"},
    "deadline": {"deadline": ENDINGS["deadline"]},
}
HANDSHAKE = "2025-11-25"
STATELESS = "2026-07-28"
LOG_LINES_SHOWN = 60
# Longer than any client runs that keeps its own limits, and than what a failed one may leave behind.
CLIENT_SECONDS = 360
LEFT_BEHIND_SECONDS = 90

# Of the fleet that refuses.
POLICY = """
[[allow]]
tools = ["*"]
resources = ["everything://readme", "everything://notes/*"]
"""


@dataclass
class Program:
    """A program that reports as python/capabilities.py says."""

    client: str
    file: str
    environment: str
    revisions: tuple[str, ...] = (HANDSHAKE, STATELESS)


PROGRAMS = [
    Program("Python SDK 1.x, `mcp`", "python/mcp_sdk.py", "mcp-1", (HANDSHAKE,)),
    Program("Python SDK 2.x, `mcp`", "python/mcp_sdk.py", "mcp-2"),
    Program("TypeScript SDK 1.x, `@modelcontextprotocol/sdk`", "node/sdk1.mjs", "node", (HANDSHAKE,)),
    Program("TypeScript SDK 2.x, `@modelcontextprotocol/client`", "node/sdk2.mjs", "node"),
    Program("FastMCP, `fastmcp`", "python/fastmcp_client.py", "fastmcp"),
    Program(
        "LangChain, `langchain-mcp-adapters`",
        "python/langchain_adapters.py",
        "langchain-mcp-adapters",
        (HANDSHAKE,),
    ),
    Program("LangChain, `langchain[mcp]`", "python/langchain_mcp.py", "langchain"),
    Program("MCP Inspector, `@modelcontextprotocol/inspector --cli`", "python/inspector_cli.py", "mcp-2"),
    Program("`mcp-remote`", "node/mcp_remote.mjs", "node"),
]

# Hosts of skills, and clients of tasks.
SKILLS = Program("TypeScript SDK 2.x, `@modelcontextprotocol/client`", "node/skills.mjs", "node")
TASKS = [
    Program("FastMCP, `fastmcp-tasks`", "python/fastmcp_tasks_client.py", "long_job", (STATELESS,)),
    Program("no SDK, Python's `urllib`", "python/tasks_by_hand.py", "long_job", (STATELESS,)),
]
# Clients that sign a person in, by the name of their logs: with what they are run, and their program.
SIGNING_IN = {
    "sdk1-python": Program("Python SDK 1.x, `mcp`", "python/sign_in_sdk.py", "mcp-1", (HANDSHAKE,)),
    "sdk2-python": Program("Python SDK 2.x, `mcp`", "python/sign_in_sdk.py", "mcp-2", (STATELESS,)),
    "sdk1-node": Program("TypeScript SDK 1.x, `@modelcontextprotocol/sdk`", "node/sign_in_sdk1.mjs", "node", (HANDSHAKE,)),
    "sdk2-node": Program("TypeScript SDK 2.x, `@modelcontextprotocol/client`", "node/sign_in_sdk2.mjs", "node", (STATELESS,)),
    "fastmcp": Program("FastMCP, `fastmcp`", "python/sign_in_fastmcp.py", "fastmcp", (STATELESS,)),
    "rmcp": Program("Rust SDK, `rmcp`", "python/sign_in_rmcp.py", "mcp-2", (STATELESS,)),
    "mcp-remote": Program("`mcp-remote`", "node/sign_in_mcp_remote.mjs", "node", (HANDSHAKE,)),
    "inspector": Program("MCP Inspector, its pages in Chromium", "inspector.mjs", "browser", (STATELESS,)),
}
# So that the jobs of the examples become tasks before they end.
TASK_FLAGS = ["--task-after", "1s"]


class Clients:
    """The installed clients, and where they report to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.results = self.folder / "results"
        shutil.rmtree(self.results, ignore_errors=True)
        self.results.mkdir(parents=True)
        self.environment = {
            **clean_environment(),
            "INSPECTOR_NODE_MODULES": str(self.folder / "node" / "node_modules"),
            # No proxy of the environment stands between the clients and the loopback address.
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        for program in (HERE / "node").glob("*.mjs"):
            # Node looks for packages beside the program.
            shutil.copy(program, self.folder / "node")

    def run(self, program: Program, revision: str, server: Server, work: str, checks: str = "capabilities") -> Row:
        row = Row(program.client, revision, columns=COLUMNS[checks])
        name = f"{Path(program.file).stem}-{program.environment}-{revision}-{checks}"
        return self._reported(row, name, [*self.command(program), server.url, work, revision, checks])

    def run_extension(self, extension: str, program: Program, revision: str, server: Server) -> Row:
        row = Row(program.client, revision, columns={extension: EXTENSIONS[extension]})
        name = f"{Path(program.file).stem}-{revision}"
        return self._reported(row, name, [*self.command(program), server.url, revision])

    def _reported(self, row: Row, name: str, command: list[str]) -> Row:
        for line in map(json.loads, self._printed(name, command).splitlines()):
            row.version = line.get("version", row.version)
            if capability := line.get("capability"):
                row.outcomes[capability] = line["outcome"]
                row.reasons[capability] = line.get("reason", "")
        self._tell(row, name)
        return row

    def command(self, program: Program) -> list[str]:
        environment = self.folder / program.environment
        if program.environment == "node":
            return [str(environment / "node_modules/.bin/node"), str(environment / Path(program.file).name)]
        return [str(environment / "bin/python"), str(HERE / program.file)]

    def run_rmcp(self) -> tuple[list[Row], list[Row], Row]:
        """The Rust tests of the rmcp client start fleets of their own; their names are era::capability, tasks::tasks
        and endings::ending."""
        name = "rmcp"
        # Built by scripts/clients, with the same words.
        tests = ["--workspace", "--test", "stories", "clients::rmcp_client::"]
        printed = self._printed(name, ["cargo", "test", "--locked", *tests])
        (self.results / f"{name}.out").write_text(printed)
        version = re.search(r'name = "rmcp"\nversion = "([^"]+)"', (ROOT / "Cargo.lock").read_text())
        assert version, "Cargo.lock names no rmcp"
        rows = []
        of = [
            *(("legacy", HANDSHAKE, CAPABILITIES), ("modern", STATELESS, CAPABILITIES)),
            *(("tasks", STATELESS, {"tasks": EXTENSIONS["tasks"]}), ("endings", HANDSHAKE, ENDINGS)),
        ]
        for era, revision, columns in of:
            row = Row("Rust SDK, `rmcp`", revision, version[1], columns=columns)
            told = re.findall(rf"^test clients::rmcp_client::{era}::(\w+) \.\.\. (\w+)", printed, re.MULTILINE)
            for capability, outcome in told:
                row.outcomes[capability] = "ok" if outcome == "ok" else "failed"
            self._tell(row, name)
            rows.append(row)
        legacy, modern, tasks, endings = rows
        return [legacy, modern], [endings], tasks

    def _printed(self, name: str, command: list[str]) -> str:
        """What the command prints; what it says besides goes to the log."""
        with (self.log(name)).open("w") as log:
            try:
                ended = subprocess.run(
                    command,
                    cwd=ROOT,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    timeout=CLIENT_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired as expired:
                log.write(f"killed: it still ran after {CLIENT_SECONDS} s\n")
                return (expired.stdout or b"").decode()
        return ended.stdout

    def log(self, name: str) -> Path:
        return self.results / f"{name}.log"

    def _tell(self, row: Row, name: str) -> None:
        failed = row.failed()
        outcome = f"FAILED: {', '.join(failed)}" if failed else "ok"
        print(f"{row.client} {row.version}, {row.revision}: {outcome}", flush=True)
        if failed:
            print("\n".join(self.log(name).read_text().splitlines()[-LOG_LINES_SHOWN:]), flush=True)


def run_apps(folder: Path, browser: str) -> list[Row]:
    """The host of apps of `@modelcontextprotocol/ext-apps`, in a browser and on a fleet of its own."""
    package = folder / "node_modules/@modelcontextprotocol/ext-apps/package.json"
    version = json.loads(package.read_text())["version"]
    rows = []
    for revision, found in apps.outcomes(folder.resolve(), browser).items():
        outcome = "ok" if set(found.values()) == {"ok"} else "failed"
        columns = {"apps": EXTENSIONS["apps"]}
        row = Row("MCP Apps, `@modelcontextprotocol/ext-apps`", revision, version, {"apps": outcome}, columns=columns)
        print(f"{row.client} {row.version}, {row.revision}: {found}", flush=True)
        rows.append(row)
    return rows


def run_tasks(clients: Clients) -> list[Row]:
    """Clients of tasks, on a fleet with the tools of the official suite."""
    folder = clients.results / "tasks"
    folder.mkdir()
    with fleet(folder, worker="prynai-conformance-worker") as server:
        return [clients.run_extension("tasks", program, STATELESS, server) for program in TASKS]


def run_sign_in(clients: Clients, browser_folder: Path, browser: str) -> list[Row]:
    """Clients that are told a URL and nothing else, at a fleet whose gateways are the authorization server."""
    node = str(clients.folder / "node/node_modules/.bin/node")
    commands = {
        name: [node, str(browser_folder / program.file)] if program.environment == "browser" else clients.command(program)
        for name, program in SIGNING_IN.items()
    }
    found = sign_in.outcomes(commands, clients.environment, node, browser_folder, browser, clients.results / "sign-in")
    rows = []
    for name, (version, outcomes) in found.items():
        program = SIGNING_IN[name]
        row = Row(program.client, *program.revisions, version, outcomes, columns=SIGN_IN)
        print(f"{row.client} {version}, sign-in: {outcomes}", flush=True)
        rows.append(row)
    return rows


def extensions_of(rows: list[Row]) -> list[Row]:
    """What clients reported of extensions beside their capabilities."""
    return [
        Row(row.client, row.revision, row.version, row.outcomes, columns={"skills": EXTENSIONS["skills"]})
        for row in rows
        if "skills" in row.outcomes
    ]


def run_endings(clients: Clients) -> list[Row]:
    """What clients survive, on a fleet that can be made to refuse."""
    folder = clients.results / "refusing"
    folder.mkdir()
    policy = folder / "policy.toml"
    policy.write_text(POLICY)
    rows = []
    gateway_flags = ["--policy", str(policy), *GATEWAY_FLAGS]
    with fleet(folder, gateway_flags=gateway_flags, worker_flags=WORKER_FLAGS) as server:
        work = RefusingFleet(server)
        with served(work) as address:
            for program in PROGRAMS:
                rows.append(clients.run(program, HANDSHAKE, server, address, "endings"))
                print(f"  streams opened or resumed until now: {work.gets()}", flush=True)
                work.serve_again()
                assert work.wait_until_idle(LEFT_BEHIND_SECONDS), "the client left a call behind that does not end"
    folder = clients.results / "deadline"
    folder.mkdir()
    with fleet(folder, gateway_flags=["--request-timeout", "2s"]) as server:
        for program, row in zip(PROGRAMS, rows, strict=True):
            row.add(clients.run(program, HANDSHAKE, server, "", "deadline"))
    return rows


def main(folder: Path, browser_folder: Path, browser: str, check: bool) -> int:
    clients = Clients(folder)
    rows = []
    # Ends with an error when a process did not stop well, or logged an error.
    with fleet(clients.results, worker_flags=TASK_FLAGS) as server:
        assert server.redis_url is not None
        work = FleetWork(server.redis_url)
        with served(work) as address:
            for program in PROGRAMS:
                for revision in program.revisions:
                    server.check_alive()
                    rows.append(clients.run(program, revision, server, address))
                    assert work.wait_until_idle(LEFT_BEHIND_SECONDS), "the client left a call behind that does not end"
        extensions = [clients.run_extension("skills", SKILLS, revision, server) for revision in SKILLS.revisions]
        python = str(clients.folder / "long_job/bin/python")
        jobs = long_job.outcomes(python, server.url, clients.environment)
        print(f"examples/long_job: {jobs}", flush=True)
    extensions += run_tasks(clients)
    endings = run_endings(clients)
    *of_rmcp, tasks_of_rmcp = clients.run_rmcp()
    extensions += [*extensions_of(of_rmcp[0]), tasks_of_rmcp]
    extensions += run_apps(browser_folder, browser)
    signed_in = run_sign_in(clients, browser_folder.resolve(), browser)
    extensions.sort(key=lambda row: list(EXTENSIONS).index(*row.columns))
    for some, more in zip((rows, endings), of_rmcp, strict=True):
        some.extend(more)

    written = page(rows, endings, extensions, signed_in)
    failed = any(row.failed() for row in [*rows, *endings, *extensions, *signed_in]) or set(jobs.values()) != {"ok"}
    if not check:
        PAGE.write_text(written)
        print(f"\n{PAGE.relative_to(ROOT)} is written.")
    elif not same(written, committed := PAGE.read_text() if PAGE.exists() else ""):
        name = str(PAGE.relative_to(ROOT))
        lines = difflib.unified_diff(committed.splitlines(), written.splitlines(), name, "what came out", lineterm="", n=0)
        print("", *lines, f"This is not what {name} says: run scripts/clients.", sep="\n")
        failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    # So that the processes are stopped when this one is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], "--check" in sys.argv[4:]))
