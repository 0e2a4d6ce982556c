"""Effects are values that steps yield and are given the results of."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import pytest

from cachesaver.effects import Acquire, Effect, Fill, Poll, Read, Release, Send, Steps, Wait
from cachesaver.exchange import Reply, Request, Response, Sample
from cachesaver.ports import Policy, Run

RUN = Run(id="r", namespace="ns")
SECRET = "sk-0123456789abcdefghijklmnop"
REQUEST = Request(
    method="POST",
    url=f"https://x.test/v1?key={SECRET}",
    headers=(("authorization", SECRET),),
    body=SECRET.encode(),
)
REPLY = Reply(
    status=200,
    headers=(("set-cookie", SECRET),),
    chunks=iter((SECRET.encode(),)),
    close=lambda: None,
)
SAMPLE = Sample(response=Response(status=200, chunks=(SECRET.encode(),)), draw="d")

EVERY: list[Effect[Any]] = [
    Acquire(run=RUN, fingerprint="f", draws=("d",), policy=Policy.RESERVE),
    Wait(fingerprint="f", index=0),
    Poll(run=RUN, fingerprint="f", index=0),
    Send(request=REQUEST),
    Read(reply=REPLY),
    Fill(run=RUN, fingerprint="f", index=0, token="t", sample=SAMPLE, question=SECRET.encode()),
    Release(run=RUN, fingerprint="f", index=0, token="t"),
]


def test_steps_yield_the_effect_and_get_its_result() -> None:
    effect = Wait(fingerprint="f", index=3)

    def steps() -> Steps[str]:
        return f"moved: {(yield from effect)}"

    going = steps()

    assert next(going) is effect
    with pytest.raises(StopIteration) as stop:
        going.send(True)
    assert stop.value.value == "moved: True"


@pytest.mark.parametrize("effect", EVERY, ids=lambda effect: type(effect).__name__)
def test_an_effect_is_a_value_and_shows_no_secret(effect: Effect[Any]) -> None:
    fields = {
        each.name: getattr(effect, each.name) for each in dataclasses.fields(cast("Any", effect))
    }

    assert type(effect)(**fields) == effect
    assert SECRET not in repr(effect)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(effect, next(iter(fields)), None)
