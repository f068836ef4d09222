"""Prompts filled with arguments, and completions for what a user types."""

from __future__ import annotations

import pytest
from clients import protocol_error

INVALID_PARAMS = -32602


async def test_a_prompt_carries_its_arguments(connect):
    async with connect() as client:
        prompt = await client.get_prompt("greet", {"name": "Ada"})
    assert "Ada" in text_of_messages(prompt)


async def test_an_optional_argument_changes_the_prompt(connect):
    async with connect() as client:
        styles = await client.complete_prompt("greet", "style", "")
        texts = {
            text_of_messages(await client.get_prompt("greet", {"name": "Ada", "style": style})) for style in styles
        }
    assert len(texts) == len(styles) >= 2


async def test_a_prompt_keeps_code_as_it_is(connect):
    code = 'fn main() {\n    println!("<&> \\"quoted\\" {}", 1);\n}\n'
    async with connect() as client:
        prompt = await client.get_prompt("review_code", {"language": "rust", "code": code})
    assert code in text_of_messages(prompt)
    assert "rust" in text_of_messages(prompt)


async def test_a_missing_required_argument_is_refused(connect):
    async with connect() as client:
        with pytest.raises(protocol_error()) as refused:
            await client.get_prompt("greet", {})
    assert refused.value.error.code == INVALID_PARAMS


async def test_an_unknown_prompt_is_refused(connect):
    async with connect() as client:
        with pytest.raises(protocol_error()) as refused:
            await client.get_prompt("no_such_prompt", {})
    assert refused.value.error.code == INVALID_PARAMS


async def test_completes_prompt_arguments(connect):
    async with connect() as client:
        styles = await client.complete_prompt("greet", "style", "")
        languages = await client.complete_prompt("review_code", "language", "")
        some = await client.complete_prompt("review_code", "language", "ru")
        none = await client.complete_prompt("review_code", "language", "no such language")
    assert "formal" in styles
    assert {"python", "ruby", "rust"} < set(languages)
    assert some == ["ruby", "rust"]
    assert none == []


async def test_completes_template_arguments_that_can_be_read(connect):
    template = "everything://notes/{name}"
    async with connect() as client:
        names = await client.complete_template(template, "name", "")
        assert names
        for name in names:
            assert (await client.read(template.replace("{name}", name)))["text"]
        assert await client.complete_template(template, "name", "re") == ["resume", "retry"]


def text_of_messages(prompt):
    assert prompt["messages"]
    return "\n".join(message["content"]["text"] for message in prompt["messages"])
