"""The façade in front of an issuer that is not Entra ID: it knows nobody but the façade and some services, and wants to
hear which server a token is for (RFC 8707)."""

from __future__ import annotations

import json
import time
from urllib.parse import urlsplit

import pytest

from browser import Browser
from oidc_provider import INTERACTIVE, oidc_provider
from processes import fleet, free_port
from programs import interactive, run, rust_client

SUM = ["--call", "add", "--arguments", '{"a": 2, "b": 40}']
# Short, so that a test can wait for the end of one.
LIFETIME_SECONDS = 2


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    resource = f"http://127.0.0.1:{free_port()}/mcp"
    with oidc_provider(tmp_path_factory.mktemp("provider"), resource, LIFETIME_SECONDS) as provider:
        yield provider


@pytest.fixture(scope="module")
def running_server(provider, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("fleet"), urlsplit(provider.resource).port
    with fleet(folder, gateway_flags=provider.facade_flags(), port=port) as server:
        server.processes.append(provider.process)
        yield server


@pytest.mark.parametrize("program", [interactive, rust_client], ids=["python_interactive", "rust_client"])
def test_a_person_signs_in_at_the_issuer_and_calls_a_tool(server, provider, program):
    ended = run(program(server.url, "--client-id", INTERACTIVE, *SUM), visit=Browser().sign_in)
    assert json.loads(ended.printed())["structuredContent"] == {"sum": 42}
    assert ended.sign_ins == 1
    assert provider.grants()[-1] == "authorization_code"


def test_an_expired_token_is_refreshed_through_the_facade(server, provider, tmp_path):
    tokens = tmp_path / "tokens.json"
    command = interactive(server.url, "--client-id", INTERACTIVE, "--tokens", str(tokens))
    assert run(command, visit=Browser().sign_in).sign_ins == 1
    for _ in range(2):
        kept = json.loads(tokens.read_text())
        time.sleep(max(0.0, kept["expires_at"] - time.time()))
        again = run([*command, *SUM], visit=Browser().sign_in)
        assert again.sign_ins == 0
        assert json.loads(again.printed())["structuredContent"] == {"sum": 42}
        assert provider.grants()[-1] == "refresh_token"
        # The provider gives out a new one each time, and so does the facade, sealed.
        assert json.loads(tokens.read_text())["tokens"]["refresh_token"] != kept["tokens"]["refresh_token"]


def test_a_service_gets_its_token_through_the_facade(server, provider):
    scope = ["--scope", "mcp.call"]
    ended = run(rust_client(server.url, "--client-id", "service", *scope, *SUM), secret="service-secret")
    assert json.loads(ended.printed())["structuredContent"] == {"sum": 42}
    assert provider.grants()[-1] == "client_credentials"
