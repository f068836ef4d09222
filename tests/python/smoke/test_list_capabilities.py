"""A client connects, sees what the server offers, and makes the simplest calls."""

from __future__ import annotations

import base64

from clients import text_of

TOOLS = {
    "echo",
    "add",
    "long_running",
    "bump_counter",
    "summarize",
    "book_table",
    "buy",
    "plan_trip",
    "show_counter",
    "touch_resource",
    "whoami",
}
RESOURCES = {
    "everything://readme",
    "everything://logo",
    "everything://counter",
    "skill://demo-skill/SKILL.md",
    "ui://everything/counter",
}


async def test_the_server_introduces_itself(connect):
    async with connect() as client:
        assert client.server_info["name"] == "prynai-everything"
        assert client.server_info["version"]
        offered = client.capabilities
        assert {"tools", "prompts", "resources", "completions", "logging"} <= offered.keys()
        assert offered["resources"]["subscribe"] is True


async def test_lists_tools_with_schemas(connect):
    async with connect() as client:
        tools = await client.list_tools()
    assert tools.keys() == TOOLS
    for tool in tools.values():
        assert tool["title"] and tool["description"]
        assert tool["inputSchema"]["type"] == "object"
    assert tools["echo"]["inputSchema"]["required"] == ["text"]
    assert tools["echo"]["annotations"]["readOnlyHint"] is True
    assert tools["bump_counter"]["annotations"]["idempotentHint"] is False
    assert "sum" in tools["add"]["outputSchema"]["properties"]


async def test_lists_resources_and_templates(connect):
    async with connect() as client:
        resources = await client.list_resources()
        templates = await client.list_resource_templates()
    assert resources.keys() == RESOURCES
    assert all(resource["title"] and resource["mimeType"] for resource in resources.values())
    assert templates.keys() == {"everything://notes/{name}"}


async def test_lists_prompts_with_titles_and_arguments(connect):
    async with connect() as client:
        prompts = await client.list_prompts()
    assert prompts.keys() == {"greet", "review_code"}
    assert all(prompt["title"] for prompt in prompts.values())
    assert required_arguments(prompts["greet"]) == {"name": True, "style": False}
    assert required_arguments(prompts["review_code"]) == {"language": True, "code": True}


async def test_lists_come_in_the_same_order_every_time(connect):
    async with connect() as first:
        expected = list(await first.list_tools())
    for _ in range(4):
        async with connect() as another:
            assert list(await another.list_tools()) == expected


async def test_echo_gives_the_same_text_back(connect):
    text = 'Zoë said: "naïve"\n\t日本語 🦀 \\ {"json": [1, 2]}'
    async with connect() as client:
        assert text_of(await client.call("echo", {"text": text})) == text


async def test_echo_carries_a_large_text(connect):
    text = "0123456789abcdef" * 16_384
    async with connect() as client:
        assert text_of(await client.call("echo", {"text": text})) == text


async def test_add_gives_structured_output(connect):
    async with connect() as client:
        result = await client.call("add", {"a": 2, "b": 40})
    assert result["structuredContent"]["sum"] == 42


async def test_reads_text_binary_and_templated_resources(connect):
    async with connect() as client:
        readme = await client.read("everything://readme")
        logo = await client.read("everything://logo")
        note = await client.read("everything://notes/resume")
    assert readme["uri"] == "everything://readme"
    assert readme["mimeType"] == "text/markdown"
    assert readme["text"].startswith("# ")
    assert logo["mimeType"] == "image/png"
    assert base64.b64decode(logo["blob"]).startswith(b"\x89PNG")
    assert note["uri"] == "everything://notes/resume"
    assert "Last-Event-ID" in note["text"]


async def test_an_error_of_a_tool_is_a_result(connect):
    async with connect() as client:
        result = await client.call("touch_resource", {"uri": "everything://nothing"})
    assert result["isError"] is True
    assert "everything://nothing" in result["content"][0]["text"]


def required_arguments(prompt):
    return {argument["name"]: argument.get("required", False) for argument in prompt["arguments"]}
