"""Runs the official conformance suite against a fleet of two gateways and two workers behind a per-request balancer,
and against the standalone server, and judges the results. scripts/conformance calls it.

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
sys.path.insert(0, str(HERE.parent / "python"))

import judge  # noqa: E402
from processes import clean_environment, fleet, standalone  # noqa: E402

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
    print(f"\n{judge.table(verdicts)}")
    never_ran = excused.difference(*(verdict.scenarios for _, verdict in verdicts))
    if never_ran:
        print(f"\nThe suite has no scenarios of these names to expect failures of: {', '.join(sorted(never_ran))}")
    return 1 if never_ran or any(verdict.problems for _, verdict in verdicts) else 0


def run_suite(suite: Path, run: judge.Run, url: str, folder: Path) -> int:
    folder.mkdir()
    programs = suite.resolve() / "node_modules" / ".bin"
    command = [str(programs / "node"), str(programs / "conformance"), "server", "--url", url, "--suite", "all"]
    with (folder / "suite.log").open("w") as log:
        ended = subprocess.run(
            [*command, *run.options, "-o", str(folder)],
            env={**clean_environment(), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
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
