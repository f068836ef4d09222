"""scripts/smoke_aca, as it is run against a fleet that is deployed, and with it examples/smoke_http.py."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from facade import API_URI, facade_fleet
from issuer import DAEMON, DAEMON_SECRET
from processes import Server, Starter, binary, fleet, says

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "smoke_aca"
CLIENT = [sys.executable, str(ROOT / "examples" / "smoke_http.py")]
# Generous: only a client that hangs reaches it. It is longer than the client itself waits for an answer.
SECONDS = 180


@pytest.fixture
def smoke(running_server, issuer):
    """Runs it against the fleet."""

    def run(*arguments, secret=DAEMON_SECRET):
        environment = {
            # Any Python will do for it.
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "NO_PROXY": "127.0.0.1",
            "CLIENT_ID": DAEMON,
            "CLIENT_SECRET": secret,
        }
        command = [str(SCRIPT), issuer.resource, "--ca", str(issuer.ca), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)

    return run


def test_a_fleet_that_is_well_passes(smoke, issuer):
    done = smoke()
    assert done.returncode == 0, done.stdout + done.stderr
    for seen in (f"{issuer.resource}: ok", "refused without a token", "a token for", "bump_counter", "all is well"):
        assert seen in done.stdout
    assert DAEMON_SECRET not in done.stdout + done.stderr


def test_where_clients_register_by_themselves_one_does(tmp_path):
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "CLIENT_SECRET": DAEMON_SECRET}
    with facade_fleet(tmp_path) as server:
        command = [*CLIENT, server.url, "--client-id", DAEMON, "--scope", f"{API_URI}/.default"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a client registers by itself, and a person is asked about it" in done.stdout
    assert "all is well" in done.stdout


def test_another_tool_may_be_called(smoke):
    assert "bump_counter answered" in smoke("--tool", "bump_counter").stdout
    missing = smoke("--tool", "nothing_like_it")
    assert missing.returncode != 0
    assert "nothing_like_it" in missing.stderr


def test_who_gets_no_token_is_told_so(smoke):
    secret = "not-the-secret-of-anybody"
    done = smoke(secret=secret)
    assert done.returncode != 0
    assert "/token answered 401" in done.stderr
    assert secret not in done.stdout + done.stderr


@contextlib.contextmanager
def front_of(server: Server, passed_on: str) -> Iterator[str]:
    """Stands before the fleet as Front Door and API Management do: what does not begin so is not found."""
    behind = urlsplit(server.url)

    class Front(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            if not self.path.startswith(passed_on):
                self.send_error(404)
                return
            connection = http.client.HTTPConnection(behind.hostname, behind.port, timeout=SECONDS)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request(self.command, self.path, body=body, headers=headers)
            reply = connection.getresponse()
            answer = reply.read()
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_DELETE = pass_on  # noqa: N815 - so the base class wants them

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as front:
        threading.Thread(target=front.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{front.server_port}/mcp"
        finally:
            front.shutdown()


def test_behind_a_front_that_keeps_probes_inside(tmp_path):
    with fleet(tmp_path, gateways=1, workers=1) as server:
        with front_of(server, "/mcp") as url:
            done = subprocess.run([*CLIENT, url], capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "/readyz is not passed on (404)" in done.stdout
        assert "all is well" in done.stdout
        # Behind one that passes on nothing of use, it is not well.
        with front_of(server, "/readyz") as url:
            done = subprocess.run([*CLIENT, url], capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode != 0
        assert f"{url}: ok" in done.stdout
        assert "answered with 404" in done.stderr


def test_it_says_that_it_waits_for_the_first_worker(tmp_path):
    with fleet(tmp_path, gateways=1, workers=0) as server, contextlib.ExitStack() as stack:
        client = subprocess.Popen(
            [*CLIENT, server.url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        stack.callback(client.kill)
        stack.enter_context(contextlib.closing(client.stdout))
        seen = []
        for line in client.stdout:
            seen.append(line)
            if "initialize has no answer yet" in line:
                break
        assert "the first one is started" in seen[-1], seen
        redis = ["--redis-url", server.redis_url, "--log-format", "json"]
        worker = Starter(tmp_path, stack).start("worker", [binary("prynai-worker"), *redis], says("ready", "worker"))
        worker.wait_until_ready()
        seen.extend(client.stdout)
        assert client.wait(SECONDS) == 0, seen
        assert seen[-1] == "all is well\n"
