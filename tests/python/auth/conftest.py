"""A fleet of two gateways and two workers that lets in who has a token of the local issuer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from issuer import Issuer, fleet_that_asks
from processes import Server


@pytest.fixture(scope="session")
def running_server(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with fleet_that_asks(tmp_path_factory.mktemp("fleet"), issuer) as server:
        yield server
