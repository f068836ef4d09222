"""What a running call tells before its result: progress and log messages."""

from __future__ import annotations

import anyio

from clients import text_of


async def test_progress_comes_before_the_result(connect):
    heard = []
    async with connect() as client:
        result = await client.call("long_running", {"steps": 5, "delay_ms": 20}, heard.append)
        # Taken as soon as the result is there: nothing may come after it.
        before_result = list(heard)
    assert text_of(result)
    assert [each["progress"] for each in before_result] == [1, 2, 3, 4, 5]
    assert {each["total"] for each in before_result} == {5}
    assert before_result[0]["message"] == "step 1 of 5"
    assert heard == before_result


async def test_progress_arrives_while_the_call_runs(connect):
    first_progress = anyio.Event()
    finished = anyio.Event()

    async def run():
        await client.call("long_running", {"steps": 20, "delay_ms": 100}, lambda _: first_progress.set())
        finished.set()

    async with connect() as client, anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await first_progress.wait()
        assert not finished.is_set()


async def test_progress_goes_to_the_call_that_makes_it(connect):
    heard = {3: [], 4: [], 5: []}

    async def run(steps):
        await client.call("long_running", {"steps": steps, "delay_ms": 20}, heard[steps].append)

    async with connect() as client, anyio.create_task_group() as tasks:
        for steps in heard:
            tasks.start_soon(run, steps)
    for steps, each in heard.items():
        assert [(one["progress"], one["total"]) for one in each] == [(n, steps) for n in range(1, steps + 1)]


async def test_without_a_progress_callback_the_call_still_answers(connect):
    async with connect() as client:
        assert text_of(await client.call("long_running", {"steps": 3, "delay_ms": 10}))


async def test_info_logs_arrive_when_asked_for(connect):
    async with connect(log_level="info") as client:
        await client.call("long_running", {"steps": 3, "delay_ms": 20})
        before_result = list(client.logs)
    assert [(each["level"], each["logger"], each["data"]) for each in before_result] == [
        ("info", "long_running", f"step {step} of 3") for step in (1, 2, 3)
    ]


async def test_logs_below_the_level_stay_away(connect):
    async with connect(log_level="error") as client:
        await client.call("long_running", {"steps": 3, "delay_ms": 20})
        assert client.logs == []
