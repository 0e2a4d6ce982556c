"""The voices for every purpose."""

# ruff: noqa: S311  # reproducible on purpose

from __future__ import annotations

import json
from random import Random

import pytest

from cachesaver.rehearsal.values import Message, Prompt, Tool, Utterance, Voice
from cachesaver.rehearsal.voices import comply, echo, prose

TOOLS = (
    Tool(name="find", parameters={"type": "object", "properties": {}}),
    Tool(
        name="add",
        parameters={
            "type": "object",
            "properties": {"x": {"type": "integer"}},
            "required": ["x"],
        },
    ),
)


def prompt(text: str = "Hello", role: str = "user", **more: object) -> Prompt:
    given: dict[str, object] = {"messages": (Message(role=role, text=text),), "tag": "q#3", **more}
    return Prompt(**given)  # type: ignore[arg-type]  # from a test's own table


def test_prose_carries_its_tag_and_depends_on_chance_alone() -> None:
    said = [prose(prompt(), Random(seed)).text for seed in (1, 1, 2)]

    assert said[0] == said[1] != said[2]
    assert said[0].startswith("[q#3] ")


def test_prose_is_long_and_short() -> None:
    lengths = {len(prose(prompt(), Random(seed)).text.split()) for seed in range(200)}

    assert min(lengths) <= 12
    assert max(lengths) >= 40


def test_an_echo_repeats_the_last_message() -> None:
    assert echo(prompt("Hello"), Random(0)) == Utterance(text="[q#3] Hello")


@pytest.mark.parametrize("voice", [prose, echo])
def test_every_voice_obeys_tools_and_schemas(voice: Voice) -> None:
    called = voice(prompt(tools=TOOLS, forced="add"), Random(0))
    written = voice(prompt(schema={"const": {"a": 1}}), Random(0))

    assert [call.name for call in called.calls] == ["add"]
    assert set(called.calls[0].arguments) == {"x"}
    assert json.loads(written.text) == {"a": 1}


@pytest.mark.parametrize(
    ("given", "called"),
    [
        (prompt(tools=TOOLS, forced="*"), "find"),
        (prompt(tools=TOOLS, forced="add"), "add"),
        (prompt(tools=TOOLS, forced="unknown"), "find"),
        (prompt("please add", tools=TOOLS), "add"),
        (prompt("please add", role="tool", tools=TOOLS), None),
        (prompt(tools=TOOLS), None),
        (prompt(forced="*"), None),
        (Prompt(messages=(), tools=TOOLS), None),
    ],
)
def test_which_tool_is_called(given: Prompt, called: str | None) -> None:
    said = comply(given, Random(0))

    assert (said.calls[0].name if said else None) == called
