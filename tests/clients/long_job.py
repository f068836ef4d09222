"""Kills the programs of examples/long_job in the middle of their job, and has them go on with it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

PROGRAMS = Path(__file__).parents[2] / "examples" / "long_job"
# The job is a task before it ends.
STEPS = 4
LIMIT_SECONDS = 120


def outcomes(python: str, url: str, environment: dict[str, str]) -> dict[str, str]:
    """How it came out, for each program."""
    with tempfile.TemporaryDirectory() as folder:
        job, checkpoints = Path(folder) / "job.json", Path(folder) / "checkpoints.sqlite"
        commands = {
            "long_job.py": ["--job", str(job)],
            "graph.py": ["--thread", "report", "--checkpoints", str(checkpoints)],
        }
        found = {}
        for program, arguments in commands.items():
            command = [python, str(PROGRAMS / program), url, "--steps", str(STEPS), *arguments]
            found[program] = goes_on(command, environment)
        return found


def goes_on(command: list[str], environment: dict[str, str]) -> str:
    """`ok`, or what went wrong."""
    first = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    try:
        working = any("the task is working" in line for line in first.stdout)
    finally:
        first.kill()
        first.wait()
    if not working:
        return f"ended with {first.returncode} before there was a task"
    second = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS, check=False)
    if second.returncode != 0 or f"done after {STEPS} steps" not in second.stdout:
        return f"did not go on: {second.returncode}, {second.stdout!r}"
    return "ok"
