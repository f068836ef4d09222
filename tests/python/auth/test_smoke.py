"""scripts/smoke_aca, as it is run against a fleet that is deployed, and with it examples/smoke_http.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from issuer import DAEMON, DAEMON_SECRET

SCRIPT = Path(__file__).parents[3] / "scripts" / "smoke_aca"


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
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    return run


def test_a_fleet_that_is_well_passes(smoke, issuer):
    done = smoke()
    assert done.returncode == 0, done.stdout + done.stderr
    for seen in (f"{issuer.resource}: ok", "refused without a token", "a token for", "bump_counter", "all is well"):
        assert seen in done.stdout
    assert DAEMON_SECRET not in done.stdout + done.stderr


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
