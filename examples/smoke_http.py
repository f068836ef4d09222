#!/usr/bin/env python3
"""Asks a deployed server everything that must work, as a client of the handshake era, with Python's own library alone.

  smoke_http.py URL [--ca FILE] [--client-id ID --scope SCOPE] [--tool NAME] [--between COMMAND]… [--during COMMAND]…

1. It is ready, and its HTTPS is trusted. A front that keeps /readyz inside answers 404 there, which is no fault.
2. With --client-id: without a token it refuses, and says where to get one (RFC 9728); the token is fetched there with
   the client credentials (RFC 6749, section 4.4), whose secret is in the variable CLIENT_SECRET. Where clients register
   by themselves (RFC 7591), one does, and a person is asked about it.
3. A session is opened, the tools are listed, and a counter is raised: the tools bump_counter and long_running of the
   reference handler must be there. With --tool, that tool is called instead, without arguments, and the rest left out.
4. Each COMMAND of --between runs between two calls of that same session; the counter must go on where it was. It is for
   restarts: scripts/smoke_compose gives one for each service.
5. Each COMMAND of --during runs while a call is under way, and that call must end well.

What is refused in passing (Retry-After, or no connection at all) is asked again for a minute. An answer may take longer
than two minutes, as it does where the first worker is yet to be started. A call that may have begun is never sent twice.
Prints what it sees, and ends with exit code 1 at the first thing that is wrong.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import ipaddress
import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

VERSION = "2025-11-25"
PATIENCE_S = 60
# A gateway itself waits two minutes for the first worker (--worker-grace), and then says so.
ANSWER_S = 130
# After that, whoever watches is told for what it waits.
SILENCE_S = 5
# Longer than a restart, shorter than the 20 seconds that a worker gives a call when it is told to stop.
STEPS, STEP_MS = 24, 500


class Failed(Exception):
    """Something is not as it should be."""


class Passing(Exception):
    """Refused, and worth another try."""


def is_here(host: str) -> bool:
    """Whether it is this machine (RFC 6761, section 6.3, for the names)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Web:
    """Sends requests, each over a connection of its own: so each may meet another server."""

    def __init__(self, ca: str | None) -> None:
        self.context = ssl.create_default_context(cafile=ca)

    def send(self, method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> HTTPResponse:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(host, parts.port, timeout=ANSWER_S, context=self.context)
        elif is_here(host):
            connection = http.client.HTTPConnection(host, parts.port, timeout=ANSWER_S)
        else:
            raise Failed(f"{url} would send tokens over plain HTTP to another machine")
        # Not every resolver knows the names below localhost.
        connection._create_connection = lambda address, *rest: socket.create_connection(  # type: ignore[attr-defined]
            ("127.0.0.1" if host.endswith(".localhost") else address[0], address[1]), *rest
        )
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise Failed(f"{url}: {error.verify_message}; is --ca right?") from error
        except OSError as error:
            raise Passing(f"nobody takes a connection: {error}") from error
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        connection.request(method, target, body=body, headers=headers)
        try:
            reply = connection.getresponse()
        except TimeoutError as error:
            raise Failed(f"{method} {url} got no answer within {ANSWER_S} s") from error
        if reply.status == 503:
            raise Passing(f"503: {reply.read(2000).decode(errors='replace')}")
        return reply

    def json(self, url: str, **form: str) -> dict[str, Any]:
        """What is at that address; with a form, what it answers to it."""
        headers = {"Accept": "application/json"}
        body = None
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form).encode()
        reply = until_well(lambda: self.send("POST" if form else "GET", url, headers, body))
        text = reply.read()
        if reply.status != 200:
            # An issuer says why, such as AADSTS7000215.
            said = text[:500].decode(errors="replace")
            raise Failed(f"{url} answered {reply.status}: {said!r}")
        return json.loads(text)


def until_well(attempt: Any) -> Any:
    """Tries again while it is refused in passing."""
    began = time.monotonic()
    while True:
        try:
            return attempt()
        except Passing as passing:
            if (passed := time.monotonic() - began) > PATIENCE_S:
                raise Failed(f"still refused after {passed:.0f} s: {passing}") from passing
            time.sleep(0.5)


class Session:
    """A session with the server: its id is kept, whatever is restarted."""

    def __init__(self, web: Web, url: str, token: str | None) -> None:
        self.web, self.url = web, url
        self.ids = itertools.count(1)
        self.headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        client = {"name": "smoke_http", "version": "1"}
        params = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client}
        self.server = self.ask("initialize", params)["serverInfo"]
        self.headers["MCP-Protocol-Version"] = VERSION
        self.tell("notifications/initialized")

    @property
    def id(self) -> str:
        return self.headers["Mcp-Session-Id"]

    def post(self, message: dict[str, Any]) -> HTTPResponse:
        reply = self.web.send("POST", self.url, self.headers, json.dumps({"jsonrpc": "2.0", **message}).encode())
        if reply.status not in (200, 202):
            raise Failed(f"{message['method']} was answered with {reply.status}: {reply.read(2000).decode()}")
        return reply

    def tell(self, method: str) -> None:
        until_well(lambda: self.post({"method": method}).read())

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        return until_well(lambda: self.answered(method, params, None))

    def answered(self, method: str, params: dict[str, Any], progressed: Any) -> Any:
        """The result; `progressed` is called when the first progress is told."""
        number = next(self.ids)
        with told_of_silence(method):
            reply = self.post({"id": number, "method": method, "params": params})
        opened = reply.headers.get("Mcp-Session-Id")
        for message in messages(reply):
            if message.get("method") == "notifications/progress" and progressed:
                progressed()
                progressed = None
            if message.get("id") != number:
                continue
            if error := message.get("error"):
                # Such a request was refused before it was queued.
                if "retryAfterSeconds" in (error.get("data") or {}):
                    raise Passing(error["message"])
                raise Failed(f"{method} failed: {error}")
            if opened and method == "initialize":
                self.headers["Mcp-Session-Id"] = opened
            return message["result"]
        raise Failed(f"the answer to {method} broke off")

    def call(self, tool: str, arguments: dict[str, Any], progressed: Any = None) -> str:
        params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": str(uuid.uuid4())}}
        result = until_well(lambda: self.answered("tools/call", params, progressed))
        text = "".join(part.get("text", "") for part in result["content"])
        if result.get("isError"):
            raise Failed(f"{tool} failed: {text}")
        return text

    def end(self) -> None:
        until_well(lambda: self.web.send("DELETE", self.url, self.headers).read())


@contextlib.contextmanager
def told_of_silence(method: str) -> Iterator[None]:
    """Says for what it waits, if the answer does not begin soon."""
    said = f"  {method} has no answer yet; where no worker runs, the first one is started: waits {ANSWER_S} s at most"
    timer = threading.Timer(SILENCE_S, lambda: print(said, flush=True))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def messages(reply: HTTPResponse) -> Iterator[dict[str, Any]]:
    """Of a JSON answer or of an event stream."""
    if "text/event-stream" not in reply.headers.get("Content-Type", ""):
        yield json.loads(reply.read())
        return
    for line in reply:
        data = line.decode().rstrip("\r\n").removeprefix("data:").strip() if line.startswith(b"data:") else ""
        if data:
            yield json.loads(data)


def token_for(web: Web, url: str, client: str, scope: str) -> str:
    """As an MCP client finds it: from the refusal to the metadata, from there to the issuer."""
    refused = until_well(lambda: web.send("POST", url, {"Content-Type": "application/json"}, b"{}"))
    challenge = refused.headers.get("WWW-Authenticate", "")
    if refused.status != 401 or 'resource_metadata="' not in challenge:
        raise Failed(f"without a token it answered {refused.status} with the challenge {challenge!r}")
    metadata = web.json(challenge.split('resource_metadata="')[1].split('"')[0])
    if metadata["resource"] != url:
        raise Failed(f"its metadata is for {metadata['resource']}, not for {url}")
    issuer = metadata["authorization_servers"][0]
    print(f"refused without a token; tokens are from {issuer}")
    known = web.json(f"{issuer}/.well-known/openid-configuration")
    if known.get("registration_endpoint"):
        register(web, url, known)
    endpoint = known["token_endpoint"]
    secret = os.environ.get("CLIENT_SECRET") or sys.exit("set CLIENT_SECRET")
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret, "scope": scope}
    token = web.json(endpoint, **form)["access_token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    print(f"a token for {claims.get('aud')}, with the roles {', '.join(claims.get('roles', []))}")
    return token


def register(web: Web, url: str, issuer: dict[str, Any]) -> None:
    """As a program on a person's machine; goes as far as the page that asks the person."""
    redirect = "http://127.0.0.1:49152/callback"
    asked = {"client_name": "smoke_http", "redirect_uris": [redirect], "token_endpoint_auth_method": "none"}
    headers = {"Content-Type": "application/json"}
    reply = until_well(lambda: web.send("POST", issuer["registration_endpoint"], headers, json.dumps(asked).encode()))
    said = reply.read()
    if reply.status != 201:
        raise Failed(f"the registration was answered with {reply.status}: {said[:500]!r}")
    parameters = {
        "response_type": "code",
        "client_id": json.loads(said)["client_id"],
        "redirect_uri": redirect,
        "resource": url,
        # Nobody knows the verifier, so a code would be of no use (RFC 7636).
        "code_challenge": base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    page = until_well(lambda: web.send("GET", f"{issuer['authorization_endpoint']}?{urlencode(parameters)}", {}))
    text = page.read().decode(errors="replace")
    if page.status != 200 or "smoke_http" not in text:
        raise Failed(f"nobody is asked about a client that registered: {page.status}: {text[:500]!r}")
    print("a client registers by itself, and a person is asked about it")


def run(command: str) -> None:
    print(f"  + {command}", flush=True)
    began = time.monotonic()
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"the command failed: {done.stderr.strip()[-2000:]}")
    print(f"    took {time.monotonic() - began:.1f} s", flush=True)


def readiness(web: Web, url: str) -> str:
    """What the gateway says of itself. A front answers 404 in its place if it passes on only what clients need."""
    probe = url.removesuffix("/mcp") + "/readyz"
    reply = until_well(lambda: web.send("GET", probe, {"Accept": "application/json"}))
    text = reply.read()
    if reply.status == 404:
        return "/readyz is not passed on (404), as behind a front; so it is not asked"
    if reply.status != 200:
        raise Failed(f"{probe} answered {reply.status}")
    return json.loads(text)["status"]


def smoke(arguments: argparse.Namespace) -> None:
    web = Web(arguments.ca)
    print(f"{arguments.url}: {readiness(web, arguments.url)}", flush=True)
    token = token_for(web, arguments.url, arguments.client_id, arguments.scope) if arguments.client_id else None
    session = Session(web, arguments.url, token)
    print(f"session {session.id[:12]}… with {session.server['name']} {session.server['version']}")
    tools = [tool["name"] for tool in session.ask("tools/list", {})["tools"]]
    print(f"{len(tools)} tools: {', '.join(tools)}")
    if arguments.tool:
        if arguments.tool not in tools:
            raise Failed(f"it has no tool {arguments.tool}")
        print(f"{arguments.tool} answered: {session.call(arguments.tool, {})[:200]!r}")
    else:
        keep_counting(session, arguments)
    session.end()
    print("all is well")


def keep_counting(session: Session, arguments: argparse.Namespace) -> None:
    """Raises a counter of the session around the commands, and has a call under way during others."""
    counter = {"name": f"smoke-{uuid.uuid4().hex[:12]}"}
    before = int(session.call("bump_counter", counter))
    for command in arguments.between:
        run(command)
        began = time.monotonic()
        after = int(session.call("bump_counter", counter))
        took = time.monotonic() - began
        print(f"    session {session.id[:12]}…, counter {before} before, {after} after, answered in {took:.1f} s")
        if after != before + 1:
            raise Failed("the counter did not go on where it was")
        before = after
    for command in arguments.during:
        began = time.monotonic()
        said = session.call("long_running", {"steps": STEPS, "delay_ms": STEP_MS}, lambda: run(command))
        print(f"    the call under way ended {time.monotonic() - began:.1f} s after it began: {said}")
        if said != f"done after {STEPS} steps":
            raise Failed("it did not end as it should")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url", metavar="URL", help="of the endpoint, such as https://mcp.example.com/mcp")
    parser.add_argument("--ca", metavar="FILE", help="certificate of the authority to trust, in PEM")
    parser.add_argument("--client-id", help="of a service that may call; its secret is in CLIENT_SECRET")
    parser.add_argument("--scope", help="what to ask the token for [default: URL/.default]")
    parser.add_argument("--tool", metavar="NAME", help="call this one, and leave out what needs the reference handler")
    parser.add_argument("--between", metavar="COMMAND", action="append", default=[], help="run it between two calls")
    parser.add_argument("--during", metavar="COMMAND", action="append", default=[], help="run it during a call")
    arguments = parser.parse_args()
    if arguments.tool and (arguments.between or arguments.during):
        parser.error("--between and --during need the reference handler's tools, so they do not go with --tool")
    arguments.scope = arguments.scope or f"{arguments.url}/.default"
    try:
        smoke(arguments)
    except (Failed, OSError, http.client.HTTPException) as failed:
        sys.exit(f"smoke_http.py: {failed or type(failed).__name__}")


if __name__ == "__main__":
    main()
