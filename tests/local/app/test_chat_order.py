from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import pytest

import local_app
import local_words
from cachesaver.local.app import chat_order
from cachesaver.local.app.bodies import read
from cachesaver.local.app.chat_ask import ChatAsk
from cachesaver.local.app.chat_order import manner_of, order_chat, spoken
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.served import Served
from cachesaver.local.app.speeches import Choosing, Plain
from cachesaver.local.app.tongue import Tongue

needs_llguidance = pytest.mark.skipif(
    find_spec("llguidance") is None, reason="needs cachesaver[structured]"
)
POOL = ThreadPoolExecutor(1)
FUNCTION = {"name": "f", "parameters": {"type": "object"}}


def ask(**fields: Any) -> ChatAsk:
    user = {"role": "user", "content": "hi"}
    return read(ChatAsk, json.dumps({"model": "m", "messages": [user], **fields}).encode())


def test_long_arguments_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_order, "AT_ONCE", 9)
    calls = [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": each}}
        for each in ('{"a": [1, "\u00e9"]}', '{"a": [1, "b"]', '["a", "b", "c"]')
    ]
    message = ask(messages=[{"role": "assistant", "tool_calls": calls}]).messages[0]

    said = [each["function"]["arguments"] for each in spoken(message)["tool_calls"]]

    assert said == [{"a": [1, "\u00e9"]}, '{"a": [1, "b"]', '["a", "b", "c"]']


def tools(**more: Any) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {**FUNCTION, **more}}]


def served(engine: Any = None) -> Served:
    return Served(
        name="m", tongue=Tongue(local_app.tokenizer()), engine=engine or local_words.Script()
    )


class Keen(local_words.Script):
    """Keeps what it was given."""

    def submit(self, token_ids: Any, n: int, params: Any, **more: Any) -> Any:
        self.given = (token_ids, n, params, more)
        return super().submit(token_ids, n, params, **more)


def test_a_chat_becomes_the_prompt_of_the_template() -> None:
    engine = Keen()
    model = served(engine)

    order_chat(model, ask(n=3, seed=5, logprobs=True, max_tokens=9), 7, POOL)

    ids, n, params, more = engine.given
    assert model.tongue.decode(ids) == "<|user|>hi</s><|assistant|>"
    assert (n, params.seed, params.logprobs, params.max_tokens) == (3, 5, 0, 9)
    assert more["first_index"] == 7


def test_the_template_takes_variables() -> None:
    engine = Keen()
    model = served(engine)

    order_chat(model, ask(chat_template_kwargs={"opening": "So"}), 0, POOL)

    assert model.tongue.decode(engine.given[0]).endswith("<|assistant|>So")


def test_without_tools_it_is_text() -> None:
    for fields in (
        {},
        {"response_format": {"type": "text"}},
        {"tools": tools(), "tool_choice": "none"},
    ):
        manner = manner_of(served(), ask(**fields))

        assert (manner.tools, manner.guide) == ((), None)
        assert isinstance(manner.speech("o"), Plain)


def test_with_tools_it_may_call() -> None:
    manner = manner_of(served(), ask(tools=tools(description="d")))

    assert manner.tools == [
        {"type": "function", "function": {**FUNCTION, "description": "d"}},
    ]
    assert isinstance(manner.speech("o"), Choosing)


def test_the_marks_of_calls_are_shown() -> None:
    model = Served(name="m", tongue=local_words.tongue(), engine=local_words.Script())

    assert manner_of(model, ask(tools=tools())).shown == {local_words.MARK}


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("together with tools", {"tools": tools(), "response_format": {"type": "json_object"}}),
    ],
)
def test_what_cannot_be_promised_is_refused(words: str, fields: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match=words) as raised:
        manner_of(served(), ask(**fields))

    assert raised.value.code == "unsupported_parameter"


@pytest.mark.parametrize("template", ["{{ tools }}", "{{ tools }}<tool_call><function=", None])
def test_strict_calls_need_a_model_whose_calls_are_known(template: str | None) -> None:
    tongue = Tongue(local_app.tokenizer(template))
    model = Served(name="m", tongue=tongue, engine=local_words.Script())

    with pytest.raises(Refusal, match="strict functions") as raised:
        manner_of(model, ask(tools=tools(strict=True)))

    assert (raised.value.param, raised.value.code) == ("tools", "unsupported_parameter")


@needs_llguidance
def test_strict_calls_are_guided() -> None:
    manner = manner_of(served(), ask(tools=tools(strict=True)))

    assert manner.guide is not None
    assert manner_of(served(), ask(tools=tools())).guide is None


def test_messages_are_as_templates_take_them() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    odd = {"id": "d", "type": "function", "function": {"name": "f", "arguments": "no JSON"}}
    listed = {"id": "e", "type": "function", "function": {"name": "f", "arguments": "[1]"}}
    messages = [
        {"role": "developer", "content": "be"},
        {"role": "user", "content": "hi", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [call, odd, listed]},
        {"role": "tool", "content": "x", "tool_call_id": "c"},
    ]

    said = [spoken(each) for each in ask(messages=messages).messages]

    assert said[0] == {"role": "system", "content": "be"}
    assert said[1] == {"role": "user", "content": "hi", "name": "ann"}
    assert [each["function"]["arguments"] for each in said[2]["tool_calls"]] == [
        {"a": 1},
        "no JSON",
        "[1]",
    ]
    assert said[3] == {"role": "tool", "content": "x", "tool_call_id": "c"}
