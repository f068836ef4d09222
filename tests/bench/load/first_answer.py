"""How long a program takes from its start to its first right answer."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import time

from processes import binary, clean_environment, free_port

from messages import echo

SETTING = "start to first answer"
STARTS = 10
TIMEOUT = 60
# Between two attempts to connect.
PAUSE = 0.0005


def measure(starts: int = STARTS) -> list[dict[str, float]]:
    """The standalone server: milliseconds from the start of the process to the answer of a call."""
    return [{"first_answer_ms": start() * 1e3} for _ in range(starts)]


def start() -> float:
    port = free_port()
    call = echo()
    command = [binary("prynai-mcp"), "--listen", f"127.0.0.1:{port}", "--log-format", "json"]
    began = time.perf_counter()
    child = subprocess.Popen(command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - began < TIMEOUT:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
            with contextlib.closing(connection), contextlib.suppress(ConnectionRefusedError):
                connection.request("POST", "/mcp", call.body(), call.headers())
                answer = connection.getresponse()
                text = answer.read().decode()
                took = time.perf_counter() - began
                assert answer.status == 200 and call.expected in text, f"{answer.status} {text}"
                return took
            assert child.poll() is None, f"it ended with {child.returncode}"
            time.sleep(PAUSE)
        raise AssertionError(f"no answer within {TIMEOUT} s")
    finally:
        child.terminate()
        child.wait(TIMEOUT)
