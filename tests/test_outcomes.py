"""How an outcome is shown: in the form asked for, live where there is no way to it, or as a miss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from cachesaver.asks import Ask, Source, Through
from cachesaver.buying import pass_through
from cachesaver.dialects.openai_chat import CompatibleChat
from cachesaver.dialects.routing import FIRST_INDEX
from cachesaver.effects import Send
from cachesaver.errors import DialectError, NotReplayableError
from cachesaver.exchange import Headers, Request, Response, Sample
from cachesaver.identity import Question, identify, questions_body
from cachesaver.lineage import Drawn
from cachesaver.outcomes import Got, Served, not_recorded, show
from cachesaver.ports import Policy, Run

ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def asked(near: bytes | None = None, **fields: object) -> Ask:
    question = asking(**fields)
    return Ask(
        question=question,
        upstream=question.request,
        run=Run(id="r", namespace="space"),
        drawn=Drawn(),
        policy=Policy.RESERVE,
        now=0.0,
        nearest=lambda _: near,
    )


def asking(**fields: object) -> Question:
    body = orjson.dumps({**ASK, **fields})
    request = Request(method="POST", url="https://a.test/v1/chat/completions", body=body)
    return identify(request, CompatibleChat())


def got(text: str, index: int = 0, *, number: str | None = None) -> Got:
    body: Mapping[str, object] = {
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
    }
    headers: Headers = (("content-type", "application/json"),)
    if number is not None:
        headers = (*headers, (FIRST_INDEX, number))
    response = Response(status=200, headers=headers, chunks=(orjson.dumps(body),))
    return Got(index, Sample(response=response, draw="d"), Source.HIT)


def test_samples_are_joined_in_the_order_of_the_draws() -> None:
    steps = show(asked(n=2), [got("b", 4), got("a", 1)])

    with pytest.raises(StopIteration) as stop:
        next(steps)

    served = stop.value.value
    assert isinstance(served, Served)
    assert served.indexes == (4, 1)
    choices = orjson.loads(served.response.body)["choices"]
    assert [(each["index"], each["message"]["content"]) for each in choices] == [(0, "b"), (1, "a")]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (["0", "2"], "0,2"),
        (["1", "0"], "1,0"),
        (["0", None], "0,?"),
        ([None, "1"], "?,1"),
        (["4", "5"], "4"),
        ([None, None], None),
    ],
)
def test_samples_of_a_seed_say_their_numbers_where_one_does_not_tell_all(
    numbers: list[str | None], said: str | None, *, stream: bool
) -> None:
    steps = show(asked(n=2, seed=3, stream=stream), [got("x", number=each) for each in numbers])

    with pytest.raises(StopIteration) as stop:
        next(steps)

    assert stop.value.value.response.header(FIRST_INDEX) == said


def test_a_sample_with_no_way_to_the_form_asked_for_is_asked_live() -> None:
    broken = replace(
        got("x"), sample=Sample(response=Response(status=200, chunks=(b"{",)), draw="")
    )
    ask = asked(stream=True)
    steps = show(ask, [broken])
    effect = next(steps)

    assert isinstance(effect, Send)
    assert effect.request is ask.upstream
    with pytest.raises(StopIteration) as stop:
        steps.send("the live reply")
    assert isinstance(stop.value.value, Through)
    assert stop.value.value.source is Source.BYPASSED


@pytest.mark.parametrize(
    "kept_in", [{"policy": Policy.READ}, {"policy": Policy.RESERVE, "sealed": True}]
)
def test_by_replay_it_is_an_error_instead(kept_in: Mapping[str, Any]) -> None:
    broken = replace(
        got("x"), sample=Sample(response=Response(status=200, chunks=(b"{",)), draw="")
    )

    with pytest.raises(DialectError):
        next(show(replace(asked(stream=True), **kept_in), [broken]))


def test_nothing_is_passed_on_live_where_nothing_may_leave() -> None:
    with pytest.raises(NotReplayableError, match="no way"):
        next(pass_through(replace(asked(), sealed=True), "there is no way"))


def test_a_miss_says_what_differs_from_the_nearest() -> None:
    ask = asked(near=questions_body(asking(temperature=0.5)))

    told = str(not_recorded(ask, ask.question, wanted=2, free=1))

    assert "asks for 2 sample(s) in namespace 'space'" in told
    assert '-  "temperature": 0.5' in told


def test_a_miss_says_when_there_is_nothing_near_and_when_all_is_taken() -> None:
    nothing, same = asked(), asked(near=questions_body(asking()))

    assert "no question of this kind" in str(
        not_recorded(nothing, nothing.question, wanted=1, free=0)
    )
    assert "all its samples are taken" in str(not_recorded(same, same.question, wanted=1, free=0))


def test_what_is_made_of_a_sample_is_shown_only_if_it_is_an_answer() -> None:
    """Given a stream that is sound, when what it becomes is not, then the caller is asked for live."""

    class Odd(CompatibleChat):
        def whole(self, response: Response) -> Response:
            return Response(status=200, chunks=(b'{"error": {"message": "no"}}',))

    chunk = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    stream = Response(
        status=200,
        headers=(("content-type", "text/event-stream"),),
        chunks=(chunk, b"data: [DONE]\n\n"),
    )
    ask = asked()
    ask = replace(ask, question=identify(ask.upstream, Odd()))

    assert isinstance(next(show(ask, [Got(0, Sample(response=stream, draw=""), Source.HIT)])), Send)
