"""One long tool call of a graph, through an ingress that cuts a connection on which nothing passes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from environments import ENVIRONMENTS, run_agent
from idle_proxy import idle_proxy
from issuer import Issuer
from processes import Server, fleet
from programs import Ended

# With 80 it is an ingress that cuts after four minutes, and a call that is silent twice for more than five.
SCALE = float(os.environ.get("LONG_CALL_SCALE", "1"))
KEEP_ALIVE, IDLE, SILENT = (seconds * SCALE for seconds in (1, 3, 4))
STEPS = 2
RUN_SECONDS = 60 + 10 * SILENT
DONE = {"progress": [1, 2], "answer": "done after 2 steps"}


@pytest.fixture(scope="module")
def speaking(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A fleet whose gateways say something before the ingress cuts; those of `server` do not."""
    flags = [*issuer.gateway_flags(), "--keep-alive", f"{KEEP_ALIVE:.0f}s"]
    with fleet(tmp_path_factory.mktemp("speaking"), gateways=1, workers=1, gateway_flags=flags) as server:
        yield server


@pytest.fixture(scope="module")
def ended(running_server: Server, speaking: Server, issuer: Issuer) -> dict[tuple[str, str], Ended]:
    """The same call at each fleet in each era, all at once."""

    def call(server: Server, era: str) -> Ended:
        address = server.url.removeprefix("http://").removesuffix("/mcp")
        with idle_proxy(address, IDLE) as ingress:
            url, delay_ms = f"http://{ingress.address}/mcp", int(1000 * SILENT)
            return run_agent(url, issuer, "long_call.py", era, STEPS, delay_ms, seconds=RUN_SECONDS)

    fleets = {"speaking": speaking, "silent": running_server}
    with ThreadPoolExecutor() as pool:
        calls = {(name, era): pool.submit(call, fleets[name], era) for name in fleets for era in ENVIRONMENTS}
    return {what: each.result() for what, each in calls.items()}


def test_the_ingress_cuts_a_connection_on_which_nothing_passes(server):
    address = server.url.removeprefix("http://").removesuffix("/mcp")
    with idle_proxy(address, 0.2) as ingress:
        host, _, port = ingress.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=RUN_SECONDS) as connection:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        assert ingress.cut == 1


@pytest.mark.parametrize("era", ENVIRONMENTS)
def test_a_gateway_that_says_something_keeps_the_connection_of_a_silent_call(ended, era):
    assert printed(ended["speaking", era]) == DONE


def test_a_legacy_client_comes_back_for_the_rest_of_a_call_that_was_cut_off(ended):
    seen = printed(ended["silent", "legacy"])
    assert seen["answer"] == DONE["answer"], seen
    # This client forgets where it was when it is cut off for the second time, and hears of some steps again.
    assert sorted(set(seen["progress"])) == DONE["progress"], seen


def test_a_modern_client_loses_a_call_that_is_cut_off_and_is_told(ended):
    lost = ended["silent", "modern"]
    assert lost.status == 1, lost
    assert "error" in json.loads(lost.out), lost


def printed(ended: Ended) -> dict[str, Any]:
    return json.loads(ended.printed())
