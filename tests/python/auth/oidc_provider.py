"""A certified OpenID provider, npm's oidc-provider, as `tests/oidc_provider` sets it up."""

from __future__ import annotations

import contextlib
import json
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from processes import HERE, Process, Starter, says
from programs import INSTALLED

PROGRAM = HERE.parent / "oidc_provider" / "server.mjs"
# The client of people. Those of services are `service`, `service-basic` and `reader`; their secrets are their names
# with "-secret".
INTERACTIVE = "interactive"
SCOPE = "mcp.call"
ANSWER_SECONDS = 30


@dataclass
class OidcProvider:
    """A running one."""

    url: str
    resource: str
    process: Process

    def gateway_flags(self) -> list[str]:
        """A gateway that trusts this issuer, behind a balancer at `resource`."""
        return [
            *("--auth", "oidc", "--auth-issuer", self.url, "--auth-audience", self.resource),
            *("--auth-scope", SCOPE, "--public-url", self.resource),
        ]

    def facade_flags(self) -> list[str]:
        """The same, with a façade in front of the issuer that knows the client of people."""
        return [
            *self.gateway_flags(),
            *("--oauth-facade", "--facade-client-id", "facade", "--facade-client-secret", "facade-secret"),
            *("--facade-key", "a key of 32 characters or of more"),
            *("--facade-client", f"{INTERACTIVE}=http://localhost/callback"),
        ]

    def token(self, client_id: str, scope: str, resource: str | None = None) -> str:
        """A service's token, asked for by hand."""
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": f"{client_id}-secret",
            "resource": resource or self.resource,
            "scope": scope,
        }
        # No proxy of the environment stands between the tests and the loopback address.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/token", urlencode(form).encode(), timeout=ANSWER_SECONDS) as response:
            return json.load(response)["access_token"]

    def grants(self) -> list[str]:
        """The grant type of each token response so far."""
        lines = self.process.log.read_text().splitlines()
        said = [json.loads(line) for line in lines if line.startswith("{")]
        return [each["grant"] for each in said if each["message"] == "granted"]


@contextlib.contextmanager
def oidc_provider(folder: Path, resource: str, lifetime_seconds: int) -> Iterator[OidcProvider]:
    installed = INSTALLED / "oidc_provider"
    node = installed / "node_modules" / ".bin" / "node"
    assert node.exists(), f"{node} is missing: run scripts/auth"
    # Node looks for packages beside the program.
    program = shutil.copy(PROGRAM, installed)
    with contextlib.ExitStack() as stack:
        starter = Starter(folder, stack)
        command = [str(node), program, resource, str(lifetime_seconds)]
        process = starter.start("oidc-provider", command, says("listening", "issuer"))
        yield OidcProvider(process.wait_until_ready(), resource, process)
