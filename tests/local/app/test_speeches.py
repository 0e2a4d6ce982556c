from __future__ import annotations

from typing import Any

from cachesaver.local.app.speeches import AnyCall, Choosing, NamedCall, Plain, Speech, call_id


def said(speech: Speech, *pieces: str) -> list[dict[str, Any]]:
    return [delta for piece in pieces for delta in speech.feed(piece)] + speech.close()


def call(at: int, origin: str, name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    whole = {"index": at, "id": call_id(origin, at), "type": "function", "function": function}
    return {"tool_calls": [whole]}


def test_text_is_text() -> None:
    speech = Plain()

    assert said(speech, "a", "", "b") == [{"content": "a"}, {"content": "b"}]
    assert not speech.calls


def test_chosen_calls_come_at_the_end() -> None:
    speech = Choosing("o", ["f"], most=None)
    written = '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'

    assert said(speech, "I ", written, written) == [
        {"content": "I "},
        call(0, "o", "f", '{"a": 1}'),
        call(1, "o", "f", '{"a": 1}'),
    ]
    assert speech.calls


def test_what_was_no_call_is_text_after_all() -> None:
    speech = Choosing("o", ["f"], most=None)

    assert said(speech, '{"a"', ": 1}") == [{"content": '{"a": 1}'}]
    assert not speech.calls


def test_one_call_at_most() -> None:
    speech = Choosing("o", ["f"], most=1)
    written = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'

    assert said(speech, written, written) == [call(0, "o", "f", "{}")]


def test_the_arguments_of_a_named_call_are_streamed() -> None:
    speech = NamedCall("o", "f")

    assert said(speech, "", '{"a', '": 1}') == [
        call(0, "o", "f", '{"a'),
        {"tool_calls": [{"index": 0, "function": {"arguments": '": 1}'}}]},
    ]
    assert not speech.calls


def test_any_call_is_read_when_it_is_whole() -> None:
    speech = AnyCall("o")

    assert said(speech, '{"name": "f", ', '"arguments": {"é": 1}}') == [
        call(0, "o", "f", '{"é": 1}')
    ]
    assert speech.calls


def test_a_call_that_broke_off_is_text() -> None:
    speech = AnyCall("o")

    assert said(speech, '{"name": "f"') == [{"content": '{"name": "f"'}]
    assert not speech.calls


def test_ids_name_sample_and_call() -> None:
    ids = {call_id(origin, at) for origin in ("1/0", "1/1") for at in range(2)}

    assert len(ids) == 4
    assert call_id("1/0", 0) in ids
