from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects import recognise
from cachesaver.dialects.openai_input_tokens import CompatibleInputTokens
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Body = dict[str, Any]

OPENAI = "https://api.openai.com/v1/responses/input_tokens"
OTHER = "http://localhost:8000/v1/responses/input_tokens"
ASK: Body = {"model": "m", "input": "hi"}


def fingerprint(url: str, body: Body) -> str:
    request = Request(method="POST", url=url, body=json.dumps(body).encode())
    dialect = recognise(request, body)
    assert dialect is not None
    assert dialect.deterministic
    return identify(request, dialect).fingerprint


def test_a_default_is_dropped_only_where_it_is_documented() -> None:
    stated = {**ASK, "truncation": "disabled", "parallel_tool_calls": True, "tools": None}

    assert fingerprint(OPENAI, stated) == fingerprint(OPENAI, ASK)
    assert fingerprint(OTHER, stated) != fingerprint(OTHER, ASK)


@pytest.mark.parametrize("body", [{"model": "m"}, {**ASK, "conversation": "c"}, {"input": "hi"}])
def test_what_counts_nothing_or_what_may_grow_passes_through(body: Body) -> None:
    assert recognise(Request(method="POST", url=OPENAI, body=b"{}"), body) is None


def test_a_count_is_a_number() -> None:
    dialect = CompatibleInputTokens()

    def sound(body: bytes) -> bool:
        return dialect.sound(Response(status=200, chunks=(body,)))

    assert sound(b'{"object":"response.input_tokens","input_tokens":12}')
    assert not any(map(sound, (b"", b"{}", b'{"input_tokens":true}', b'{"error":{}}', b"[12]")))
    assert not dialect.wants_stream(Request(method="POST", url=OTHER), {"stream": True})
    assert dialect.usage(Response(status=200, chunks=(b'{"input_tokens":12}',))) == ("", {})
