"""A fleet whose gateways are the authorization server that clients see."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from processes import Server, Starter, binary, clean_environment, fleet, free_port, says

# As the issuer's `--print-config` has them.
TENANT = "5f1c0a4e-7d0b-4c39-9a57-3b1f6d2e8c01"
API = "8a2d6f30-41c7-4be1-b0a4-92f5c7e6d002"
API_URI = "api://prynai-mcp"
SCOPE = "mcp.call"
ROLE = "Mcp.Call"
IDENTITY = "62f8d1a7-5e3b-4c96-b140-d9e7f2a3c007"
IDENTITY_HEADER = "identity-header-for-development"
# alice, as gateways name her.
PERSON = f"entra:{TENANT}:ac747c07-921b-4b4c-853c-aca55e58293a"
# What the façade is registered as.
REGISTERED = "0c9e4a17-52b8-4d36-a1f0-6e7d8b3c9011"
FACADE_KEY = "the key of a façade in the tests of clients"

TOKEN_SECONDS = 10


@contextlib.contextmanager
def facade_fleet(folder: Path, flags: Sequence[str] = ()) -> Iterator[Server]:
    """Two gateways with the façade, in front of an issuer that is as strict as Entra ID and hands out short tokens."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        starter = Starter(folder, stack)
        # The issuer runs in the folder.
        config = folder.resolve() / "issuer.json"
        config.write_text(json.dumps(registered(f"{origin}/oauth/callback")))
        issuer = starter.start(
            "issuer",
            [
                *(binary("prynai-dev-issuer"), "--listen", "127.0.0.1:0", "--log-format", "json"),
                *("--config", str(config), "--token-lifetime", f"{TOKEN_SECONDS}s"),
            ],
            says("listening", "base_url"),
        ).wait_until_ready()
        gateway_flags = [
            *flags,
            *("--auth", "entra", "--auth-authority", issuer, "--auth-tenant", TENANT, "--auth-audience", API),
            *("--auth-scope", SCOPE, "--auth-role", ROLE, "--auth-scope-prefix", f"{API_URI}/"),
            *("--public-url", f"{origin}/mcp"),
            *("--oauth-facade", "--facade-client-id", REGISTERED, "--facade-identity", "default"),
        ]
        environment = {
            "IDENTITY_ENDPOINT": f"{issuer}/msi/token",
            "IDENTITY_HEADER": IDENTITY_HEADER,
            "PRYNAI_FACADE_KEY": FACADE_KEY,
        }
        with fleet(folder, gateway_flags=gateway_flags, gateway_environment=environment, port=port) as server:
            yield server


def registered(callback: str) -> dict[str, object]:
    """What is registered by default, and the façade, which a managed identity stands for."""
    printed = subprocess.run(
        [binary("prynai-dev-issuer"), "--print-config"], env=clean_environment(), capture_output=True, check=True
    )
    config: dict = json.loads(printed.stdout)
    trusted = {"issuer": None, "subject": IDENTITY, "audience": "api://AzureADTokenExchange"}
    facade = {
        "client_id": REGISTERED,
        "name": "MCP sign-in",
        "federated_credentials": [trusted],
        "web_redirect_uris": [callback],
        "scopes": [f"{API_URI}/{SCOPE}"],
    }
    config["clients"].append(facade)
    return config
