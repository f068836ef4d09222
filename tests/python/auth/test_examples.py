"""The programs of `examples/`, run as their users run them, at the issuer that is shaped like Entra ID."""

from __future__ import annotations

import json
import time
from functools import partial

import pytest

import programs
from browser import Browser
from issuer import DAEMON, DAEMON_SECRET, INTERACTIVE, STRANGER, STRANGER_SECRET
from programs import as_service, interactive, run, rust_client

SUM = ["--call", "add", "--arguments", '{"a": 2, "b": 40}']
PEOPLE = {"python_interactive": interactive, "rust_client": rust_client}


@pytest.fixture
def sign_in(server, issuer):
    """Runs a program for people and signs in as alice, or does what `visit` of a browser does."""

    def sign_in(program, *arguments, visit=Browser.sign_in):
        browser = Browser(issuer.ca)
        command = program(server.url, "--client-id", INTERACTIVE, *arguments)
        return run(command, issuer.ca, visit=lambda url: visit(browser, url))

    return sign_in


@pytest.fixture
def serve(server, issuer):
    """Runs a program for services."""
    return partial(as_service, server.url, issuer)


@pytest.mark.parametrize("program", PEOPLE.values(), ids=PEOPLE)
def test_a_person_signs_in_and_calls_a_tool(sign_in, program):
    ended = sign_in(program, *SUM)
    assert json.loads(ended.printed())["structuredContent"] == {"sum": 42}
    assert ended.sign_ins == 1


@pytest.mark.parametrize("program", PEOPLE.values(), ids=PEOPLE)
def test_without_a_call_the_tools_are_listed(sign_in, program):
    assert "echo" in sign_in(program).printed().splitlines()


def test_a_person_signs_in_in_the_handshake_era(sign_in):
    ended = sign_in(interactive, "--mode", "legacy", *SUM)
    assert json.loads(ended.printed())["structuredContent"] == {"sum": 42}
    assert "2025-11-25" in ended.err


@pytest.mark.parametrize("program", PEOPLE.values(), ids=PEOPLE)
def test_a_person_who_declines_is_told_so_and_nothing_is_called(sign_in, program):
    ended = sign_in(program, *SUM, visit=Browser.decline)
    assert ended.status != 0
    assert ended.out == ""
    assert "sign-in" in ended.err
    assert "Traceback" not in ended.err


def test_a_sign_in_is_kept_for_the_next_run_where_nobody_else_can_read_it(sign_in, tmp_path):
    tokens = tmp_path / "tokens.json"
    assert sign_in(interactive, "--tokens", str(tokens)).sign_ins == 1
    assert tokens.stat().st_mode & 0o777 == 0o600
    again = sign_in(interactive, "--tokens", str(tokens))
    assert "echo" in again.printed()
    assert again.sign_ins == 0


def test_a_token_that_has_expired_between_two_runs_is_refreshed(sign_in, issuer, tmp_path):
    tokens = tmp_path / "tokens.json"
    with issuer.wrong(expires_in=1):
        assert sign_in(interactive, "--tokens", str(tokens)).sign_ins == 1
    expires_at = json.loads(tokens.read_text())["expires_at"]
    time.sleep(max(0.0, expires_at - time.time()))
    before = issuer.token_requests()
    again = sign_in(interactive, "--tokens", str(tokens))
    assert "echo" in again.printed()
    assert again.sign_ins == 0
    assert issuer.token_requests() - before == 1
    assert tokens.stat().st_mode & 0o777 == 0o600


def test_tokens_are_not_shown_to_another_server_or_by_another_client(sign_in, tmp_path):
    tokens = tmp_path / "tokens.json"
    sign_in(interactive, "--tokens", str(tokens)).printed()
    kept = json.loads(tokens.read_text())
    tokens.write_text(json.dumps({**kept, "owner": {**kept["owner"], "server": "http://127.0.0.1:1/mcp"}}))
    assert sign_in(interactive, "--tokens", str(tokens)).sign_ins == 1


@pytest.mark.parametrize("program", [programs.SERVICE, programs.LANGCHAIN], ids=["python_service", "langchain"])
def test_a_service_calls_a_tool(serve, program):
    assert "42" in serve(program, *SUM).printed()
    assert "echo" in serve(program).printed().splitlines()


@pytest.mark.parametrize("program", [programs.SERVICE, programs.LANGCHAIN], ids=["python_service", "langchain"])
def test_a_service_without_the_role_calls_nothing(serve, program):
    ended = serve(program, *SUM, client=STRANGER, secret=STRANGER_SECRET)
    assert ended.status != 0
    assert ended.out == ""
    assert STRANGER_SECRET not in ended.err


def test_a_service_in_rust_calls_a_tool(server, issuer):
    scope = ["--scope", f"{issuer.resource}/.default"]
    ended = run(rust_client(server.url, "--client-id", DAEMON, *scope, *SUM), issuer.ca, DAEMON_SECRET)
    assert json.loads(ended.printed())["structuredContent"] == {"sum": 42}
    assert ended.sign_ins == 0
