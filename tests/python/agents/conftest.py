"""One fleet of two gateways and two workers for all agents, which sign in at the local issuer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from issuer import Issuer, fleet_that_asks
from processes import Server
from programs import Ended, as_service


@pytest.fixture(scope="session")
def running_server(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with fleet_that_asks(tmp_path_factory.mktemp("fleet"), issuer) as server:
        yield server


@pytest.fixture
def serve(server: Server, issuer: Issuer) -> Callable[..., Ended]:
    """Runs an agent as a service that signs in."""
    return partial(as_service, server.url, issuer)
