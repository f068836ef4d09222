"""An MCP App in a real browser: a host page, made of the TypeScript SDK and `@modelcontextprotocol/ext-apps`, finds the
app of a tool at a fleet, frames it, and passes on what it asks for. scripts/browser calls it, and scripts/clients.

    python apps.py FOLDER BROWSER

FOLDER holds the installed packages; BROWSER is the program. Pictures and what page, browser and fleet said go to
FOLDER/apps. Prints a table; the exit code is 0 if nothing failed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "clients"), str(HERE.parents[1] / "python"), str(HERE.parent)]

from fleet_work import FleetWork  # noqa: E402
from processes import clean_environment, fleet  # noqa: E402
from website import website  # noqa: E402

CHECKS = {
    "shows": "the app shows the result of its tool",
    "calls": "the app calls a tool through its host",
    "may_not_call": "a host that passes on no calls",
    "looks": "narrow and wide, light and dark",
}
REVISIONS = ("2025-11-25", "2026-07-28")
BROWSER_SECONDS = 300
LOG_LINES_SHOWN = 60


def bundle(folder: Path, site: Path) -> None:
    site.mkdir(parents=True)
    for page in ("host.html", "sandbox.html"):
        shutil.copy(HERE / page, site)
    programs = folder / "node_modules/.bin"
    command = [
        *(str(programs / "esbuild"), str(HERE / "host.mjs")),
        *("--bundle", "--format=esm", "--platform=browser", "--log-level=warning"),
        *(f"--alias:node:assert/strict={HERE.parent / 'assert.mjs'}", f"--outfile={site / 'host.js'}"),
    ]
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environment = {**clean_environment(), "NODE_PATH": str(folder / "node_modules"), "PATH": path}
    subprocess.run(command, env=environment, check=True)


def drive(folder: Path, browser: str, config: dict[str, str], log: Path) -> list[dict[str, str]]:
    """The lines of drive.mjs."""
    # Node looks for packages beside the program.
    program = shutil.copy(HERE / "drive.mjs", folder / "apps.mjs")
    command = [str(folder / "node_modules/.bin/node"), program, browser, json.dumps(config)]
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
    return [json.loads(line) for line in ended.stdout.splitlines()]


def outcomes(folder: Path, browser: str) -> dict[str, dict[str, str]]:
    """What came out, by revision and check."""
    results = folder / "apps"
    shutil.rmtree(results, ignore_errors=True)
    bundle(folder, results / "site")
    found: dict[str, dict[str, str]] = {revision: dict.fromkeys(CHECKS, "FAILED") for revision in REVISIONS}
    with website(results / "site") as port:
        # Ends with an error when a process did not stop well, or logged an error.
        with fleet(results, gateway_flags=["--allowed-origin", f"http://host.test:{port}"]) as server:
            assert server.redis_url is not None
            config = {
                "host": f"http://host.test:{port}/host.html",
                "sandbox": f"http://sandbox.test:{port}/sandbox.html",
                "url": server.url,
                "pictures": str(results),
            }
            for line in drive(folder, browser, config, results / "browser.log"):
                if "check" in line:
                    found[line["revision"]][line["check"]] = line["outcome"]
            server.check_alive()
            assert FleetWork(server.redis_url).wait_until_idle(), "the page left a call behind that does not end"
    return found


def main(folder: Path, browser: str) -> int:
    folder = folder.resolve()
    found = outcomes(folder, browser)
    rows = [["MCP Apps", *REVISIONS]]
    rows += [[shown, *(found[revision][check] for revision in REVISIONS)] for check, shown in CHECKS.items()]
    for row in rows:
        print("  ".join(f"{cell:40}" for cell in row).rstrip())
    good = all(cell == "ok" for row in rows[1:] for cell in row[1:])
    if not good:
        print("\n".join((folder / "apps/browser.log").read_text().splitlines()[-LOG_LINES_SHOWN:]))
    return 0 if good else 1


if __name__ == "__main__":
    # So that the processes are stopped when this one is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
