"""One trace from the agent's node down into the worker: the runs that LangSmith's SDK sends, the spans that gateways
and workers send to the same place, and the lines of their logs."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import picture
from processes import until
from programs import APPROVAL, LANGGRAPH
from otlp import Span
from stand_in import Trace, span_of


@pytest.fixture
def whole(tracing):
    """A trace, once all of it has come."""

    def whole(name, tool):
        def came():
            trace = tracing.langsmith.traces().get(name)
            if trace is None or not trace.runs or not all(run.get("end_time") for run in trace.runs.values()):
                return None
            services = {span.service for span in trace.spans.values() if span.name == f"tools/call {tool}"}
            return trace if services == {"prynai-gateway", "prynai-worker"} else None

        return until(came)

    return whole


def of_call(trace, tool):
    """The run of a tool call, and its spans at the gateway and the worker."""
    (run,) = (run for run in trace.runs.values() if run["run_type"] == "tool")
    assert run["name"] == tool
    spans = {span.service: span for span in trace.spans.values() if span.name == f"tools/call {tool}"}
    return run, spans["prynai-gateway"], spans["prynai-worker"]


def test_runs_spans_and_logs_are_one_trace(serve, server, tracing, whole):
    printed = serve(LANGGRAPH, settings=tracing.settings()).printed()
    name = re.search(r"^called add in trace ([0-9a-f]{32})$", printed, re.M)[1]
    trace = whole(name, "add")

    (root,) = (run for run in trace.runs.values() if not run.get("parent_run_id"))
    assert root["id"].replace("-", "") == name
    assert {run["session_name"] for run in trace.runs.values()} == {"prynai-tests"}

    # From the run of the tool to the gateway, and from there to the worker.
    run, at_gateway, at_worker = of_call(trace, "add")
    assert "42" in str(run["outputs"])
    assert at_gateway.parent == span_of(run["id"])
    assert at_worker.parent == at_gateway.id

    for part, message in (("gateway", "request ended"), ("worker", "run ended")):
        (line,) = (line for line in server.lines_of_trace(part, name) if line["message"] == message)
        assert line["span_id"] == at_gateway.id
    assert not tracing.langsmith.refused


@pytest.mark.parametrize("way", [(), ("--plain",)], ids=["rounds", "plain"])
def test_a_call_that_waits_for_a_person_is_in_the_trace_of_its_run(serve, tracing, whole, tmp_path, way):
    thread = ["--checkpoints", str(tmp_path / "checkpoints.sqlite"), "--thread", "traced", *way]
    before = with_runs(tracing)
    serve(APPROVAL, *thread, "--item", "traced", settings=tracing.settings()).printed()
    (name,) = with_runs(tracing) - before
    trace = whole(name, "buy")
    run, at_gateway, at_worker = of_call(trace, "buy")
    assert at_gateway.parent == span_of(run["id"])
    assert at_worker.parent == at_gateway.id

    drawn = picture.drawn(name, trace.bars())
    assert drawn.index("buy (tool)") < drawn.index(">tools/call buy<") < drawn.rindex(">tools/call buy<")
    if way == () and (file := os.environ.get("PRYNAI_TRACE_PICTURE")):
        Path(file).write_text(drawn)


def with_runs(tracing):
    return {name for name, trace in tracing.langsmith.traces().items() if trace.runs}


def test_a_span_is_drawn_below_its_run_if_two_runs_began_in_the_same_millisecond():
    tools, buy = "01a23029-a29b-7452-9a6b-edf60f2a661c", "01a23029-a29b-7452-9a6b-edf7d6fc6ac1"
    times = {"start_time": "2026-12-01T05:38:26", "end_time": "2026-12-01T05:38:27"}
    runs = {
        buy: {"name": "buy", "run_type": "tool", "parent_run_id": tools, **times},
        tools: {"name": "tools", "run_type": "chain", **times},
    }
    span = Span("0" * 32, "1" * 16, span_of(buy), "prynai-gateway", "tools/call buy", 1, 2)
    rows = picture.in_order(Trace(runs, {span.id: span}).bars())
    assert [(depth, bar.name) for depth, bar in rows] == [
        (0, "tools (chain)"),
        (1, "buy (tool)"),
        (2, "tools/call buy"),
    ]


def test_the_stand_in_takes_nothing_without_the_key_or_that_is_malformed(tracing):
    for headers, status in (({}, 401), ({"x-api-key": "another"}, 401), ({"x-api-key": "lsv2_of-the-tests"}, 400)):
        request = urllib.request.Request(f"{tracing.url}/otel/v1/traces", b"\x0a\xff", headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        assert refused.value.code == status
    assert len(tracing.langsmith.refused) == 3
    tracing.langsmith.refused.clear()
