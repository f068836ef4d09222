"""A real browser as a client of a fleet: pages of another origin than the fleet's call it with the TypeScript SDK.
scripts/browser calls it.

    python run.py FOLDER BROWSER

FOLDER holds the installed packages and, in certificates/, what scripts/dev-certs made; BROWSER is the program. What the
page, the browser and the fleet said goes to FOLDER/results. Prints a table; the exit code is 0 if nothing failed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "clients"), str(HERE.parent / "python")]

from fleet_work import FleetWork, served  # noqa: E402
from page import CAPABILITIES  # noqa: E402
from processes import Server, Starter, binary, clean_environment, fleet, says  # noqa: E402
from website import website  # noqa: E402

CHECKS = {
    **CAPABILITIES,
    "refused": "another origin is refused",
    "protocol": "protocol as expected",
    "front_page": "front page for people",
}
REVISIONS = ("2025-11-25", "2026-07-28")
LOG_LINES_SHOWN = 60
# Longer than a browser that hangs in every check.
BROWSER_SECONDS = 600


def bundle(folder: Path, site: Path) -> None:
    site.mkdir()
    shutil.copy(HERE / "index.html", site)
    programs = folder / "node_modules/.bin"
    command = [
        *(str(programs / "esbuild"), str(HERE / "page.mjs")),
        *("--bundle", "--format=esm", "--platform=browser", "--log-level=warning"),
        *(f"--alias:node:assert/strict={HERE / 'assert.mjs'}", f"--outfile={site / 'page.js'}"),
    ]
    # esbuild may be a program that Node runs.
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environment = {**clean_environment(), "NODE_PATH": str(folder / "node_modules"), "PATH": path}
    subprocess.run(command, env=environment, check=True)


@contextlib.contextmanager
def gateway_with_tls(results: Path, server: Server, certificates: Path, origin: str) -> Iterator[str]:
    """One more gateway of the fleet; gives its endpoint."""
    assert server.redis_url is not None
    command = [
        *(binary("prynai-gateway"), "--listen", "127.0.0.1:0", "--log-format", "json"),
        *("--redis-url", server.redis_url, "--allowed-origin", origin),
        *("--tls-cert", str(certificates / "tls.crt"), "--tls-key", str(certificates / "tls.key")),
    ]
    with contextlib.ExitStack() as stack:
        gateway = Starter(results, stack).start("gateway-tls", command, says("listening", "address"))
        yield f"https://{gateway.wait_until_ready()}/mcp"


def drive(folder: Path, browser: str, config: dict[str, object], log: Path) -> list[dict[str, str]]:
    """The lines of drive.mjs."""
    shutil.copy(HERE / "drive.mjs", folder)
    command = [str(folder / "node_modules/.bin/node"), str(folder / "drive.mjs"), browser, json.dumps(config)]
    # No proxy of the environment stands between the browser and the loopback address.
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


def table(lines: list[dict[str, str]], endpoints: list[str]) -> bool:
    """Prints what came out; whether all of it was good. What was not reported has failed."""
    outcomes = {(line["endpoint"], line["revision"], line["check"]): line["outcome"] for line in lines}
    columns = list(itertools.product(endpoints, REVISIONS))
    rows = [["", *(f"{endpoint}, {revision}" for endpoint, revision in columns)]]
    for check, shown in CHECKS.items():
        rows.append([shown, *(outcomes.get((*column, check), "FAILED") for column in columns)])
    for row in rows:
        print("  ".join(f"{cell:26}" for cell in row).rstrip())
    return all(cell == "ok" for row in rows[1:] for cell in row[1:])


def main(folder: Path, browser: str) -> int:
    folder = folder.resolve()
    results = folder / "results"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    bundle(folder, results / "site")
    certificates = folder / "certificates"
    log = results / "browser.log"
    with website(results / "site") as port:
        allowed = f"http://app.test:{port}"
        # Ends with an error when a process did not stop well, or logged an error.
        with fleet(results, gateway_flags=["--allowed-origin", allowed]) as server:
            assert server.redis_url is not None
            work = FleetWork(server.redis_url)
            with gateway_with_tls(results, server, certificates, allowed) as secure, served(work) as address:
                endpoints = [
                    {"name": "HTTP, balanced", "url": server.url, "protocol": "http/1.1"},
                    {
                        "name": "HTTPS",
                        "url": secure,
                        "protocol": "h2",
                        "certificate": str(certificates / "tls.crt"),
                    },
                ]
                config: dict[str, object] = {
                    "pages": {"allowed": allowed, "other": f"http://other.test:{port}"},
                    "fleet": address,
                    "screenshots": str(results),
                    "endpoints": endpoints,
                }
                told, *lines = drive(folder, browser, config, log) or [{}]
                server.check_alive()
                idle = work.wait_until_idle()
    print(f"Chromium {told.get('browser', 'did not start')}")
    good = table(lines, [endpoint["name"] for endpoint in endpoints])
    if not idle:
        print("\nThe page left a call behind that does not end.")
    if not good:
        print("\n".join(log.read_text().splitlines()[-LOG_LINES_SHOWN:]))
    return 0 if good and idle else 1


if __name__ == "__main__":
    # So that the processes are stopped when this one is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
