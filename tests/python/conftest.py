"""Every test runs with each protocol revision this SDK speaks, against the standalone server and the fleet.

The folders auth/ and agents/ have a fleet of their own, which asks for tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest

import clients
from issuer import Issuer, dev_issuer
from processes import Server, fleet, free_port, standalone

SHAPES = {"standalone": standalone, "fleet": fleet}

Connect = Callable[..., AbstractAsyncContextManager[clients.Connection]]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", params=SHAPES)
def running_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with SHAPES[request.param](tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """The local issuer, for the folders whose fleet asks for tokens."""
    # The two know each other by their addresses: this is where the fleet will be.
    resource = f"http://127.0.0.1:{free_port()}/mcp"
    with dev_issuer(tmp_path_factory.mktemp("issuer"), resource) as issuer:
        yield issuer


@pytest.fixture
def server(running_server: Server) -> Iterator[Server]:
    """The server, of which no process may end during a test."""
    running_server.check_alive()
    yield running_server
    running_server.check_alive()


@pytest.fixture(params=clients.REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    """The protocol revision the client speaks."""
    return request.param


@pytest.fixture
def connect(server: Server, revision: str) -> Connect:
    """Opens a client: `async with connect() as client`."""
    return partial(clients.connect, server.url, revision)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    server = getattr(item, "funcargs", {}).get("running_server")
    if report.failed and server is not None:
        for process in server.processes:
            report.sections.append((f"end of {process.log}", process.last_lines()))
    return report
