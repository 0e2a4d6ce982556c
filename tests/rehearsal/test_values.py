"""Questions, samples and what they cost."""

from __future__ import annotations

from dataclasses import replace

from cachesaver.rehearsal.values import (
    Ask,
    Call,
    Finish,
    Message,
    Prompt,
    RejectedError,
    Take,
    Tool,
    digest,
    dumps,
)

ASK = Ask(endpoint="e", model="m", prompt=Prompt(messages=()), shape={"a": 1})
TAKE = Take(
    question="0123456789",
    ordinal=2,
    text="Hello, world",
    finish=Finish.CALLS,
    calls=(Call(name="tool", arguments={"x": 1}),),
)


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


def test_a_question_is_endpoint_model_and_what_shapes_the_answer() -> None:
    others = [replace(ASK, endpoint="f"), replace(ASK, model="n"), replace(ASK, shape={"a": 2})]

    assert replace(ASK, count=5, stream=True, limit=3).question == ASK.question
    assert len({ASK.question, *(other.question for other in others)}) == 4


def test_a_prompt_costs_its_messages_attachments_and_tools() -> None:
    bare = Prompt(messages=(Message(role="user", text="one two"),))
    seen = Prompt(messages=(Message(role="user", text="one two", attachments=2),))
    tooled = replace(bare, tools=(Tool(name="t", parameters={}),))

    assert bare.tokens == 3 + 4 + 2
    assert seen.tokens == bare.tokens + 2 * 85
    assert tooled.tokens == bare.tokens + 8 + 1 + 2  # the name, and {}
    assert Prompt(messages=()).text == ""


def test_what_is_billed_can_be_told_apart_from_the_prompt() -> None:
    assert ASK.prompt_tokens == 3
    assert replace(ASK, billed=0).prompt_tokens == 0


def test_a_sample_costs_what_was_said_with_names_and_arguments_of_calls() -> None:
    assert TAKE.pieces == ("Hello", ",", " world")
    assert "".join(TAKE.call_pieces[0]) == '{"x":1}' == dumps({"x": 1})
    assert TAKE.tokens == 3 + 1 + len(TAKE.call_pieces[0])


def test_a_sample_has_a_name_and_ids_of_its_own() -> None:
    other = replace(TAKE, ordinal=3)

    assert TAKE.tag == "01234567#2"
    assert TAKE.id("call_", 0).startswith("call_")
    ids = {take.id(prefix, place) for take in (TAKE, other) for prefix in "ab" for place in (0, 1)}
    assert len(ids) == 8


def test_a_rejection_says_status_and_message() -> None:
    assert str(RejectedError(400, "no model")) == "400: no model"
