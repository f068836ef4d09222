"""What a tool call of an agent costs with a client for each call, and with one for all. scripts/agents-cost calls it.

    python cost.py [CALLS]

Starts a fleet of two gateways and two workers that asks for tokens of the local issuer, behind the round-robin balancer
of the tests, and lets an agent of each era call a tool that answers at once.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "auth"), str(HERE)]

from environments import ENVIRONMENTS, run_agent  # noqa: E402
from issuer import dev_issuer  # noqa: E402
from processes import fleet, free_port  # noqa: E402

RUN_SECONDS = 600


def main(calls: int) -> None:
    folder, port = Path(tempfile.mkdtemp(prefix="agents-cost-")), free_port()
    with (
        dev_issuer(folder, f"http://127.0.0.1:{port}/mcp") as issuer,
        fleet(folder, gateway_flags=issuer.gateway_flags(), port=port) as server,
    ):
        for era in ENVIRONMENTS:
            ended = run_agent(server.url, issuer, "habit.py", era, calls, seconds=RUN_SECONDS)
            took = json.loads(ended.printed())
            for way, name in (("each", "a client for each call"), ("once", "one client for all")):
                requests, p50_ms = took[way]["requests"], took[way]["p50_ms"]
                print(f"{era}, {name}: {requests:g} requests, p50 {p50_ms:.1f} ms")
            print(f"{era}, ratio of the times: {took['each']['p50_ms'] / took['once']['p50_ms']:.1f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
