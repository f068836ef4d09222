"""The run of LangSmith that is under way, as the trace context that an MCP call carries (SEP-414).

The ids are those that LangSmith's SDK gives the same run in OpenTelemetry: a trace has the 32 digits of its UUID, a span
the first 16 of its run's. So the spans of gateway and worker are children of the run that made the call.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from langsmith import get_current_run_tree


def traceparent() -> str:
    """Of the current run; of a new trace if LangSmith is off."""
    run = get_current_run_tree()
    trace = run.trace_id.hex if run else secrets.token_hex(16)
    span = run.id.hex[:16] if run else secrets.token_hex(8)
    return f"00-{trace}-{span}-01"


def in_run(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same, with the current run as OpenTelemetry's context, which the Python SDK 2.x sends on by itself."""
    from opentelemetry import context, propagate

    @functools.wraps(call)
    async def calling(*arguments: Any, **named: Any) -> Any:
        before = context.attach(propagate.extract({"traceparent": traceparent()}))
        try:
            return await call(*arguments, **named)
        finally:
            context.detach(before)

    return calling
