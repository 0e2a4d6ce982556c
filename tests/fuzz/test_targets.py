"""The targets of the fuzzer hold for what hypothesis thinks of, and fail where they should."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.openai_chat import CompatibleChat
from cachesaver.exchange import Request, Response
from fuzzing import TARGETS
from fuzzing.answers import ALL, answers
from fuzzing.requests import requests
from fuzzing.seeds import seeds
from recordings import Exchange, read_corpus


@pytest.mark.parametrize("target", TARGETS)
@given(content=st.binary(max_size=200))
def test_any_bytes(target: str, content: bytes) -> None:
    TARGETS[target](content)


@pytest.fixture(scope="module")
def some(corpus: Path) -> tuple[Exchange, ...]:
    """Every eleventh exchange of the corpus."""
    return read_corpus(corpus)[::11]


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_recorded_whole_and_damaged(target: str, some: tuple[Exchange, ...]) -> None:
    """Given real bodies, each as it is, cut, and with a byte of its middle changed."""
    found = list(seeds(target, some))

    assert len(found) > 5
    for seed in found:
        for content in (seed, seed[: len(seed) * 2 // 3], damaged(seed)):
            TARGETS[target](content)


def damaged(seed: bytes) -> bytes:
    place = len(seed) // 2
    return seed[:place] + bytes([seed[place] ^ 4]) + seed[place + 1 :] if place > 2 else seed


def chat(body: bytes) -> bytes:
    return bytes([0, 0]) + body


ASK = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'


def test_a_question_that_changes_with_its_number_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    requests(chat(ASK))

    def other(self: object, request: Request, body: object, count: int) -> Request:
        return request.with_body(ASK.replace(b"hi", b"ho"))

    monkeypatch.setattr(CompatibleChat, "ask", other)
    with pytest.raises(AssertionError, match="another question"):
        requests(chat(ASK))


def test_an_answer_that_changes_with_its_form_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    place = next(n for n, each in enumerate(ALL) if isinstance(each, CompatibleChat))
    message = b'{"role":"assistant","content":"a"}'
    told = b'{"object":"chat.completion","choices":[{"index":0,"message":%s}]}' % message
    answers(bytes([place, 0]) + told)

    plain = CompatibleChat.whole

    def whole(self: CompatibleChat, response: Response) -> Response:
        made = plain(self, response)
        return Response(
            status=200,
            headers=made.headers,
            chunks=(made.body.replace(b'"content":"', b'"content":"b'),),
        )

    monkeypatch.setattr(CompatibleChat, "whole", whole)
    with pytest.raises(AssertionError, match="changed by being turned"):
        answers(bytes([place, 0]) + told)
