"""What arrives in an event stream is what was sent, whatever an SDK's reader takes for the end of a line."""

from __future__ import annotations

from clients import text_of

# httpx-sse 0.4.1, as in requirements-legacy.txt, reads with `str.splitlines`, which ends a line at each of these.
BREAKS = "a\u2028b\u2029c\x85d\x0b\x0c\x1c\x1d\x1e\r\n\re\ufefff\x00"


async def test_no_character_of_a_message_ends_its_line(connect):
    asked = []

    async def model(request):
        asked.append(request["messages"][0]["content"]["text"])
        return {"role": "assistant", "content": {"type": "text", "text": BREAKS}, "model": "m"}

    # The question goes out on the stream of the call (but for 2026-07-28), and so does the result.
    async with connect(on_sampling=model) as client:
        assert text_of(await client.call("summarize", {"text": BREAKS})) == BREAKS
    [text] = asked
    assert BREAKS in text
