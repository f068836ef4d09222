"""A client that starts a job which takes longer than the client lives: whoever comes back fetches the result.

    python long_job.py http://127.0.0.1:8000/mcp     # starts the job; kill it whenever you like
    python long_job.py http://127.0.0.1:8000/mcp     # goes on with the same job, and prints its result

The job is a call of the tool `long_running`, which the server makes a task (extension `io.modelcontextprotocol/tasks`).
Two things are in the file, each written before the next step is taken: a key of the job, with which a call that is sent
again is the same job, and then the id of its task, by which any gateway answers. So the job runs once, and is found
again, wherever the client dies.

The client is that of FastMCP 4 with `fastmcp-tasks`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import uuid
from pathlib import Path
from typing import Any

from fastmcp import Client

from work import begin, end


class Job:
    """What is known of a job, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def learn(self, **more: Any) -> None:
        """Keeps it: after this the process may die."""
        self.known |= more
        written = self._path.with_suffix(".new")
        with written.open("w") as file:
            json.dump(self.known, file)
            file.flush()
            os.fsync(file.fileno())
        written.replace(self._path)


async def main(options: argparse.Namespace) -> None:
    job = Job(options.job)
    if "key" not in job.known:
        job.learn(key=str(uuid.uuid4()))
    async with Client(options.url) as client:
        if "task" not in job.known:
            job.learn(**await begin(client, options.steps, job.known["key"]))
        if "result" not in job.known:
            print("the task is working", flush=True)
            job.learn(result=await end(client, job.known["task"]))
    print(job.known["result"])
    options.job.unlink()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Starts a job, or goes on with it.")
    parser.add_argument("url", help="the server's endpoint, as in http://127.0.0.1:8000/mcp")
    parser.add_argument("--job", type=Path, default=Path("job.json"), help="where the job is kept [default: job.json]")
    parser.add_argument("--steps", type=int, default=60, help="how many seconds it takes [default: 60]")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
