"""An agent waits for a person: it ends, and another process goes on with it, at a fleet that has been replaced.

`buy` numbers its reservations, one for each time that it works before its question, so the number in an answer says how
often it did.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from processes import Process
from programs import APPROVAL, APPROVAL_LEGACY

YES = ("--accept", '{"confirm": true}')


@pytest.fixture
def approval(serve, tmp_path):
    """Runs the agent of a conversation, each time in a process of its own."""

    def approval(*arguments, thread="one"):
        kept = ["--checkpoints", str(tmp_path / f"{thread}.sqlite"), "--thread", thread]
        return serve(APPROVAL, *kept, *arguments).printed()

    return approval


def replaced(server) -> None:
    """Every gateway and every worker by another one."""
    replaceable = [process for process in server.processes if process.name.startswith(("gateway", "worker"))]
    with ThreadPoolExecutor() as threads:
        list(threads.map(Process.restart, replaceable))


def test_another_process_goes_on_at_a_fleet_that_was_replaced_and_nothing_is_done_twice(approval, server, tmp_path):
    checkpoints, copy = tmp_path / "one.sqlite", tmp_path / "copy.sqlite"
    assert approval("--item", "lamp").startswith("Buy lamp, reservation 1? {")
    shutil.copy(checkpoints, copy)
    replaced(server)
    bought = "The tool answered Bought: lamp, by reservation 1; 1 sold so far.."
    assert approval(*YES) == bought
    # What the checkpoint would be if this process had died after the call: the next one is told the same.
    shutil.copy(copy, checkpoints)
    assert approval(*YES) == bought


def test_an_adapter_that_keeps_no_state_has_the_work_done_again_unless_the_order_has_a_number(approval):
    """LangChain's `MCPAdapter` as it is; the two conversations go on at the same time."""

    def plain(item, *number):
        asked = approval("--plain", "--item", item, *number, thread=item)
        assert asked.startswith(f"Buy {item}, reservation 1? {{")
        return approval("--plain", *YES, thread=item)

    with ThreadPoolExecutor() as threads:
        unnumbered = threads.submit(plain, "sofa")
        numbered = threads.submit(plain, "table", "--order", "7")
    assert unnumbered.result() == "The tool answered Bought: sofa, by reservation 2; 1 sold so far.."
    assert numbered.result() == "The tool answered Bought: table, by reservation 1; 1 sold so far.."


def test_in_a_session_the_process_waits_for_the_person(serve):
    printed = serve(APPROVAL_LEGACY, "--item", "bed", typed=json.dumps({"confirm": True})).printed()
    assert printed == "Buy bed, reservation 1?\nThe tool answered Bought: bed, by reservation 1; 1 sold so far.."
