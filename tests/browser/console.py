"""The console of a fleet in a real browser: every page, wide and narrow, light and dark, what it lets other pages do,
and what an operator changes. scripts/browser calls it.

    python console.py FOLDER BROWSER

FOLDER holds the installed packages; BROWSER is the program. Pictures of the pages and what the processes said go to
FOLDER/console. Prints a table; the exit code is 0 if nothing failed.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "clients"), str(HERE.parent / "python")]

from processes import Starter, binary, clean_environment, fleet, free_port, says  # noqa: E402
from website import website  # noqa: E402

CHECKS = (
    "asks who looks",
    "an idle process",
    "loads itself anew",
    "every page, wide and narrow, light and dark",
    "another page cannot use it",
    "a call is cancelled",
    "a dead letter is dropped",
    "the browser complains of nothing",
)
BROWSER_SECONDS = 300
LOG_LINES_SHOWN = 60
DEAD = "prynai:{main.0}:dead"
HOSTILE = "<b>begun 3 times</b> <img src=x onerror=alert(1)>"


def put_aside(redis_url: str) -> None:
    """Plants a dead letter whose texts are hostile."""
    fields = {
        **{"entry": "12-0", "reason": HOSTILE, "v": "1", "stream": "0" * 32, "holder": "gw-1", "era": "modern"},
        **{"version": "2026-07-28", "method": "tools/call", "name": HOSTILE, "queued": "1785000000000"},
        **{"principal": json.dumps({"subject": HOSTILE}), "message": "{}"},
    }
    words = ["XADD", DEAD, "*", *(word for pair in fields.items() for word in pair)]
    command = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
    parts = urlsplit(redis_url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(command.encode())
        assert connection.recv(1) == b"$"


@contextlib.contextmanager
def idle_process(results: Path) -> Iterator[str]:
    """A process without Redis; gives its console."""
    command = [binary("prynai-mcp"), "--listen", "127.0.0.1:0", "--log-format", "json"]
    command += ["--admin-listen", "127.0.0.1:0"]
    with contextlib.ExitStack() as stack:
        started = Starter(results, stack).start("idle", command, says("listening for administration", "console"))
        yield started.wait_until_ready()


def look(folder: Path, browser: str, config: dict[str, str], log: Path) -> dict[str, str]:
    """What console.mjs found, by check."""
    shutil.copy(HERE / "console.mjs", folder)
    command = [str(folder / "node_modules/.bin/node"), str(folder / "console.mjs"), browser, json.dumps(config)]
    environment = {**clean_environment(), "NO_PROXY": "127.0.0.1,.test", "no_proxy": "127.0.0.1,.test"}
    with log.open("w") as errors:
        ended = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            timeout=BROWSER_SECONDS,
            check=False,
        )
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    return {line["check"]: line["outcome"] for line in lines}


def main(folder: Path, browser: str) -> int:
    folder = folder.resolve()
    results = folder / "console"
    shutil.rmtree(results, ignore_errors=True)
    site = results / "site"
    site.mkdir(parents=True)
    (site / "index.html").write_text("<!doctype html><title>other</title><body></body>")
    # Not urlsafe: one that begins with a dash would be another flag.
    token = secrets.token_hex(32)
    admin = f"127.0.0.1:{free_port()}"
    flags = ["--admin-listen", admin, "--admin-write", "--admin-token", token]
    log = results / "browser.log"
    worker_flags = ["--concurrency", "2"]
    with (
        website(site) as port,
        fleet(results, 1, 1, gateway_flags=flags, worker_flags=worker_flags) as server,
        idle_process(results) as idle,
    ):
        assert server.redis_url is not None
        put_aside(server.redis_url)
        config = {
            "fleet": f"http://{admin}/console",
            "idle": idle,
            "token": token,
            "mcp": server.url,
            "other": f"http://other.test:{port}/",
            "pictures": str(results),
        }
        found = look(folder, browser, config, log)
        server.check_alive()
    for check in CHECKS:
        print(f"{check:46} {found.get(check, 'FAILED')}")
    good = all(found.get(check) == "ok" for check in CHECKS)
    if not good:
        print("\n".join(log.read_text().splitlines()[-LOG_LINES_SHOWN:]))
    return 0 if good else 1


if __name__ == "__main__":
    # So that the processes are stopped when this one is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
