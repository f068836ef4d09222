"""A fleet of two gateways and two workers that lets in who has a token of the local issuer."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from issuer import Issuer, dev_issuer
from processes import Server, fleet, free_port


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    # The two know each other by their addresses: this is where the fleet will be.
    resource = f"http://127.0.0.1:{free_port()}/mcp"
    with dev_issuer(tmp_path_factory.mktemp("issuer"), resource) as issuer:
        yield issuer


@pytest.fixture(scope="session")
def running_server(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, port = tmp_path_factory.mktemp("fleet"), urlsplit(issuer.resource).port
    assert port is not None
    # A test looks for a trace in the lines of requests and runs.
    logs = ["--log-requests", "all"]
    with fleet(folder, gateway_flags=[*issuer.gateway_flags(), *logs], worker_flags=logs, port=port) as server:
        server.processes.extend(issuer.processes)
        yield server
