"""What is sent today against what was recorded: provider calls only, and what does not count left out."""

from __future__ import annotations

import json
from typing import Any

from cachesaver.vcr.drift import drifts
from cachesaver.vcr.request import Request

URL = "https://api.openai.com/v1/chat/completions"


def chat(text: str, headers: dict[str, str] | None = None, **more: Any) -> Request:
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": text}], **more}
    told = {"Content-Type": "application/json"} if headers is None else headers
    return Request("POST", URL, json.dumps(body).encode(), told)


def test_another_question_is_told_with_its_difference() -> None:
    (drift,) = drifts([(chat("Hello"), chat("Hi"))])

    assert drift.summary == f"POST {URL}"
    changed = [line.strip() for line in drift.diff.splitlines() if line[:1] in "+-"]
    assert changed[:2] == ["--- recorded", "+++ sent"]
    assert [line.replace(" ", "") for line in changed[2:]] == [
        '-"content":"Hi",',
        '+"content":"Hello",',
    ]


def test_what_does_not_shape_the_answer_is_no_drift() -> None:
    assert list(drifts([(chat("Hi", user="me", temperature=1.0), chat("Hi", stream=False))])) == []


def test_headers_that_a_project_left_out_are_no_drift() -> None:
    assert list(drifts([(chat("Hi"), chat("Hi", headers={}))])) == []


def test_what_is_no_call_of_a_provider_is_none_of_ours() -> None:
    one = Request("POST", "https://a.test/api", b'{"a": 1}', {"Content-Type": "application/json"})
    other = Request("POST", "https://a.test/api", b'{"a": 2}', {"Content-Type": "application/json"})

    assert list(drifts([(one, other)])) == []


def test_a_body_that_is_recorded_parsed_is_compared_by_what_it_says() -> None:
    parsed = json.loads(chat("Hi").body)

    assert list(drifts([(chat("Hi"), Request("POST", URL, parsed, {}))])) == []
    assert len(list(drifts([(chat("Ho"), Request("POST", URL, parsed, {}))]))) == 1


def test_an_address_that_was_blanked_for_the_cassette_is_no_drift() -> None:
    recorded = chat("Hi")
    recorded.uri = "**REDACTED**"

    assert list(drifts([(chat("Hi"), recorded)])) == []


def test_no_credential_is_shown() -> None:
    (drift,) = drifts([(chat("sk-proj-" + "a1B2c3D4" * 6), chat("Hi"))])

    assert "a1B2" not in drift.diff
