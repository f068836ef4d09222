"""The peer in Python: FastMCP under uvicorn, with the tools of the reference handler that scripts/bench calls.

python server.py PORT stateless|sessions
"""

from __future__ import annotations

import sys

import uvicorn

from fastmcp import Context, FastMCP

server = FastMCP("bench")


@server.tool
def echo(text: str) -> str:
    """Answers with the same text"""
    return text


@server.tool
async def long_running(context: Context, steps: int = 5, delay_ms: int = 0) -> str:
    """Takes a number of steps and reports progress for each"""
    for step in range(1, steps + 1):
        await context.report_progress(step, steps, f"step {step} of {steps}")
    return f"done after {steps} steps"


def main(port: int, mode: str) -> None:
    stateless = mode == "stateless"
    app = server.http_app(path="/mcp", stateless_http=stateless, json_response=stateless)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="info", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
