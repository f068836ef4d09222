"""Where the service finds the server, and what it proves itself with."""

from __future__ import annotations

import argparse
import json
import os

from entra_auth import EntraAuth


def settings(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("url", help="the server's endpoint, as in https://mcp.example.com/mcp")
    parser.add_argument("--authority", required=True, help="https://login.microsoftonline.com/TENANT")
    parser.add_argument("--client-id", required=True, help="of the service's own registration")
    parser.add_argument("--scope", help="of the server's registration [default: URL/.default]")
    parser.add_argument("--call", metavar="TOOL", help="without it, the tools are listed")
    parser.add_argument("--arguments", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--local-authority", action="store_true", help="the authority is none of Microsoft's")
    options = parser.parse_args()
    # Other users of the machine can read arguments, not the environment.
    if not os.environ.get("CLIENT_SECRET"):
        parser.error("set CLIENT_SECRET in the environment")
    return options


def auth(options: argparse.Namespace) -> EntraAuth:
    return EntraAuth(
        authority=options.authority,
        client_id=options.client_id,
        client_credential=os.environ["CLIENT_SECRET"],
        # All that an administrator has assigned: services cannot ask for less.
        scope=options.scope or f"{options.url}/.default",
        validate_authority=not options.local_authority,
    )
