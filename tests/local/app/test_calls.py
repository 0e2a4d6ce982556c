from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.local.app.calls import Listener, read_calls

NAMES = ("weather", "add")

PARIS = ("weather", {"city": "Paris"})
SUM = ("add", {"a": 1, "b": [2.5]})

FORMS: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    # https://huggingface.co/NousResearch/Hermes-3-Llama-3.1-8B#prompt-format-for-function-calling
    "hermes": (
        (
            '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>\n'
            '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": [2.5]}}\n</tool_call>'
        ),
        [PARIS, SUM],
    ),
    "hermes, its end token as the end": (
        '<tool_call>{"name": "weather", "arguments": {"city": "Paris"}}',
        [PARIS],
    ),
    # https://huggingface.co/Qwen/Qwen3-Coder-30B-A3B-Instruct/blob/main/chat_template.jinja
    "qwen coder": (
        "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>",
        [PARIS],
    ),
    "qwen coder, values": (
        "<function=add><parameter=a>1</parameter><parameter=b>[2.5]</parameter></function>",
        [SUM],
    ),
    # https://docs.mistral.ai/capabilities/function_calling, and the templates of their models
    "mistral": ('[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Paris"}}]', [PARIS]),
    "mistral, newer": (
        '[TOOL_CALLS]weather[ARGS]{"city": "Paris"}[TOOL_CALLS]add[CALL_ID]a1[ARGS]{"a": 1, "b": [2.5]}',
        [PARIS, SUM],
    ),
    # https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1
    "llama": ('{"name": "weather", "parameters": {"city": "Paris"}}', [PARIS]),
    "llama, tagged": (
        (
            '<|python_tag|>{"name": "weather", "parameters": {"city": "Paris"}}; '
            '{"name": "add", "parameters": {"a": 1, "b": [2.5]}}'
        ),
        [PARIS, SUM],
    ),
    "a list": (
        '[{"type": "function", "function": {"name": "weather", "arguments": "{\\"city\\": \\"Paris\\"}"}}]',
        [PARIS],
    ),
}


@pytest.mark.parametrize(("text", "calls"), FORMS.values(), ids=FORMS)
def test_each_familys_calls_are_read(text: str, calls: list[tuple[str, Any]]) -> None:
    read = [(call.name, json.loads(call.arguments)) for call in read_calls(text, NAMES)]

    assert read == calls


@pytest.mark.parametrize(("text", "calls"), FORMS.values(), ids=FORMS)
def test_a_function_that_is_not_there_is_no_call(text: str, calls: list[tuple[str, Any]]) -> None:
    assert read_calls(text, ("other",)) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Paris",
        "{}",
        "[]",
        "[1, 2]",
        "null",
        '{"name": "weather"}',
        '{"name": "weather", "arguments": 3}',
        '{"name": 3, "arguments": {}}',
        '{"name": "weather", "arguments": "no"}',
        '{"name": "weather", "arguments": {}} and more',
        "<tool_call>weather</tool_call>",
        '<tool_call>{"name": "weather", "arguments": {}}</tool_call> so I said',
        "<function=weather>text</function>",
        "[TOOL_CALLS]",
        "[TOOL_CALLS]weather{} {}",
        "<|python_tag|>print(1)",
        "[" * 100_000,
    ],
)
def test_what_is_no_call_stays_text(text: str) -> None:
    assert read_calls(text, NAMES) == ()


def listen(pieces: list[str]) -> tuple[str, str]:
    """Return what was let through, and what was held to the end."""
    listener = Listener()
    return "".join(map(listener.feed, pieces)), listener.rest()


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(("text", "calls"), FORMS.values(), ids=FORMS)
def test_calls_are_held_whatever_the_pieces(
    text: str, calls: list[tuple[str, Any]], size: int
) -> None:
    said = f"\n{text}"

    passed, held = listen([said[at : at + size] for at in range(0, len(said), size)])

    assert (passed.strip(), held.strip()) == ("", text.strip())


def test_text_before_a_call_is_let_through() -> None:
    assert listen(["I look. <tool", "_call>{}"]) == ("I look. ", "<tool_call>{}")


def test_text_without_calls_is_let_through_at_once() -> None:
    listener = Listener()

    assert [listener.feed(each) for each in ("a <", "b> {", "}")] == ["a ", "<b> {", "}"]
    assert listener.rest() == ""


def test_nothing_is_lost_at_the_end() -> None:
    assert listen(["a <tool"]) == ("a ", "<tool")
    assert listen(["  "]) == ("", "  ")
