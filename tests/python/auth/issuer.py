"""`prynai-dev-issuer`, the local issuer that is shaped like Microsoft Entra ID: over HTTPS, and as strict as Entra."""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certificates
from processes import Process, Server, Starter, binary, clean_environment, fleet, says

# As `--print-config` has them.
INTERACTIVE = "c3b75f19-6a8e-4d02-8f43-1e9d0b7a5003"
DAEMON = "e47f9b62-0d35-4a9c-a1c8-5d6b3f8e2004"
DAEMON_SECRET = "daemon-secret-for-development"
SCOPE = "mcp.call"
ROLE = "Mcp.Call"

# Another service of the same tenant: Entra gives it a token for any API, but nobody assigned a role to it.
STRANGER = "0f6c1c5e-3d5b-4f0a-9f57-6f6c4c1d7005"
STRANGER_SECRET = "stranger-secret-for-the-tests"

ANSWER_SECONDS = 30


@dataclass
class Issuer:
    """A running one."""

    base_url: str
    tenant: str
    # The client id of the API.
    api: str
    # Of the MCP endpoint.
    resource: str
    ca: Path
    processes: list[Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What tokens say in `iss`."""
        return f"{self.base_url}/{self.tenant}/v2.0"

    @property
    def authority(self) -> str:
        """As MSAL calls it."""
        return f"{self.base_url}/{self.tenant}"

    def gateway_flags(self) -> list[str]:
        """A gateway that trusts this issuer, behind a balancer at `resource`."""
        return [
            *("--auth", "entra", "--auth-authority", self.base_url, "--auth-ca", str(self.ca)),
            *("--auth-tenant", self.tenant, "--auth-audience", self.api),
            *("--auth-scope", SCOPE, "--auth-role", ROLE, "--auth-scope-prefix", f"{self.resource}/"),
            *("--public-url", self.resource),
        ]

    def token(self, **order: Any) -> str:
        """A token to order, right or wrong. Without an order: one of alice, with all scopes."""
        return self._ask("POST", "token", order)["access_token"]

    def rotate(self) -> None:
        """Signs with a new key from now on."""
        self._ask("POST", "rotate")

    def token_requests(self) -> int:
        return self._ask("GET", "requests").get("token", 0)

    @contextlib.contextmanager
    def wrong(self, times: int | None = None, **changes: Any) -> Iterator[None]:
        """Answers token requests, so many of them or all, with these fields changed."""
        order = {"endpoint": "token", "fault": {"changed": changes}, "times": times}
        self._ask("POST", "misbehave", order)
        try:
            yield
        finally:
            self._ask("POST", "behave")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.base_url}/admin/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        # No proxy of the environment stands between the tests and the loopback address.
        context = ssl.create_default_context(cafile=str(self.ca))
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({})
        )
        with opener.open(request, timeout=ANSWER_SECONDS) as response:
            answer = response.read()
        return json.loads(answer) if answer else None


@contextlib.contextmanager
def dev_issuer(folder: Path, resource: str) -> Iterator[Issuer]:
    """The issuer of an API that is known by the URL of the MCP endpoint."""
    ca, certificate, key = certificates.make(folder)
    config = registered()
    # By that alone: Entra refuses a `resource` that is not an App ID URI of the API that the scopes are of.
    config["apis"][0]["identifier_uris"] = [resource]
    for client in config["clients"]:
        for kind in ("scopes", "app_roles"):
            client[kind] = [f"{resource}/{full.rpartition('/')[2]}" for full in client[kind]]
    for user in config["users"]:
        user["app_roles"] = [f"{resource}/{full.rpartition('/')[2]}" for full in user["app_roles"]]
    config["clients"].append({"client_id": STRANGER, "name": "Stranger", "secret": STRANGER_SECRET})
    file = folder / "issuer.json"
    file.write_text(json.dumps(config))
    with contextlib.ExitStack() as stack:
        starter = Starter(folder, stack)
        command = [
            *(binary("prynai-dev-issuer"), "--listen", "127.0.0.1:0", "--log-format", "json"),
            *("--tls-cert", str(certificate), "--tls-key", str(key), "--config", str(file)),
        ]
        process = starter.start("issuer", command, says("listening", "base_url"))
        base_url = process.wait_until_ready()
        api, tenant = config["apis"][0]["client_id"], config["tenants"][0]
        yield Issuer(base_url, tenant, api, resource, ca, starter.processes)


@contextlib.contextmanager
def fleet_that_asks(
    folder: Path,
    issuer: Issuer,
    gateway_flags: Sequence[str] = (),
    worker_flags: Sequence[str] = (),
) -> Iterator[Server]:
    """Two gateways and two workers, for who has a token of the issuer."""
    port = urlsplit(issuer.resource).port
    assert port is not None
    # Tests look for a trace in the lines of requests and runs.
    logs = ["--log-requests", "all"]
    gateway_flags = [*issuer.gateway_flags(), *logs, *gateway_flags]
    with fleet(folder, gateway_flags=gateway_flags, worker_flags=[*logs, *worker_flags], port=port) as server:
        server.processes.extend(issuer.processes)
        yield server


def registered() -> Any:
    """What is registered by default."""
    printed = subprocess.run(
        [binary("prynai-dev-issuer"), "--print-config"],
        env=clean_environment(),
        capture_output=True,
        check=True,
        timeout=ANSWER_SECONDS,
    )
    return json.loads(printed.stdout)
