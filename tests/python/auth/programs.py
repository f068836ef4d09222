"""Runs the programs of `examples/` as their users do, and signs in for them."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from issuer import DAEMON, DAEMON_SECRET, Issuer
from processes import BINARIES, HERE, binary, clean_environment

EXAMPLES = HERE.parent.parent / "examples"
# What scripts/auth has installed.
INSTALLED = Path(os.environ.get("PRYNAI_AUTH_DIR") or BINARIES.parent / "auth").resolve()
RUN_SECONDS = 60
SIGN_IN_AT = "Sign in at "


@dataclass
class Ended:
    """A program that has ended."""

    status: int
    out: str
    err: str
    # How often it asked for a sign-in.
    sign_ins: int

    def printed(self) -> str:
        """What it printed, if all went well."""
        assert self.status == 0, self.err
        return self.out.strip()


def python(file: str, environment: str) -> list[str]:
    interpreter = INSTALLED / environment / "bin" / "python"
    assert interpreter.exists(), f"{interpreter} is missing: run scripts/auth"
    return [str(interpreter), str(EXAMPLES / file)]


INTERACTIVE = "python_interactive/client.py", "python_interactive"
SERVICE = "python_service/service.py", "python_service"
LANGCHAIN = "python_service/langchain_service.py", "python_service_langchain"
LANGGRAPH = "langgraph_smoke.py", "python_service_langchain"
APPROVAL = "agents/approval.py", "agents"
APPROVAL_LEGACY = "agents/approval_legacy.py", "python_service_langchain"


def interactive(*arguments: str) -> list[str]:
    return [*python(*INTERACTIVE), *arguments, "--no-browser"]


def rust_client(*arguments: str) -> list[str]:
    return [binary("rust-client"), *arguments]


def as_service(
    url: str,
    issuer: Issuer,
    program: tuple[str, str],
    *arguments: str,
    client: str = DAEMON,
    secret: str = DAEMON_SECRET,
    settings: Mapping[str, str] | None = None,
    typed: str | None = None,
    seconds: float = RUN_SECONDS,
) -> Ended:
    """Runs a program for services at a fleet that asks for tokens of the issuer."""
    authority = ["--authority", issuer.authority, "--local-authority"]
    command = [*python(*program), url, *authority, "--client-id", client, *arguments]
    return run(command, issuer.ca, secret, settings=settings, typed=typed, seconds=seconds)


def run(
    command: list[str],
    ca: Path | None = None,
    secret: str | None = None,
    visit: Callable[[str], object] | None = None,
    settings: Mapping[str, str] | None = None,
    typed: str | None = None,
    seconds: float = RUN_SECONDS,
) -> Ended:
    """`visit` is given the URL at which the program asks its user to sign in; `settings` are for its environment, and
    `typed` is what somebody types."""
    environment = {
        **clean_environment(),
        **(settings or {}),
        **{"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"},
        # The tests read what went wrong, and a backtrace would follow it.
        "RUST_BACKTRACE": "0",
    }
    if ca is not None:
        environment |= {"SSL_CERT_FILE": str(ca), "REQUESTS_CA_BUNDLE": str(ca)}
    if secret is not None:
        environment["CLIENT_SECRET"] = secret
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as keyboard:
        keyboard.write(typed or "")
        keyboard.seek(0)
        with subprocess.Popen(
            command, env=environment, stdin=keyboard, stdout=out, stderr=subprocess.PIPE, text=True
        ) as program:
            deadline = threading.Timer(seconds, program.kill)
            deadline.start()
            try:
                lines, sign_ins = followed(program, visit)
                status = program.wait()
            finally:
                deadline.cancel()
                program.kill()
        out.seek(0)
        return Ended(status, out.read(), "".join(lines), sign_ins)


def followed(program: subprocess.Popen[str], visit: Callable[[str], object] | None) -> tuple[list[str], int]:
    """What it wrote to its standard error until it closed it, and how often it asked for a sign-in."""
    lines, sign_ins = [], 0
    assert program.stderr is not None
    for line in program.stderr:
        lines.append(line)
        if line.startswith(SIGN_IN_AT):
            sign_ins += 1
            assert visit is not None, f"it asks for a sign-in: {line}"
            visit(line.removeprefix(SIGN_IN_AT).strip())
    return lines, sign_ins
