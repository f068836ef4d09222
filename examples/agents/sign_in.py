"""How the agents sign in as a service, if the server asks for it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

SERVICE = Path(__file__).parent.parent / "python_service"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--authority", help="https://login.microsoftonline.com/TENANT; without it, nobody signs in")
    parser.add_argument("--client-id", help="of the service's own registration; its secret is in CLIENT_SECRET")
    parser.add_argument("--scope", help="of the server's registration [default: URL/.default]")
    parser.add_argument("--local-authority", action="store_true", help="the authority is none of Microsoft's")


def auth(options: argparse.Namespace) -> Any:
    """For an HTTP client: it gets a token, keeps it, and replaces it before it expires and when it is refused."""
    if not options.authority:
        return None
    if not (options.client_id and os.environ.get("CLIENT_SECRET")):
        sys.exit("with --authority, give --client-id, and the secret as CLIENT_SECRET in the environment")
    sys.path.append(str(SERVICE))
    import settings

    return settings.auth(options)
