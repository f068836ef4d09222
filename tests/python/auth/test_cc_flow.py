"""A service gets in by itself: client credentials (RFC 6749, section 4.4), as the example `python_service` does it."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest

from clients import text_of
from issuer import DAEMON, DAEMON_SECRET, STRANGER, STRANGER_SECRET
from raw_http import FIRST_REQUESTS, post

sys.path.insert(0, str(Path(__file__).parents[3] / "examples" / "python_service"))

from entra_auth import EntraAuth, NoToken  # noqa: E402

CALLS = 6


@pytest.fixture
def sign_in(issuer, monkeypatch):
    """Makes the `auth` of a service."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(issuer.ca))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def make(client_id=DAEMON, secret=DAEMON_SECRET):
        scope = f"{issuer.resource}/.default"
        return EntraAuth(issuer.authority, client_id, secret, scope, validate_authority=False)

    return make


async def test_a_service_calls_a_tool_with_one_token(connect, issuer, sign_in):
    before = issuer.token_requests()
    async with connect(auth=sign_in()) as client, anyio.create_task_group() as tasks:
        for n in range(CALLS):
            tasks.start_soon(echo, client, f"call {n}")
    assert issuer.token_requests() - before == 1


async def test_a_token_is_replaced_before_it_expires(connect, issuer, sign_in):
    before = issuer.token_requests()
    # MSAL replaces a token that is good for less than five minutes.
    with issuer.wrong(expires_in=200):
        async with connect(auth=sign_in()) as client:
            for n in range(CALLS):
                await echo(client, f"call {n}")
    assert issuer.token_requests() - before > CALLS


async def test_a_token_that_has_expired_all_the_same_is_replaced_once(connect, issuer, sign_in):
    expired = issuer.token(app_only=True, twist={"expires_in": -120})
    before = issuer.token_requests()
    with issuer.wrong(times=1, access_token=expired):
        async with connect(auth=sign_in()) as client:
            for n in range(CALLS):
                await echo(client, f"call {n}")
    assert issuer.token_requests() - before == 2


async def test_many_calls_at_once_replace_an_expired_token_once(connect, issuer, sign_in):
    auth = sign_in()
    async with connect(auth=auth) as client:
        await echo(client, "first")
        expired = issuer.token(app_only=True, twist={"expires_in": -120})
        before = issuer.token_requests()
        with issuer.wrong(times=1, access_token=expired):
            # As if the server had refused it: the next one is the expired one, which every call is then refused with.
            auth._token(refused=auth._last)
            async with anyio.create_task_group() as tasks:
                for n in range(CALLS):
                    tasks.start_soon(echo, client, f"call {n}")
    assert issuer.token_requests() - before == 2


async def test_a_token_that_stays_refused_is_replaced_only_once(server, issuer, sign_in):
    forged = issuer.token(app_only=True, twist={"sign_with": "foreign"})
    before = issuer.token_requests()
    with issuer.wrong(access_token=forged):
        flow = sign_in().sync_auth_flow(Request())
        first = next(flow).headers["Authorization"]
        assert post(server.url, next(iter(FIRST_REQUESTS)), first.removeprefix("Bearer ")).status == 401
        flow.send(Refused())
        with pytest.raises(StopIteration):
            flow.send(Refused())
    assert issuer.token_requests() - before == 2


@pytest.mark.parametrize("era", FIRST_REQUESTS)
def test_a_service_without_the_role_gets_a_token_and_no_further(server, issuer, sign_in, era):
    flow = sign_in(STRANGER, STRANGER_SECRET).sync_auth_flow(Request())
    token = next(flow).headers["Authorization"].removeprefix("Bearer ")
    answer = post(server.url, era, token)
    assert answer.status == 403
    assert answer.challenge()["error"] == "insufficient_scope"
    assert "Mcp.Call" in answer.challenge()["error_description"]


async def test_the_sdk_passes_the_refusal_on(connect, sign_in):
    with pytest.raises(BaseException) as raised:
        async with connect(auth=sign_in(STRANGER, STRANGER_SECRET)):
            pass
    assert "403" in in_words(raised.value) or "Mcp.Call" in in_words(raised.value)


def test_a_wrong_secret_gets_no_token(sign_in):
    flow = sign_in(secret="wrong").sync_auth_flow(Request())
    with pytest.raises(NoToken, match="AADSTS7000215"):
        next(flow)


async def echo(client, text):
    assert text_of(await client.call("echo", {"text": text})) == text


def in_words(error):
    """What an error says, with all that it is made of."""
    nested = getattr(error, "exceptions", ())
    return " ".join([repr(error), *map(in_words, nested)])


class Request:
    def __init__(self):
        self.headers = {}


class Refused:
    status_code = 401
