"""Who leaves a call that then fails, and asks again, shares its sample with nobody."""

from __future__ import annotations

import asyncio

import httpx2

import cachesaver
from cachesaver.rehearsal import Rehearsal
from loads.plans import CUT, Ask
from loads.texts import OPENAI, body_of, read_answer, tag


def test_a_flight_that_fails_behind_its_callers_back_keeps_the_index_for_the_retry(
    rehearsal: Rehearsal,
) -> None:
    """Given a call that was left and asked again, when the first flight breaks, then law 1 holds.

    The retry is the same draw, and waits for the flight of its first try. That flight is broken
    off and gives up lease and index; the retry leads the slot, and holds its index no more. The
    next draw of the run is given the same.
    """
    asked_again = asyncio.Event()

    async def ask(client: httpx2.AsyncClient, headers: dict[str, str]) -> str:
        answer = await client.post(OPENAI, json=body_of(Ask(question="gpt")), headers=headers)
        return tag(read_answer("application/json", answer.content)[0])

    async def impatient(client: httpx2.AsyncClient) -> str:
        try:
            async with asyncio.timeout(0.05):
                await ask(client, {"x-rehearsal-fault": CUT})
        except TimeoutError:
            asked_again.set()
        return await ask(client, {})

    async def another(client: httpx2.AsyncClient) -> str:
        await asked_again.wait()
        while rehearsal.calls().calls < 2:  # noqa: ASYNC110  # the retry has come to lead
            await asyncio.sleep(0.005)
        return await ask(client, {})

    async def main() -> tuple[str, str]:
        async with httpx2.AsyncClient(base_url=rehearsal.url, timeout=30) as client:
            return await asyncio.gather(impatient(client), another(client))

    rehearsal.latency = 0.5  # it is left long before
    try:
        with cachesaver.install("a", store="memory://", quiet=True, strict=True):
            first, second = asyncio.run(main())
    finally:
        rehearsal.latency = 0

    assert first != second
