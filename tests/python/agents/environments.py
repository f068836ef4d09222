"""Runs the programs of this folder, each era with the client that speaks it."""

from __future__ import annotations

from typing import Any

from issuer import Issuer
from processes import HERE
from programs import RUN_SECONDS, Ended, as_service

# As scripts/agents installs them: `langchain-mcp-adapters`, and `langchain[mcp]`.
ENVIRONMENTS = {"legacy": "python_service_langchain", "modern": "agents"}


def run_agent(
    url: str, issuer: Issuer, file: str, era: str, *arguments: Any, seconds: float = RUN_SECONDS
) -> Ended:
    program = str(HERE / "agents" / file), ENVIRONMENTS[era]
    scope = ["--scope", f"{issuer.resource}/.default"]
    return as_service(url, issuer, program, era, *map(str, arguments), *scope, seconds=seconds)
