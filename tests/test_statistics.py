"""What a session counts, and the tokens of any provider's usage block."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import Any, cast

import orjson
import pytest

from cachesaver.asks import Ask, Purchase, Source, Through
from cachesaver.dialects.openai_chat import OpenAIChat
from cachesaver.exchange import Reply, Request, Response, Sample
from cachesaver.identity import identify
from cachesaver.lineage import draw, root
from cachesaver.outcomes import Passing, Served
from cachesaver.ports import Policy, Run
from cachesaver.statistics import Statistics, Tally

ASK = cast("Ask", None)
"""Not looked at: what is counted is the answer."""

LIVE = Reply(status=200, headers=(), chunks=iter(()), close=lambda: None)


def sample(**usage: object) -> Sample:
    return sample_with(usage)


def sample_with(usage: Mapping[str, object]) -> Sample:
    return Sample(response=Response(status=200), draw="d", usage=usage)


def served(*pairs: tuple[Source, Sample]) -> Served:
    return Served(
        response=Response(status=200),
        sources=tuple(source for source, _ in pairs),
        indexes=tuple(range(len(pairs))),
        samples=tuple(each for _, each in pairs),
    )


def through(source: Source) -> Through:
    return Through(reply=LIVE, source=source, why="so")


def passing() -> Passing:
    nothing: Any = None
    return Passing(
        reply=LIVE,
        fingerprint="f",
        indexes=(0,),
        finished=lambda _: True,
        all_but_finished=lambda _: False,
        keep=nothing,
        drop=nothing,
    )


def test_every_sample_of_a_request_is_counted_where_it_came_from() -> None:
    tally = Tally()

    tally.count(
        ASK,
        served((Source.COLLAPSED, sample(total_tokens=20)), (Source.FETCHED, sample())),
    )
    tally.count(ASK, served((Source.HIT, sample(total_tokens=1))))

    assert tally.now() == Statistics(requests=2, hits=1, collapsed=1, fetched=1, tokens_saved=21)


def test_the_tokens_of_many_hits_are_counted_whenever_one_asks() -> None:
    """Given that they are added up later, then none is lost, counted twice, or kept for ever."""
    tally, usage = Tally(), sample(total_tokens=2).usage
    before = sys.getrefcount(usage)

    for _ in range(2500):
        tally.count(ASK, served((Source.HIT, sample_with(usage))))

    assert sys.getrefcount(usage) - before <= 1001
    assert [tally.now().tokens_saved, tally.now().tokens_saved] == [5000, 5000]
    assert sys.getrefcount(usage) == before


def test_a_prompt_is_saved_once_by_all_the_samples_of_a_request() -> None:
    tally = Tally()

    tally.count(_asking(), served((Source.HIT, _answer(10, 5)), (Source.HIT, _answer(10, 7))))

    assert tally.now().tokens_saved == 10 + 5 + 7


def test_what_a_call_came_to_is_billed_once() -> None:
    tally = Tally()

    tally.settled(Purchase(usage={"total_tokens": 30}, samples=3))
    tally.settled(Purchase(known=False))

    assert tally.now() == Statistics(calls=1, tokens_bought=30)


def _asking() -> Ask:
    body = orjson.dumps({"model": "m", "messages": [], "n": 2})
    request = Request(method="POST", url="https://api.openai.com/v1/chat/completions", body=body)
    question = identify(request, OpenAIChat())
    drawn = draw(root("0"), question.fingerprint, 2)
    return Ask(
        question=question,
        upstream=request,
        run=Run(id="r", namespace="ns"),
        drawn=drawn,
        policy=Policy.RESERVE,
        now=0.0,
        nearest=lambda _: None,
    )


def _answer(prompt: int, completion: int) -> Sample:
    usage: dict[str, object] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}
    json = (("content-type", "application/json"),)
    response = Response(status=200, headers=json, chunks=(orjson.dumps(body),))
    return Sample(response=response, draw="d", usage=usage)


@pytest.mark.parametrize(
    ("source", "counted"),
    [
        (Source.ERROR, Statistics(requests=1, errors=1)),
        (Source.BYPASSED, Statistics(requests=1, bypassed=1)),
    ],
)
def test_what_went_through_is_one_request_without_tokens(
    source: Source, counted: Statistics
) -> None:
    tally = Tally()

    tally.count(ASK, through(source))

    assert tally.now() == counted


def test_a_stream_is_counted_when_it_has_passed() -> None:
    tally = Tally()

    tally.count(ASK, passing())
    before = tally.now()
    tally.passed((sample(input_tokens=2, output_tokens=3),))

    assert before == Statistics(requests=1)
    assert tally.now() == Statistics(requests=1, fetched=1)


def test_a_stream_that_was_not_kept_is_counted_too() -> None:
    tally = Tally()

    tally.count(ASK, passing())
    tally.passed(())

    assert tally.now() == Statistics(requests=1, bypassed=1)


def test_threads_lose_no_count() -> None:
    tally = Tally()

    def count() -> None:
        for _ in range(300):
            tally.count(ASK, through(Source.ERROR))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert tally.now() == Statistics(requests=1200, errors=1200)


def test_what_was_counted_is_a_value_of_then() -> None:
    tally = Tally()
    before = tally.now()

    tally.count(ASK, through(Source.ERROR))

    assert before == Statistics()


def test_statistics_are_a_line_to_read() -> None:
    assert str(Statistics(hits=2, fetched=1, tokens_saved=12345)) == (
        "2 hits, 1 fetched, 12,345 tokens saved"
    )
    assert str(Statistics(collapsed=1, bypassed=2, errors=3)) == (
        "0 hits, 0 fetched, 0 tokens saved, 1 collapsed, 2 bypassed, 3 errors"
    )
