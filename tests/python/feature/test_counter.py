"""State that outlives a call and a connection."""

from __future__ import annotations

import uuid

import anyio
from clients import text_of


async def test_a_counter_goes_on_over_connections(connect):
    name = f"shared-{uuid.uuid4()}"
    async with connect() as first:
        assert await bump(first, name) == 1
        assert await bump(first, name) == 2
    async with connect() as second:
        assert await bump(second, name) == 3


async def test_bumps_at_the_same_time_are_all_counted(connect):
    name = f"shared-{uuid.uuid4()}"
    values = []

    async def bump_once():
        values.append(await bump(client, name))

    async with connect() as client, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(bump_once)
    assert sorted(values) == list(range(1, 21))


async def test_counters_have_names(connect):
    one, two = f"one-{uuid.uuid4()}", f"two-{uuid.uuid4()}"
    async with connect() as client:
        assert await bump(client, one) == 1
        assert await bump(client, one) == 2
        assert await bump(client, two) == 1


async def bump(client, name):
    result = await client.call("bump_counter", {"name": name})
    counted = result["structuredContent"]
    assert counted["name"] == name
    assert text_of(result) == str(counted["value"])
    return counted["value"]
