"""The same with an issuer that is not Entra ID: a certified OpenID provider, at gateways with `--auth oidc`."""

from __future__ import annotations

import json
import time
from urllib.parse import urlsplit

import pytest
from mcp.client.auth import OAuthFlowError, OAuthTokenError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider

from browser import Browser
from clients import text_of
from oidc_provider import INTERACTIVE, oidc_provider
from processes import fleet, free_port
from programs import interactive, run, rust_client
from raw_http import FIRST_REQUESTS, post

SUM = ["--call", "add", "--arguments", '{"a": 2, "b": 40}']
# Short, so that a test can wait for the end of one.
LIFETIME_SECONDS = 2


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    # The two know each other by their addresses: this is where the fleet will be.
    resource = f"http://127.0.0.1:{free_port()}/mcp"
    with oidc_provider(tmp_path_factory.mktemp("provider"), resource, LIFETIME_SECONDS) as provider:
        yield provider


@pytest.fixture(scope="module")
def running_server(provider, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("fleet"), urlsplit(provider.resource).port
    with fleet(folder, gateway_flags=provider.gateway_flags(), port=port) as server:
        server.processes.append(provider.process)
        yield server


def person(server, program, *arguments):
    command = program(server.url, "--client-id", INTERACTIVE, *arguments)
    return run(command, visit=Browser().sign_in)


@pytest.mark.parametrize("program", [interactive, rust_client], ids=["python_interactive", "rust_client"])
def test_a_person_signs_in_and_calls_a_tool(server, provider, program):
    ended = person(server, program, *SUM)
    assert json.loads(ended.printed())["structuredContent"] == {"sum": 42}
    assert ended.sign_ins == 1
    assert provider.grants()[-1] == "authorization_code"


def test_an_expired_token_is_refreshed_without_a_sign_in(server, provider, tmp_path):
    tokens = tmp_path / "tokens.json"
    assert person(server, interactive, "--tokens", str(tokens)).sign_ins == 1
    for _ in range(2):
        kept = json.loads(tokens.read_text())
        time.sleep(max(0.0, kept["expires_at"] - time.time()))
        again = person(server, interactive, "--tokens", str(tokens), *SUM)
        assert again.sign_ins == 0
        assert json.loads(again.printed())["structuredContent"] == {"sum": 42}
        assert provider.grants()[-1] == "refresh_token"
        # This provider gives out a new refresh token each time, and the old one is good no more.
        assert json.loads(tokens.read_text())["tokens"]["refresh_token"] != kept["tokens"]["refresh_token"]


class Memory:
    """The SDK's storage of tokens."""

    tokens = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens


def service(server, provider, client_id, method="client_secret_post"):
    """The client credentials of the SDK itself."""
    return ClientCredentialsOAuthProvider(
        server.url, Memory(), client_id, f"{client_id}-secret", token_endpoint_auth_method=method, issuer=provider.url
    )


@pytest.mark.parametrize(
    ("client_id", "method"), [("service", "client_secret_post"), ("service-basic", "client_secret_basic")]
)
async def test_a_service_calls_a_tool(server, provider, connect, client_id, method):
    async with connect(auth=service(server, provider, client_id, method)) as client:
        for n in range(4):
            assert text_of(await client.call("echo", {"text": f"call {n}"})) == f"call {n}"
    assert provider.grants()[-1] == "client_credentials"


def test_a_service_in_rust_calls_a_tool(server, provider):
    scope = ["--scope", "mcp.call"]
    ended = run(rust_client(server.url, "--client-id", "service", *scope, *SUM), secret="service-secret")
    assert json.loads(ended.printed())["structuredContent"] == {"sum": 42}


async def test_a_service_gets_no_token_for_a_scope_that_it_has_not(server, provider, connect):
    with pytest.raises(BaseException) as raised:
        async with connect(auth=service(server, provider, "reader")):
            pass
    error = raised.value
    while nested := getattr(error, "exceptions", ()):
        error = nested[0]
    assert isinstance(error, (OAuthFlowError, OAuthTokenError)), repr(error)
    assert "invalid_scope" in str(error)


@pytest.mark.parametrize("era", FIRST_REQUESTS)
def test_a_token_with_too_little_is_told_what_it_lacks(server, provider, era):
    answer = post(server.url, era, provider.token("reader", "mcp.read"))
    assert answer.status == 403
    assert answer.challenge()["error"] == "insufficient_scope"
    assert answer.challenge()["scope"] == "mcp.call"


@pytest.mark.parametrize("era", FIRST_REQUESTS)
def test_a_token_for_another_server_is_refused(server, provider, era):
    token = provider.token("service", "mcp.call", resource=f"{provider.resource}/other")
    answer = post(server.url, era, token)
    assert answer.status == 401
    assert answer.challenge()["error"] == "invalid_token"
