"""Runs the official conformance suite against a fleet of two gateways and two workers behind a per-request balancer,
against the standalone server, and against the façade of such a fleet, and judges the results. scripts/conformance
calls it.

    python run.py FOLDER

FOLDER holds the installed suites, `<version>/node_modules`; results go to FOLDER/results. The exit code is 0 if every
run is perfect.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "python"), str(HERE.parent / "python" / "auth")]

import judge  # noqa: E402
from browser import Browser  # noqa: E402
from facade import facade_fleet  # noqa: E402
from processes import clean_environment, fleet, free_port, standalone  # noqa: E402

# Generous: a whole run takes seconds, and each scenario has a limit of its own.
RUN_SECONDS = 600

# One tool of the suite's scenarios becomes a task only because it takes longer than this.
TASKS = ("--task-after", "1s")

SERVERS = {
    "fleet": lambda folder: fleet(folder, worker="prynai-conformance-worker", worker_flags=TASKS),
    "standalone": lambda folder: standalone(folder, program="prynai-conformance-standalone", flags=TASKS),
}


def main(suites: Path) -> int:
    excused = judge.expected_failures(HERE / "expected-failures.yaml")
    found = suites / "results"
    shutil.rmtree(found, ignore_errors=True)
    verdicts = []
    for name, start in SERVERS.items():
        logs = found / name
        logs.mkdir(parents=True)
        # Ends with an error when a process did not stop well, or logged an error.
        with start(logs) as server:
            for number, run in enumerate(judge.RUNS):
                server.check_alive()
                print(f"{name}: {run.name}", flush=True)
                folder = logs / f"run-{number}"
                exit_code = run_suite(suites / run.suite, run, server.url, folder)
                verdicts.append((name, judge.judge(run, folder, exit_code, excused)))
    verdicts.append(("façade", ask_facade(suites, found / "facade")))
    print(f"\n{judge.table(verdicts)}")
    never_ran = excused.difference(*(verdict.scenarios for _, verdict in verdicts))
    if never_ran:
        print(f"\nThe suite has no scenarios of these names to expect failures of: {', '.join(sorted(never_ran))}")
    return 1 if never_ran or any(verdict.problems for _, verdict in verdicts) else 0


def ask_facade(suites: Path, logs: Path) -> judge.Verdict:
    """The suite as a client that is known by its settings; it prints where a person is to sign in."""
    run = judge.AUTHORIZATION
    print(f"façade: {run.name}", flush=True)
    folder = logs / "run-0"
    folder.mkdir(parents=True)
    port = free_port()
    client = f"suite=http://127.0.0.1:{port}/callback"
    with facade_fleet(logs, ["--facade-client", client]) as server, (folder / "suite.log").open("w") as log:
        issuer = server.url.removesuffix("/mcp") + "/oauth"
        options = ["--client-id", "suite", "--resource", server.url, "-p", str(port), "-o", str(folder)]
        command, environment = program(suites / run.suite, "authorization", "--url", issuer, *options)
        suite = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert suite.stdout is not None
        for line in suite.stdout:
            log.write(line)
            if line.startswith(f"{issuer}/authorize?"):
                Browser().sign_in(line.strip())
        exit_code = suite.wait(RUN_SECONDS)
    return judge.judge(run, folder, exit_code, set())


def program(suite: Path, *words: str) -> tuple[list[str], dict[str, str]]:
    """The suite's program with these words, and its environment."""
    programs = suite.resolve() / "node_modules" / ".bin"
    environment = {**clean_environment(), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    return [str(programs / "node"), str(programs / "conformance"), *words], environment


def run_suite(suite: Path, run: judge.Run, url: str, folder: Path) -> int:
    folder.mkdir()
    command, environment = program(suite, "server", "--url", url, "--suite", "all")
    with (folder / "suite.log").open("w") as log:
        ended = subprocess.run(
            [*command, *run.options, "-o", str(folder)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=RUN_SECONDS,
            check=False,
        )
    return ended.returncode


if __name__ == "__main__":
    # So that the processes are stopped when this one is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(Path(sys.argv[1])))
