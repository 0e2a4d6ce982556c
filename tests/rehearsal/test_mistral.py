"""Mistral's other APIs, judged by its SDK."""

from __future__ import annotations

from typing import Any

import pytest
from mistralai.client import Mistral

from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.mistral import OcrApi

GAP: Any = {"model": "codestral-latest", "prompt": "def f(", "suffix": "return x"}


@pytest.fixture
def client(rehearsal: Rehearsal) -> Any:
    return Mistral(server_url=rehearsal.url, api_key="k")


def said(events: Any) -> str:
    return "".join(event.data.choices[0].delta.content or "" for event in events)


def test_a_gap_is_filled_in_either_form(rehearsal: Rehearsal, client: Any) -> None:
    whole = client.fim.complete(**GAP)
    rehearsal.reset()

    chunks = list(client.fim.stream(**GAP))

    assert said(chunks) == whole.choices[0].message.content
    assert chunks[-1].data.usage == whole.usage


@pytest.mark.parametrize("other", [{"suffix": "return y"}, {"prompt": "def g("}, {"suffix": None}])
def test_both_sides_of_a_gap_make_the_question(
    rehearsal: Rehearsal, client: Any, other: Any
) -> None:
    first = client.fim.complete(**GAP)
    rehearsal.reset()

    second = client.fim.complete(**{**GAP, **other})

    assert second.choices[0].message.content != first.choices[0].message.content


def test_an_agent_answers_as_a_model_does(client: Any) -> None:
    ask: Any = {"agent_id": "ag:1", "messages": [{"role": "user", "content": "Hi"}]}

    answer = client.agents.complete(**ask, n=2)

    assert answer.model == "ag:1"
    assert len({choice.message.content for choice in answer.choices}) == 2
    assert said(client.agents.stream(**ask))


def test_a_document_reads_the_same_always(client: Any) -> None:
    def read(url: str, **asked: Any) -> Any:
        document = {"type": "document_url", "document_url": url}
        return client.ocr.process(model="mistral-ocr-latest", document=document, **asked)

    first = read("https://a.test/1.pdf")

    assert first == read("https://a.test/1.pdf")
    assert first.pages[0].markdown != read("https://a.test/2.pdf").pages[0].markdown
    assert [page.index for page in read("https://a.test/1.pdf", pages=[3]).pages] == [3]
    assert first.usage_info.pages_processed == 2


def test_pages_are_not_streamed() -> None:
    api = OcrApi()
    body = {"model": "m", "document": {"type": "image_url", "image_url": "x"}}

    assert list(api.stream(api.read("/v1/ocr", body), ())) == []
