"""How many HTTP requests a tool call of an agent takes; docs/langgraph.md says how long that is."""

from __future__ import annotations

import json

import pytest

from environments import run_agent

# initialize, initialized, the stream of the session, tools/list, tools/call, and the end of the session; or
# server/discover, tools/list and tools/call.
FOR_EACH = {"legacy": 6, "modern": 3}


@pytest.mark.parametrize("era", FOR_EACH)
def test_a_client_that_is_opened_once_makes_one_request_for_a_call(server, issuer, era):
    took = json.loads(run_agent(server.url, issuer, "habit.py", era, 3).printed())
    assert took["once"]["requests"] == 1
    assert took["each"]["requests"] == FOR_EACH[era]
