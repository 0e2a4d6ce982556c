"""What was recorded comes back byte for byte: through the pipeline, a store on disk, and clients."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

import cachesaver
from cachesaver.canonical import parse_body
from cachesaver.dialects.forms_asked import with_field
from cachesaver.errors import DialectError, NotRecordedError
from cachesaver.exchange import Reply, Request, Response
from cachesaver.identity import Question
from cachesaver.ports import Dialect
from cachesaver.session import Session
from recordings import Exchange
from recordings.planting import PLANTED, carried, planted
from recordings.provider import Recorded, nobody, pieces, plain

pytestmark = pytest.mark.timeout(600)

ORIGIN = "https://recorded.test"

_PYDANTIC = "pydantic+pydantic-ai/tests/models/cassettes"
_VERCEL = "vercel+ai/packages"

ERRORS_IN_SUCCESSES = {
    # an error event in the middle of a stream that had begun with 200
    f"{_PYDANTIC}/test_groq/test_tool_use_failed_error_streaming.yaml#0",
    f"{_PYDANTIC}/test_groq/test_tool_use_failed_error_streaming_with_text.yaml#0",
    f"{_PYDANTIC}/test_openrouter/test_openrouter_stream_error.yaml#0",
    f"{_VERCEL}/openai/src/responses/__fixtures__/openai-error.1.chunks.txt#0",
    # bodies of errors that were kept without their status
    f"{_VERCEL}/openai/src/responses/__fixtures__/reasoning-model-temperature-error.json#0",
    f"{_VERCEL}/openai/src/responses/__fixtures__/openai-error.1.json#0",
    f"{_VERCEL}/openai/src/image/__fixtures__/gpt-image-response-format-error.json#0",
    f"{_VERCEL}/openai/src/chat/__fixtures__/reasoning-model-legacy-parameter-error.json#0",
    f"{_VERCEL}/google/src/__fixtures__/google-429-retry-info.json#0",
}
"""Recorded answers with a status of 2xx, or none, that say they are no answer."""

TOKENS = "https://oauth2.googleapis.com/token"
"""Whose answers are credentials, which no store may hold."""


def successes(exchanges: tuple[Exchange, ...]) -> list[Exchange]:
    """The 2xx answers but the one in brotli: whether that can be read is the environment's affair."""
    answers = [e for e in exchanges if 200 <= e.response.status < 300]
    return [e for e in answers if e.response.header("content-encoding") != "br"]


# --- every answer, under a question of its own ---


def stand_in(place: int) -> Request:
    """A question for the answer number *place*, whoever gave it and to what."""
    return Request(
        method="POST",
        url=f"{ORIGIN}/answers/{place}",
        headers=(("content-type", "application/json"),),
        body=b'{"answer": %d}' % place,
    )


@pytest.fixture(scope="module")
def shelf(exchanges: tuple[Exchange, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with every recorded 2xx answer, bought by eight threads at once."""
    path = tmp_path_factory.mktemp("shelf")

    def buy(numbered: tuple[int, Exchange]) -> None:
        place, exchange = numbered
        provider = Recorded(exchange.response)
        reply = session.answer(stand_in(place), provider)
        shown = Response(status=reply.status, headers=reply.headers, chunks=tuple(reply.chunks))
        assert plain(shown) == plain(exchange.response), exchange.name
        assert len(provider.asked) == 1, exchange.name

    with (
        Session.open("bought", store=path, hosts=["recorded.test"]) as session,
        ThreadPoolExecutor(8) as threads,
    ):
        assert list(threads.map(buy, enumerate(successes(exchanges))))
    return path


@pytest.fixture(scope="module")
def kept(shelf: Path, exchanges: tuple[Exchange, ...]) -> dict[int, Exchange]:
    """What is on the shelf, by the number of its question."""
    with Session.open(store=shelf, hosts=["recorded.test"]) as session:
        stored = {fingerprint for fingerprint, _ in session.store.questions()}
        return {
            place: exchange
            for place, exchange in enumerate(successes(exchanges))
            if (question := session.explain(stand_in(place))) and question.fingerprint in stored
        }


def test_every_answer_is_kept_but_those_that_are_none(
    kept: dict[int, Exchange], exchanges: tuple[Exchange, ...]
) -> None:
    dropped = [e for place, e in enumerate(successes(exchanges)) if place not in kept]

    tokens = {e.name for e in dropped if e.request and e.request.url.startswith(TOKENS)}
    assert len(kept) == 2670
    assert {e.name for e in dropped if e.response.body} == ERRORS_IN_SUCCESSES | tokens
    assert len(tokens) == 10
    assert sum(not e.response.body for e in dropped) == 16


def test_nothing_on_the_shelf_is_damaged(shelf: Path) -> None:
    with Session.open(store=shelf) as session:
        assert list(session.store.verify()) == []


def assert_same(exchange: Exchange, status: int, kind: str | None, body: bytes) -> None:
    assert status == exchange.response.status, exchange.name
    assert kind == exchange.response.header("content-type"), exchange.name
    assert body == plain(exchange.response), exchange.name


def test_every_kept_answer_comes_back_through_httpx(shelf: Path, kept: dict[int, Exchange]) -> None:
    with (
        cachesaver.install("httpx", store=shelf, mode="replay", hosts=["recorded.test"]),
        httpx.Client() as client,
    ):
        for place, exchange in kept.items():
            asked = stand_in(place)
            answer = client.post(asked.url, content=asked.body, headers=dict(asked.headers))

            assert "hit" in answer.headers["cache-status"], exchange.name
            kind = answer.headers.get("content-type")
            assert_same(exchange, answer.status_code, kind, answer.content)


def test_every_kept_answer_comes_back_through_aiohttp(
    shelf: Path, kept: dict[int, Exchange]
) -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as client:
            for place, exchange in kept.items():
                asked = stand_in(place)
                async with client.post(
                    asked.url, data=asked.body, headers=dict(asked.headers)
                ) as answer:
                    body = await answer.read()
                    assert_same(exchange, answer.status, answer.headers.get("content-type"), body)

    with cachesaver.install("aiohttp", store=shelf, mode="replay", hosts=["recorded.test"]):
        asyncio.run(ask())


def test_a_stream_comes_back_in_the_pieces_it_came_in(
    shelf: Path, kept: dict[int, Exchange]
) -> None:
    streams = {
        place: exchange.response
        for place, exchange in kept.items()
        if exchange.response.content_type == "text/event-stream"
    }

    assert len(streams) > 450
    with Session.open("pieces", store=shelf, mode="replay", hosts=["recorded.test"]) as session:
        for place, response in streams.items():
            if response.header("content-encoding") is None:
                reply = session.answer(stand_in(place), nobody)
                assert list(reply.chunks) == list(pieces(response.body)), kept[place].name


# --- every recognised question, as it was asked, with credentials planted ---

ONE_FOR_TWO = "openrouter/terminal_metadata_matrix/streaming_"
"""OpenRouter streams one choice where two were asked for: the second sample was never there."""

_LANGCHAIN_COHERE = "langchain-ai+langchain-cohere/libs/cohere/tests/integration_tests/cassettes"

FAILED_IN_THE_END = {
    # the last event gives ERROR as the finish reason
    f"{_LANGCHAIN_COHERE}/test_sql_agent.yaml#0",
    f"{_LANGCHAIN_COHERE}/test_sql_agent.yaml#1",
}

ASKED_IN_PART = {
    # one of its texts is known by then, and nobody recorded an answer to the other alone
    f"{_LANGCHAIN_COHERE}/test_langchain_cohere_aembedding_multiple_documents.yaml#0",
    # asks for one text twice: we ask for it once
    "tmc+langchaingo/llms/googleai/testdata/TestGoogleAICreateEmbedding.httprr#0",
}

MADE_UP = {
    # `"status": "complete"`: written by hand, by who could not record
    f"{_PYDANTIC}/test_openai_responses/test_openai_previous_response_id_auto_mode.yaml#0",
    f"{_PYDANTIC}/test_openai_responses/test_openai_responses_verbosity.yaml#0",
}

NOT_ASKED = ERRORS_IN_SUCCESSES | FAILED_IN_THE_END | ASKED_IN_PART | MADE_UP


_RUBY_LLM = "crmne+ruby_llm/spec/fixtures/vcr_cassettes"
_RUBY_OPENAI = "alexrudall+ruby-openai/spec/fixtures/cassettes"

LINKS = {
    # images that are only pointed to, by an address that is dead within the hour: never kept
    f"{_RUBY_OPENAI}/images_edit_image_png_A_solid_red_Ruby_on_a_blue_background.yml#0",
    f"{_RUBY_OPENAI}/images_variations_image_png.yml#0",
    (
        f"{_RUBY_LLM}/image_edit_functionality_with_xai_reference_images_xai_grok-imagine-image-quality"
        "_supports_image_edits_with_reference_images.yml#0"
    ),
}


@pytest.fixture(scope="module")
def conversations(exchanges: tuple[Exchange, ...]) -> list[Exchange]:
    """The 2xx exchanges that hold an answer, in their order, with questions to anyone."""
    return [
        planted(exchange)
        for exchange in successes(exchanges)
        if exchange.request
        and exchange.response.body
        and exchange.name not in NOT_ASKED | LINKS
        and not (ONE_FOR_TWO in exchange.name and exchange.count == 2)
    ]


def taken(session: Session, exchange: Exchange) -> Question | None:
    return session.explain(exchange.request) if exchange.request else None


def heard(reply: Reply) -> Response:
    return Response(status=reply.status, headers=reply.headers, chunks=tuple(reply.chunks))


@dataclass(frozen=True, slots=True)
class Cold:
    """A store that every recorded question was asked over.

    Attributes:
        live: What was answered the first time, by the exchange's name.
        bought: How many requests each of them took.
    """

    path: Path
    live: dict[str, Response]
    bought: dict[str, int]


@pytest.fixture(scope="module")
def cold(conversations: list[Exchange], tmp_path_factory: pytest.TempPathFactory) -> Cold:
    cold = Cold(tmp_path_factory.mktemp("cold"), {}, {})
    with Session.open("cold", store=cold.path, hosts=["*"]) as session:
        for exchange in conversations:
            if taken(session, exchange) and exchange.request:
                provider = Recorded(exchange.response)
                cold.live[exchange.name] = heard(session.answer(exchange.request, provider))
                cold.bought[exchange.name] = len(provider.asked)
    return cold


def test_every_question_is_bought_with_one_request(cold: Cold) -> None:
    """But where two were asked for and one was given: the missing one is asked for again.

    A question that always has the same answer is not even bought when it comes again.
    """
    twice = {name for name, requests in cold.bought.items() if requests > 1}
    never = {name for name, requests in cold.bought.items() if not requests}

    assert len(cold.bought) == 1603
    assert all(ONE_FOR_TWO.replace("streaming", "blocking") in name for name in twice)
    assert len(twice) == 4
    assert all(re.search(r"embed|Embed|Moderation|_tokens", name) for name in never)
    assert len(never) == 11


def test_every_question_is_answered_again_with_its_own_answer(
    cold: Cold, conversations: list[Exchange]
) -> None:
    """In a namespace that never asked, whose draws are the same: nothing is sent."""
    asked, first = Counter[tuple[str, bool]](), dict[str, bytes]()

    with Session.open("warm", store=cold.path, hosts=["*"], mode="replay") as session:
        for exchange in conversations:
            question = taken(session, exchange)
            if question is None or exchange.request is None:
                continue
            answer = heard(session.answer(exchange.request, nobody))
            asked[question.dialect.name, question.count > 1] += 1
            assert (answer.header("cache-status") or "").startswith("cachesaver; hit")
            if question.dialect.deterministic:  # always put together from the answers to its inputs
                told = first.setdefault(question.fingerprint, plain(exchange.response))
                assert json.loads(answer.body) == json.loads(told), exchange.name
            elif question.count == 1:
                kind = answer.header("content-type")
                assert_same(exchange, answer.status, kind, answer.body)
            else:
                assert_same_choices(question.dialect, cold.live[exchange.name], answer)

    assert asked == {
        ("openai.chat", False): 623,
        ("openai.chat", True): 37,
        ("openai.completions", False): 6,
        ("openai.completions", True): 2,
        ("openai.responses", False): 212,
        ("anthropic.messages", False): 121,
        ("anthropic.complete", False): 5,
        ("anthropic.count", False): 6,
        ("gemini.generate", False): 142,
        ("gemini.generate", True): 1,
        ("gemini.count", False): 7,
        ("gemini.embed", False): 6,
        ("gemini.interactions", False): 12,
        ("vertex.embed", False): 3,
        ("mistral.ocr", False): 2,
        ("openai.embeddings", False): 40,
        ("openai.moderations", False): 4,
        ("openai.input_tokens", False): 4,
        ("openai.images", False): 3,
        ("openai.images", True): 4,
        ("openai.transcriptions", False): 9,
        ("openai.speech", False): 17,
        ("cohere.chat", False): 30,
        ("cohere.chat_v1", False): 3,
        ("cohere.embed", False): 3,
        ("cohere.embed_v1", False): 9,
        ("cohere.rerank", False): 4,
        ("cohere.tokens", False): 3,
        ("rerank", False): 4,
        ("bedrock.converse", False): 54,
        ("bedrock.anthropic", False): 20,
        ("bedrock.invoke", False): 22,
        ("bedrock.embed", False): 8,
        ("bedrock.count_tokens", False): 3,
        ("ollama.chat", False): 31,
        ("ollama.generate", False): 2,
        ("ollama.embed", False): 5,
        ("generic", False): 136,
    }


def assert_same_choices(dialect: Dialect, live: Response, answer: Response) -> None:
    """Several samples are told anew, choice by choice, each in the words it had."""
    one, other = (choices(dialect, response) for response in (live, answer))
    assert len(one) > 1
    assert one == other


def choices(dialect: Dialect, response: Response) -> list[object]:
    document: Any = json.loads(dialect.whole(response).body)
    return [
        {name: value for name, value in choice.items() if value not in (None, [])}
        for choice in document.get("choices") or document.get("candidates") or document["data"]
    ]


IN_ONE_FORM_ONLY = {
    # answers of which no stream is known; tests/corpus/test_conversions.py
    (
        f"{_RUBY_LLM}/image_edit_functionality_with_openrouter_reference_images_openrouter_google_"
        "gemini-3_1-flash-lite-image_edits_images_passed_via_with.yml#0"
    ),
    (
        f"{_RUBY_LLM}/transcription_basic_functionality_mistral_voxtral-mini-latest_can_transcribe_"
        "audio.yml#0"
    ),
}


def test_every_question_is_answered_in_the_other_form_too(
    cold: Cold, conversations: list[Exchange]
) -> None:
    """Given a stream, when it is asked for whole, or the reverse, then the store answers it."""
    refused, turned = set[str](), Counter[str]()

    with Session.open("other", store=cold.path, hosts=["*"], mode="replay") as session:
        for exchange in conversations:
            question = taken(session, exchange)
            if question is None or not question.dialect.converts:
                continue
            other = in_other_form(question)
            if not has_other_form(question, other):
                continue
            assert taken(session, replace(exchange, request=other)) is not None, exchange.name
            try:
                answer = heard(session.answer(other, nobody))
            except DialectError:
                refused.add(exchange.name)
                continue
            dialect = question.dialect
            assert dialect.streamed(answer) is not question.wants_stream, exchange.name
            assert dialect.fits(answer, other, parse_body(other).members), exchange.name
            assert dialect.sound(answer), exchange.name
            turned["whole" if question.wants_stream else "stream"] += 1

    assert refused == IN_ONE_FORM_ONLY
    assert turned == {"stream": 804, "whole": 430}


def in_other_form(question: Question) -> Request:
    """What asks the same for a whole answer instead of a stream, or for a stream instead."""
    request, streams = question.request, question.wants_stream
    if question.dialect.name == "gemini.generate":
        one, other = ":generateContent", ":streamGenerateContent"
        return replace(
            request, url=request.url.replace(*((other, one) if streams else (one, other)))
        )
    if (request.header("content-type") or "").startswith("multipart/"):
        return with_field(request, "stream", "false" if streams else "true")
    return request.with_body(json.dumps({**question.body, "stream": not streams}).encode())


def has_other_form(question: Question, other: Request) -> bool:
    """No stream of several images is documented; of transcriptions, whisper-1 gives none."""
    if question.dialect.name == "openai.images":
        return question.count == 1
    asked = question.dialect.wants_stream(other, parse_body(other).members)
    return asked is not question.wants_stream


def test_no_credential_is_found_in_the_store(
    cold: Cold, exchanges: tuple[Exchange, ...], conversations: list[Exchange]
) -> None:
    """Neither in its files nor in its records, decompressed; planted ones nor those recorded."""
    own = carried(exchanges)
    assert len(own) > 60
    needles = re.compile(b"|".join(map(re.escape, sorted({*PLANTED, *own}))))
    asked = [
        repr(each.request and (each.request.url, each.request.headers)) for each in conversations
    ]
    assert len(set(needles.findall("".join(asked).encode()))) > 50  # they are there to be found

    with Session.open(store=cold.path) as session:
        for path in cold.path.rglob("*"):
            assert not path.is_file() or not needles.findall(path.read_bytes()), path.name
        for fingerprint, question in session.store.questions():
            assert not needles.findall(question), question[:100]
            for _, sample in session.store.samples(fingerprint):
                kept = repr((sample.draw, sample.model, sample.user_agent, sample.usage))
                headers = repr(sample.response.headers)
                text = f"{kept}{headers}".encode() + sample.response.body
                assert not needles.findall(text), question[:100]


def test_no_credential_is_found_in_a_miss_or_a_log(
    cold: Cold, conversations: list[Exchange], caplog: pytest.LogCaptureFixture
) -> None:
    needles = re.compile(b"|".join(map(re.escape, PLANTED)))
    told = list[str]()

    with Session.open("miss", store=cold.path, hosts=["*"], mode="replay") as session:
        for exchange in conversations[::60]:
            request = exchange.request
            if request is None or taken(session, exchange) is None:
                continue
            other = request.with_body(request.body.replace(b'{"planted": "', b'{"planted": "x '))
            with pytest.raises(NotRecordedError) as miss:
                session.answer(other, nobody)
            told.append(f"{miss.value}{miss.value!r}")

    assert len(told) > 15
    assert not needles.findall("".join([*told, caplog.text]).encode())
