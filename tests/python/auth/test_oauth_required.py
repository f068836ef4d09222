"""Who gets in: nobody without a good token, whichever way a client asks (2025-11-25 and 2026-07-28, Authorization)."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from clients import HANDSHAKE, text_of
from raw_http import FIRST_REQUESTS, post, send

ERAS = pytest.mark.parametrize("era", FIRST_REQUESTS)
# Each gateway gets its turn.
TWICE = range(2)

WRONG_TOKENS = {
    "expired": {"twist": {"expires_in": -120}},
    "not valid yet": {"twist": {"not_before_in": 120}},
    "forged": {"twist": {"sign_with": "foreign"}},
    "unsigned": {"twist": {"sign_with": "nobody"}},
    "signed with the public key": {"twist": {"sign_with": "public-key-as-secret"}},
    "for another API": {"twist": {"claims": {"aud": "00000003-0000-0000-c000-000000000000"}}},
    "of another tenant": {"tenant": "11111111-2222-4333-8444-555555555555"},
    "of version 1": {"version": 1},
}


def metadata_url(issuer):
    parts = urlsplit(issuer.resource)
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}"


@ERAS
def test_without_a_token_a_client_is_told_where_to_get_one(server, issuer, era):
    for _ in TWICE:
        answer = post(server.url, era)
        assert answer.status == 401
        # RFC 6750, section 3.1: no error for a client that sent no token.
        assert answer.challenge() == {
            "resource_metadata": metadata_url(issuer),
            "scope": f"{issuer.resource}/mcp.call",
        }
        assert answer.json()["error"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_stream_and_the_end_of_a_session_need_a_token_too(server, issuer, method):
    opened = post(server.url, HANDSHAKE, issuer.token())
    session = {"Mcp-Session-Id": opened.headers["Mcp-Session-Id"], "Accept": "text/event-stream"}
    for _ in TWICE:
        answer = send(method, server.url, headers=session)
        assert answer.status == 401
        assert "resource_metadata" in answer.challenge()
    ended = send("DELETE", server.url, headers={**session, "Authorization": f"Bearer {issuer.token()}"})
    assert ended.status < 300, ended


def test_the_metadata_are_at_both_places(server, issuer):
    beside, at_the_root = metadata_url(issuer), metadata_url(issuer).removesuffix("/mcp")
    documents = [send("GET", url) for url in (beside, at_the_root) for _ in TWICE]
    assert [each.status for each in documents] == [200] * 4
    for document in (each.json() for each in documents):
        assert document["resource"] == server.url == issuer.resource
        assert document["authorization_servers"] == [issuer.url]
        assert document["bearer_methods_supported"] == ["header"]
        assert document["scopes_supported"] == [f"{issuer.resource}/mcp.call"]


@ERAS
@pytest.mark.parametrize("order", WRONG_TOKENS.values(), ids=WRONG_TOKENS)
def test_a_wrong_token_is_refused(server, issuer, era, order):
    for _ in TWICE:
        answer = post(server.url, era, issuer.token(**order))
        assert answer.status == 401
        assert answer.challenge()["error"] == "invalid_token"
        assert answer.challenge()["resource_metadata"] == metadata_url(issuer)


@ERAS
def test_what_is_no_token_is_refused(server, era):
    answer = post(server.url, era, "not.a.token")
    assert answer.status == 401
    assert answer.challenge()["error"] == "invalid_token"


@ERAS
@pytest.mark.parametrize(
    "order",
    [{"scopes": ["mcp.read"]}, {"app_only": True, "roles": ["Mcp.Read"]}],
    ids=["a person without the scope", "a service without the role"],
)
def test_a_token_that_allows_too_little_is_told_what_it_lacks(server, issuer, era, order):
    for _ in TWICE:
        answer = post(server.url, era, issuer.token(**order))
        assert answer.status == 403
        challenge = answer.challenge()
        assert challenge["error"] == "insufficient_scope"
        assert challenge["scope"] == f"{issuer.resource}/mcp.call"
        assert challenge["resource_metadata"] == metadata_url(issuer)


@ERAS
def test_a_token_in_the_url_is_refused_even_beside_one_in_the_header(server, issuer, era):
    token = issuer.token()
    for sent in (None, token):
        answer = post(f"{server.url}?access_token={token}", era, sent)
        assert answer.status in (400, 401)
        assert answer.challenge()["error"] == "invalid_request"
        assert token not in answer.body.decode()


@pytest.mark.parametrize(
    "order",
    [{}, {"user": "bob", "scopes": ["mcp.call"]}, {"app_only": True}],
    ids=["a person with all scopes", "a person with the one scope", "a service with the role"],
)
async def test_with_a_good_token_a_client_is_served(connect, issuer, order):
    async with connect(auth=bearing(issuer.token(**order))) as client:
        assert "echo" in await client.list_tools()
        # More calls than gateways: every one knows the caller.
        for n in range(4):
            assert text_of(await client.call("echo", {"text": f"call {n}"})) == f"call {n}"


@pytest.fixture(scope="session")
def new_key(issuer):
    """Once: a gateway asks for the sake of a key that it does not know every five minutes at most."""
    issuer.rotate()


@pytest.mark.usefixtures("new_key")
async def test_a_token_of_a_new_key_is_taken_at_once(connect, issuer):
    async with connect(auth=bearing(issuer.token())) as client:
        for _ in TWICE:
            assert await client.list_tools()


def bearing(token):
    """Sends the token with each request, whichever HTTP library the SDK uses."""

    def add(request):
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return add
