"""A client watches a resource and hears of its changes, whoever makes them.

Handshake era: `resources/subscribe` and the session's GET stream. 2026-07-28: `subscriptions/listen`.
"""

from __future__ import annotations

README = "everything://readme"
LOGO = "everything://logo"
COUNTER = "everything://counter"
NOTE = "everything://notes/retry"


async def test_a_change_by_the_same_client_is_heard(connect):
    async with connect() as client, client.watch(README) as updates:
        await client.call("touch_resource", {"uri": README})
        assert await updates.next() == README


async def test_a_change_by_another_client_is_heard(connect):
    async with connect() as watcher, connect() as other, watcher.watch(README) as updates:
        await other.call("touch_resource", {"uri": README})
        assert await updates.next() == README


async def test_every_watcher_hears_a_change(connect):
    async with (
        connect() as first,
        connect() as second,
        connect() as third,
        first.watch(README) as first_updates,
        second.watch(README) as second_updates,
    ):
        await third.call("touch_resource", {"uri": README})
        assert await first_updates.next() == README
        assert await second_updates.next() == README


async def test_what_was_heard_can_be_read(connect):
    async with connect() as client, client.watch(COUNTER) as updates:
        before = (await client.read(COUNTER))["text"]
        await client.call("bump_counter", {})
        assert await updates.next() == COUNTER
        assert int((await client.read(COUNTER))["text"]) == int(before) + 1


async def test_a_templated_resource_is_heard(connect):
    async with connect() as client, client.watch(NOTE) as updates:
        before = (await client.read(NOTE))["text"]
        await client.call("touch_resource", {"uri": NOTE})
        assert await updates.next() == NOTE
        assert (await client.read(NOTE))["text"] != before


async def test_other_resources_are_not_heard(connect):
    async with connect() as client, client.watch(LOGO) as updates:
        await client.call("touch_resource", {"uri": README})
        await client.call("touch_resource", {"uri": LOGO})
        # Changes come in the order in which they were made: README's would have been first.
        assert await updates.next() == LOGO


async def test_after_the_end_of_watching_nothing_is_heard(connect):
    async with connect() as client:
        async with client.watch(README) as updates:
            await client.call("touch_resource", {"uri": README})
            assert await updates.next() == README
        async with client.watch(LOGO) as updates:
            await client.call("touch_resource", {"uri": README})
            await client.call("touch_resource", {"uri": LOGO})
            assert await updates.next() == LOGO
