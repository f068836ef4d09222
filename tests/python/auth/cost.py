"""What authentication costs a gateway: CPU time per call over HTTPS, with a token and without one. scripts/auth-cost
calls it.

    python cost.py [ROUNDS]

Three fleets of two gateways and two workers, each with a Redis of its own: one lets everybody in, one asks for tokens of
the local issuer, and one also has the façade. The same load goes to each in turn, so that whatever else the machine does
slows all alike. Each round has new fleets: where a process finds its memory makes a difference of 1 or 2 % between two of
the same kind, for as long as they run. wrk makes the load: every call is `tools/call` of `echo` in 2026-07-28, on
connections that stay open.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import certificates  # noqa: E402
from issuer import DAEMON, DAEMON_SECRET, dev_issuer  # noqa: E402
from processes import Process, Server, fleet  # noqa: E402

SECONDS = 2
CONNECTIONS = 16
TICK = 1 / os.sysconf("SC_CLK_TCK")
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "echo",
        "arguments": {"text": "hello"},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}
HEADERS = {
    "Content-Type": "application/json",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "echo",
}
# Answers other than 200 are counted, because a refusal would be cheap.
LUA = """wrk.method = "POST"
wrk.body = {body}
{headers}
local threads = {{}}
function setup(thread) table.insert(threads, thread) end
function init() refused = 0 end
function response(status) if status ~= 200 then refused = refused + 1 end end
function done(summary)
  local refused = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  for _, thread in ipairs(threads) do refused = refused + thread:get("refused") end
  print("served " .. summary.requests .. " refused " .. refused)
end
"""


def main(rounds: int) -> None:
    assert shutil.which("wrk"), "wrk is not installed; scripts/auth-cost installs it"
    folder = Path(tempfile.mkdtemp(prefix="auth-cost-"))
    (folder / "issuer").mkdir()
    _, certificate, key = certificates.make(folder)
    tls = ["--tls-cert", str(certificate), "--tls-key", str(key)]
    with dev_issuer(folder / "issuer", "https://mcp.example/mcp") as issuer:
        guarded_flags = [*tls, *issuer.gateway_flags()]
        facade_flags = ["--oauth-facade", "--facade-client-id", DAEMON, "--facade-client-secret", DAEMON_SECRET]
        facade_flags += ["--facade-key", "a key of 32 characters or of more"]
        with_token = script(folder / "with.lua", issuer.token())
        kinds = {
            "without": (tls, script(folder / "without.lua", None)),
            "with a token": (guarded_flags, with_token),
            "with the façade, too": ([*guarded_flags, *facade_flags], with_token),
        }
        costs: dict[str, list[float]] = {kind: [] for kind in kinds}
        for number in range(1, rounds + 1):
            with contextlib.ExitStack() as stack:
                fleets = {}
                for kind, (flags, lua) in kinds.items():
                    place = Path(tempfile.mkdtemp(dir=folder))
                    server = stack.enter_context(fleet(place, gateway_flags=flags))
                    measure(server, lua)
                    fleets[kind] = (server, lua)
                # The next of a round finds a machine that the one before has warmed up, or worn out.
                turn = number % len(kinds)
                for kind, (server, lua) in [*fleets.items()][turn:] + [*fleets.items()][:turn]:
                    costs[kind].append(measure(server, lua))
            shown = ", ".join(f"{kind} {taken[-1]:.1f} µs" for kind, taken in costs.items())
            print(f"round {number}: CPU time of the gateways per call: {shown}", flush=True)
        for (before, cheaper), (kind, taken) in itertools.pairwise(costs.items()):
            medians = statistics.median(cheaper), statistics.median(taken)
            ratio = medians[1] / medians[0]
            print(f"median: {before} {medians[0]:.1f} µs, {kind} {medians[1]:.1f} µs: ratio {ratio:.3f}")
            ratios = sorted(b / a for a, b in zip(cheaper, taken, strict=True))
            middle = statistics.median(ratios)
            print(f"  within a round: median {middle:.3f}, {ratios[0]:.3f} to {ratios[-1]:.3f}")


def script(file: Path, token: str | None) -> Path:
    headers = HEADERS if token is None else {**HEADERS, "Authorization": f"Bearer {token}"}
    lines = "\n".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
    file.write_text(LUA.format(body=json.dumps(json.dumps(CALL)), headers=lines))
    return file


def measure(server: Server, lua: Path) -> float:
    """CPU time of the gateways per call, in microseconds."""
    gateways = [process for process in server.processes if process.name.startswith("gateway")]
    before = sum(cpu_seconds(gateway) for gateway in gateways)
    loads = [load(address(gateway), lua) for gateway in gateways]
    served = 0
    for running in loads:
        said, _ = running.communicate(timeout=SECONDS + 30)
        counts = re.search(r"served (\d+) refused (\d+)", said)
        assert counts and counts[2] == "0", said
        served += int(counts[1])
    used = sum(cpu_seconds(gateway) for gateway in gateways) - before
    return used * 1e6 / served


def load(at: str, lua: Path) -> subprocess.Popen[str]:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(lua), f"https://{at}/mcp"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def address(gateway: Process) -> str:
    lines = gateway.log.read_text().splitlines()
    listening = next(line for line in map(json.loads, lines) if line["message"] == "listening")
    return str(listening["address"])


def cpu_seconds(process: Process) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
