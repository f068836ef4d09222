"""A LangSmith of your own, for one machine: it takes the runs of an agent, and the spans of gateways and workers, and
draws each trace. Python's own library is enough.

    python stand_in.py --listen 127.0.0.1:1984
    export LANGSMITH_TRACING=true LANGSMITH_API_KEY=any LANGSMITH_ENDPOINT=http://127.0.0.1:1984

Of LangSmith's API it has what the SDK needs to send runs: `/info`, which says that bodies are not to be compressed, and
`/runs/multipart`; and `/otel/v1/traces`, which takes spans over OTLP. `/` shows the newest trace as a picture. It keeps
the last 100 traces, in memory. It is no LangSmith: how that one shows what it is sent, only that one can say.
"""

from __future__ import annotations

import argparse
import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import otlp
import picture

MOST_TRACES = 100
# Of one request, and of one trace.
MOST_BYTES = 20 * 1024 * 1024
MOST_IN_A_TRACE = 1000


@dataclass
class Trace:
    """What has come of it so far, by its ids."""

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    spans: dict[str, otlp.Span] = field(default_factory=dict)

    def bars(self) -> list[picture.Bar]:
        """Runs and spans as one tree. A run's span id is the first half of its own (langsmith, `_otel_utils.py`). Runs
        that begin in the same millisecond can share it: the second half counts them (RFC 9562, 6.2), so a span belongs
        to the last of them, which is the innermost."""
        of_span = {span_of(run_id): digits(run_id) for run_id in sorted(self.runs)}
        bars = [
            picture.Bar(
                id=digits(run_id),
                parent=digits(run.get("parent_run_id") or ""),
                part="the agent",
                name=f"{run['name']} ({run['run_type']})",
                began=nanoseconds(run["start_time"]),
                ended=nanoseconds(run["end_time"]),
            )
            for run_id, run in self.runs.items()
            if run.get("end_time") and run.get("name")
        ]
        return bars + [
            picture.Bar(span.id, of_span.get(span.parent, span.parent), span.service, span.name, span.began, span.ended)
            for span in self.spans.values()
        ]


class LangSmith:
    """What has come so far. Without `key`, any is taken."""

    def __init__(self, key: str | None = None) -> None:
        self.key = key
        # What nobody could be answered, as `status path`.
        self.refused: list[str] = []
        self._lock = threading.Lock()
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        # Which trace a run belongs to: what comes later of a run does not say it.
        self._of_run: dict[str, str] = {}

    def traces(self) -> dict[str, Trace]:
        """By their 32 hexadecimal digits, the newest last."""
        with self._lock:
            return {name: Trace(dict(trace.runs), dict(trace.spans)) for name, trace in self._traces.items()}

    def take_runs(self, content_type: str, body: bytes) -> None:
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + body)
        with self._lock:
            for part in message.iter_parts():
                # `post.ID` and `patch.ID` are a run, `post.ID.inputs` and its like are members of it.
                _, run_id, *member = part.get_param("name", header="Content-Disposition").split(".")
                said = json.loads(part.get_payload(decode=True))
                if not member:
                    self._of_run[run_id] = digits(said["trace_id"])
                if not (name := self._of_run.get(run_id)):
                    continue
                runs = self._trace(name).runs
                if run_id in runs or len(runs) < MOST_IN_A_TRACE:
                    runs.setdefault(run_id, {}).update({member[0]: said} if member else said)

    def take_spans(self, body: bytes) -> None:
        with self._lock:
            for span in otlp.spans(body):
                spans = self._trace(span.trace).spans
                if len(spans) < MOST_IN_A_TRACE:
                    spans[span.id] = span

    def _trace(self, name: str) -> Trace:
        if name not in self._traces and len(self._traces) == MOST_TRACES:
            forgotten, _ = self._traces.popitem(last=False)
            self._of_run = {run: trace for run, trace in self._of_run.items() if trace != forgotten}
        return self._traces.setdefault(name, Trace())


def server(address: tuple[str, int], langsmith: LangSmith) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        # The SDK keeps its connection.
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/info":
                self.answer(200, b"{}")
            elif self.path == "/" and (shown := newest(langsmith)):
                self.answer(200, shown.encode(), "image/svg+xml")
            else:
                self.refuse(404)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or MOST_BYTES + 1)
            if length > MOST_BYTES:
                self.close_connection = True
                self.refuse(413)
                return
            body = self.rfile.read(length)
            if langsmith.key is not None and self.headers["x-api-key"] != langsmith.key:
                self.refuse(401)
            else:
                try:
                    self.take(body)
                except (ValueError, KeyError, TypeError, AttributeError):
                    self.refuse(400)

        def take(self, body: bytes) -> None:
            if self.path == "/runs/multipart":
                langsmith.take_runs(self.headers["Content-Type"], body)
                self.answer(202, b"{}")
            elif self.path == "/otel/v1/traces":
                langsmith.take_spans(body)
                self.answer(200, b"", "application/x-protobuf")
            else:
                self.refuse(404)

        def refuse(self, status: int) -> None:
            langsmith.refused.append(f"{status} {self.path[:100]}")
            self.answer(status, b"{}")

        def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: what somebody sends is not for a terminal."""

    return ThreadingHTTPServer(address, Handler)


def newest(langsmith: LangSmith) -> str | None:
    """Of the traces of agents."""
    agents = [(name, trace) for name, trace in langsmith.traces().items() if trace.runs and trace.bars()]
    if not agents:
        return None
    name, trace = agents[-1]
    return picture.drawn(name, trace.bars())


def digits(uuid: str) -> str:
    return uuid.replace("-", "")


def span_of(run_id: str) -> str:
    return digits(run_id)[:16]


def nanoseconds(time: str) -> int:
    moment = datetime.fromisoformat(time)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return round(moment.timestamp() * 1_000_000) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description="Takes runs and spans in the place of LangSmith, and draws them.")
    parser.add_argument("--listen", default="127.0.0.1:1984", metavar="ADDRESS:PORT")
    host, _, port = parser.parse_args().listen.rpartition(":")
    with server((host, int(port)), LangSmith()) as serving:
        print(f"http://{host}:{serving.server_address[1]}", flush=True)
        serving.serve_forever()


if __name__ == "__main__":
    main()
