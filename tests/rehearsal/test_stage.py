"""Samples: counted per question, drawn by seed, cut where they must end."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from cachesaver.rehearsal.stage import Stage
from cachesaver.rehearsal.values import Ask, Call, Finish, Message, Prompt, Utterance
from cachesaver.rehearsal.voices import prose

ASK = Ask(
    endpoint="e", model="m", prompt=Prompt(messages=(Message(role="user", text="Hi"),)), shape={}
)


def speaker(text: str, *calls: Call) -> Stage:
    def say(prompt: Prompt, rng: Random) -> Utterance:
        return Utterance(text=text, calls=calls)

    return Stage(0, say)


def test_samples_are_counted_per_question() -> None:
    stage = Stage(0, prose)
    other = replace(ASK, model="n")

    drawn = [*stage.draw(replace(ASK, count=2)), *stage.draw(other), *stage.draw(ASK)]

    assert [take.ordinal for take in drawn] == [0, 1, 0, 2]
    assert len({take.text for take in drawn}) == 4
    assert all(take.text.startswith(f"[{take.tag}]") for take in drawn)


def test_a_sample_is_a_function_of_seed_question_and_ordinal() -> None:
    first, again, other = Stage(0, prose), Stage(0, prose), Stage(1, prose)
    again.draw(replace(ASK, model="n", count=7))

    assert first.draw(ASK) == again.draw(ASK) == (first.take(ASK, 0),)
    assert other.take(ASK, 0) != first.take(ASK, 0)


def test_a_reset_counts_from_zero() -> None:
    stage = Stage(0, prose)
    before = stage.draw(ASK)

    stage.reset()

    assert stage.draw(ASK) == before


@pytest.mark.parametrize(
    ("limits", "text", "finish", "stopped_by"),
    [
        ({}, "one two three", Finish.STOP, None),
        ({"limit": 3}, "one two three", Finish.STOP, None),
        ({"limit": 2}, "one two", Finish.LENGTH, None),
        ({"limit": 0}, "", Finish.LENGTH, None),
        ({"stops": ("three", "two")}, "one ", Finish.SEQUENCE, "two"),
        ({"stops": ("four",)}, "one two three", Finish.STOP, None),
        ({"stops": ("three",), "limit": 1}, "one", Finish.LENGTH, None),
    ],
)
def test_where_a_text_ends(
    limits: dict[str, object], text: str, finish: Finish, stopped_by: str | None
) -> None:
    ask = replace(ASK, **limits)  # type: ignore[arg-type]  # from the table above

    (take,) = speaker("one two three").draw(ask)

    assert (take.text, take.finish, take.stopped_by) == (text, finish, stopped_by)


def test_calls_end_an_answer_and_are_never_cut() -> None:
    call = Call(name="tool", arguments={"x": "a long argument of many tokens"})

    (take,) = speaker("", call).draw(replace(ASK, limit=1))

    assert (take.finish, take.calls) == (Finish.CALLS, (call,))
