"""The smallest agent: one tool call, in a trace that gateway and worker name."""

from __future__ import annotations

import re

from issuer import STRANGER, STRANGER_SECRET
from processes import until
from programs import LANGGRAPH


def test_an_agent_calls_a_tool_in_a_trace_that_gateway_and_worker_name(serve, server):
    printed = serve(LANGGRAPH).printed()
    assert printed.endswith('The tool answered {"sum":42}.')
    trace = re.search(r"^called add in trace ([0-9a-f]{32})$", printed, re.M)[1]
    for part, message in (("gateway", "request ended"), ("worker", "run ended")):
        until(lambda: any(line["message"] == message for line in server.lines_of_trace(part, trace)))


def test_an_agent_without_the_role_fails(serve):
    ended = serve(LANGGRAPH, client=STRANGER, secret=STRANGER_SECRET)
    assert ended.status != 0
    assert "called" not in ended.out
    assert STRANGER_SECRET not in ended.err
