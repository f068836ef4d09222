"""One fleet of two gateways and two workers for all agents, which sign in at the local issuer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from issuer import Issuer, fleet_that_asks
from processes import Server
from programs import Ended, as_service
from stand_in import LangSmith, server as langsmith_server

API_KEY = "lsv2_of-the-tests"
PROJECT = "prynai-tests"


@dataclass
class Tracing:
    """A local endpoint in the place of LangSmith. Whether the real one shows the same tree, no test here can say."""

    langsmith: LangSmith
    url: str

    # For the environment of an agent.
    def settings(self) -> dict[str, str]:
        return {
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_API_KEY": API_KEY,
            "LANGSMITH_ENDPOINT": self.url,
            "LANGSMITH_PROJECT": PROJECT,
        }

    # For gateways and workers, as docs/tracing.md has them.
    def flags(self) -> list[str]:
        headers = f"x-api-key={API_KEY},Langsmith-Project={PROJECT}"
        return ["--otlp-endpoint", f"{self.url}/otel", "--otlp-protocol", "http/protobuf", "--otlp-headers", headers]


@pytest.fixture(scope="session")
def tracing() -> Iterator[Tracing]:
    langsmith = LangSmith(API_KEY)
    with langsmith_server(("127.0.0.1", 0), langsmith) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield Tracing(langsmith, f"http://127.0.0.1:{serving.server_address[1]}")
        serving.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def running_server(issuer: Issuer, tracing: Tracing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, spans = tmp_path_factory.mktemp("fleet"), tracing.flags()
    state_key = ["--state-key", "a-key-of-the-tests-that-is-long-enough"]
    with fleet_that_asks(folder, issuer, spans, [*spans, *state_key]) as server:
        yield server


@pytest.fixture
def serve(server: Server, issuer: Issuer) -> Callable[..., Ended]:
    """Runs an agent as a service that signs in."""
    return partial(as_service, server.url, issuer)
