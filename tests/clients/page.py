"""`docs/compatibility.md`: what came out, as a page."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

# As the programs name them, and as readers do.
CAPABILITIES = {
    "list": "list",
    "call": "call",
    "progress": "progress",
    "sampling": "sampling",
    "elicitation": "elicitation",
    "read": "resource read",
    "update": "resource update",
    "cancel": "cancel",
}

ENDINGS = {
    "policy": "forbidden by the policy",
    "too_large": "body too large",
    "queue_full": "queue full",
    "share": "share used up",
    "deadline": "deadline passed",
    "large_result": "result too large",
    "away": "Redis away",
    "late_answer": "late answer",
    "cancelled_stream": "cancelled stream",
}

INTRODUCTION = """\
# Compatibility

`scripts/clients` writes this page. It runs the clients below against a fleet of two gateways and two workers on one
Redis, behind a load balancer that sends every request to the next gateway. Do not edit the page; run the script.

Each capability is tried with a client of its own:

- **list** the tools;
- **call** a tool, with text that is not ASCII;
- **progress** of a call, all of it before the result;
- **sampling**: a tool asks the client's model;
- **elicitation**: a tool asks the client's user;
- **resource read**;
- **resource update**: subscribe, and be told of a change that a tool makes;
- **cancel**: when the client gives up a call, the work ends on the worker. Clients do it by a notification
  (2025-11-25), by closing the response (2026-07-28; MCP Inspector does so when it is interrupted), or by ending the
  session that they opened for the call (`langchain-mcp-adapters`).

"""

# Whatever an extension is used with.
SIGN_IN = {
    "sign-in": "signs in",
    "restart": "gateways restarted",
    "refresh": "token expired",
}

SIGN_IN_INTRODUCTION = """
## Signing in

Clients are told the URL of the server and nothing else. Both gateways have [the façade](security.md#the-oauth-façade),
behind them is an issuer that is as strict as Microsoft Entra ID, and each step of a sign-in goes to the next gateway:

- **signs in**: the client finds out where, registers, and opens a page. A person allows it and signs in, in Chromium,
  and the client calls a tool as that person;
- **gateways restarted**: both, one after the other. It calls again;
- **token expired**: so long ago that gateways refuse it. It calls again, with a new one.

*ok*: it did, and the person was asked once in all.

"""

EXTENSIONS = {"skills": "skills", "apps": "apps", "tasks": "tasks"}

EXTENSIONS_INTRODUCTION = """
## Extensions

What hosts do with the extensions that the reference handler serves, at such a fleet:

- **skills** (`io.modelcontextprotocol/skills`): the host finds a skill, gets its entry, reads each of its files and
  compares it with the digest of the entry; that of the TypeScript SDK also lists the directories;
- **apps** (`io.modelcontextprotocol/ui`): the host finds the app of a tool, shows it in Chromium with the result of the
  tool, and passes on the tool calls of the app, which shows their results;
- **tasks** (`io.modelcontextprotocol/tasks`): two calls become tasks, of which one asks something; the client answers,
  asks how they stand, gets both results, and cancels a third. Each request goes to the next gateway. FastMCP does not
  name the task in `Mcp-Name`, though the extension asks for it; the gateway does without.

"""

ENDINGS_INTRODUCTION = """
## What clients survive

In a session (2025-11-25 and before) each client is refused, or left without an answer, and must go on:

- **forbidden by the policy**: it reads a resource that no policy allows;
- **body too large**: it calls a tool with 5 MiB;
- **queue full**: other callers fill the queue;
- **share used up**: it makes more calls at a time than one caller may;
- **deadline passed**: its call runs for longer than `--request-timeout`;
- **result too large**: a tool's result is larger than `--max-result`;
- **Redis away**: Redis stands still;
- **late answer**: its model answers when the call that asked has been cancelled;
- **cancelled stream**: it cancels a call that has reported progress, and is left with a stream that will never carry
  more. It gives up that stream, and its other one goes on.

*ok*: the client got an error, and the same client made a call afterwards.
[Decision 11](decisions/0011-one-call-is-refused-in-its-answer.md) says what this has to do with HTTP statuses.

"""


@dataclass
class Row:
    """One client at one protocol revision."""

    client: str
    revision: str
    version: str = "unknown"
    # By capability: "ok", "missing" or "failed".
    outcomes: dict[str, str] = field(default_factory=dict)
    # By capability, of those that the client has not.
    reasons: dict[str, str] = field(default_factory=dict)

    # What it is put through, as readers name it.
    columns: dict[str, str] = field(default_factory=lambda: CAPABILITIES)

    def failed(self) -> list[str]:
        """A capability that was not reported has failed as well."""
        return [name for name in self.columns if self.outcomes.get(name) not in ("ok", "missing")]

    def add(self, other: Row) -> None:
        """What the same client was put through elsewhere."""
        self.columns = {name: shown for name, shown in ENDINGS.items() if name in {*self.columns, *other.columns}}
        self.outcomes |= other.outcomes
        self.reasons |= other.reasons


def page(rows: Sequence[Row], endings: Sequence[Row], extensions: Sequence[Row], signed_in: Sequence[Row]) -> str:
    notes: list[str] = []
    tables = [table(rows, CAPABILITIES, notes), table(signed_in, SIGN_IN, notes), table(endings, ENDINGS, notes)]
    numbered = "".join(note_text(number, note) for number, note in enumerate(notes, 1))
    used = extension_table(extensions)
    return (
        f"{INTRODUCTION}{tables[0]}{EXTENSIONS_INTRODUCTION}{used}{SIGN_IN_INTRODUCTION}{tables[1]}"
        f"{ENDINGS_INTRODUCTION}{tables[2]}"
        f"\n## Not supported by the client\n\n{numbered}"
    )


def extension_table(rows: Sequence[Row]) -> str:
    """One row for each extension that a client was tried with."""
    lines = [["extension", "client", "version", "protocol revision", "outcome"], ["---"] * 5]
    for row in rows:
        for extension, shown in row.columns.items():
            outcome = "FAILED" if extension in row.failed() else "ok"
            lines.append([shown, row.client, row.version, row.revision, outcome])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def note_text(number: int, note: str) -> str:
    """A numbered note, as wide as every text here may be (scripts/pages)."""
    first = f"{number}. "
    filled = textwrap.fill(
        note, 120, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False, break_on_hyphens=False
    )
    return f"{filled}\n"


def table(rows: Sequence[Row], columns: dict[str, str], notes: list[str]) -> str:
    head = ["client", "version", "protocol revision", *columns.values()]
    lines = [head, ["---"] * len(head), *(cells(row, notes) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cells(row: Row, notes: list[str]) -> list[str]:
    """The cells of a row; adds to the notes what is not there yet."""
    shown = [row.client, row.version, row.revision]
    failed = row.failed()
    for capability in row.columns:
        if capability in failed:
            shown.append("FAILED")
        elif row.outcomes[capability] == "missing":
            note = f"{row.client}, {row.columns[capability]}: {row.reasons[capability]}"
            if note not in notes:
                notes.append(note)
            shown.append(f"not supported by the client ({notes.index(note) + 1})")
        else:
            shown.append("ok")
    return shown


def same(one: str, other: str) -> bool:
    """Whether two pages say the same, in whichever order their lines are."""
    return sorted(one.splitlines()) == sorted(other.splitlines())
