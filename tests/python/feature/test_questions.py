"""Tools that ask the client something while they run: its model (sampling) or its user (elicitation).

Handshake era: a request on the call's stream, answered by another POST. 2026-07-28: an
`InputRequiredResult`, answered by calling again.
"""

from __future__ import annotations

import re

import anyio
from clients import text_of

TEXT = "The gateway holds the sockets. The worker runs the tools."
ORDER = {"restaurant": "Chez Ada", "people": 4, "date": "2026-12-24"}


async def test_summarize_asks_the_clients_model(connect):
    asked = []

    async def model(request):
        asked.append(request)
        return completion("Two halves.")

    async with connect(on_sampling=model) as client:
        assert text_of(await client.call("summarize", {"text": TEXT})) == "Two halves."
    [request] = asked
    assert TEXT in str(request["messages"])
    assert request["maxTokens"] > 0
    assert request["systemPrompt"]


async def test_summarize_works_without_a_model(connect):
    async with connect() as client:
        summary = text_of(await client.call("summarize", {"text": TEXT}))
    assert summary == "[mock summary] The gateway holds the sockets."


async def test_questions_of_calls_that_run_together_reach_their_own_call(connect):
    summaries = {}

    async def model(request):
        topic = re.search(r"topic-(\w+)", str(request["messages"]))
        return completion(f"about {topic[1]}")

    async def summarize(topic):
        summaries[topic] = text_of(await client.call("summarize", {"text": f"topic-{topic}"}))

    topics = ["one", "two", "three", "four"]
    async with connect(on_sampling=model) as client, anyio.create_task_group() as tasks:
        for topic in topics:
            tasks.start_soon(summarize, topic)
    assert summaries == {topic: f"about {topic}" for topic in topics}


async def test_book_table_asks_the_user(connect):
    asked = []

    async def user(question):
        asked.append(question)
        return {"action": "accept", "content": {"confirm": True, "time": "20:15"}}

    async with connect(on_elicitation=user) as client:
        booked = text_of(await client.call("book_table", ORDER))
    assert booked == "Booked: Chez Ada on 2026-12-24 at 20:15 for 4 people."
    [question] = asked
    assert "Chez Ada" in question["message"]
    assert question["requestedSchema"]["properties"].keys() == {"confirm", "time"}
    assert question["requestedSchema"]["required"] == ["confirm"]


async def test_book_table_respects_a_no(connect):
    for answer in (
        {"action": "decline"},
        {"action": "cancel"},
        {"action": "accept", "content": {"confirm": False}},
    ):

        async def user(_question, answer=answer):
            return answer

        async with connect(on_elicitation=user) as client:
            assert text_of(await client.call("book_table", ORDER)).startswith("Not booked")


async def test_book_table_needs_somebody_to_ask(connect):
    async with connect() as client:
        result = await client.call("book_table", ORDER)
    assert result["isError"] is True


def completion(text):
    return {"role": "assistant", "content": {"type": "text", "text": text}, "model": "test-model"}
