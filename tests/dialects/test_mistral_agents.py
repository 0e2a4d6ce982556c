from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects.mistral_agents import MistralAgents
from cachesaver.exchange import Request
from cachesaver.identity import identify

AGENTS = MistralAgents()
URL = "https://api.mistral.ai/v1/agents/completions"
ASK: dict[str, Any] = {"agent_id": "ag:1", "messages": [{"role": "user", "content": "hi"}]}


def fingerprint(body: dict[str, Any]) -> str:
    request = Request(method="POST", url=URL, body=json.dumps(body).encode())
    return identify(request, AGENTS).fingerprint


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        (ASK, True),
        ({**ASK, "n": 2}, True),
        ({**ASK, "n": 0}, False),
        ({**ASK, "agent_id": ""}, False),
        ({"messages": ASK["messages"]}, False),
        ({"agent_id": "ag:1", "inputs": "hi"}, False),
    ],
)
def test_an_agent_and_messages_make_a_request(body: dict[str, Any], *, is_one: bool) -> None:
    assert AGENTS.recognises(Request(method="POST", url=URL), body) is is_one


def test_the_agent_is_part_of_the_question_and_the_form_is_not() -> None:
    assert fingerprint({**ASK, "agent_id": "ag:2"}) != fingerprint(ASK)
    assert fingerprint({**ASK, "stream": True, "n": 3}) == fingerprint(ASK)


def test_several_are_asked_for_as_in_chat() -> None:
    request = Request(method="POST", url=URL, body=json.dumps(ASK).encode())

    assert AGENTS.count({**ASK, "n": 3}) == 3
    assert json.loads(AGENTS.ask(request, ASK, 3).body) == {**ASK, "n": 3}
