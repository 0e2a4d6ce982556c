"""Routing, control, faults and pacing, over real sockets."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import pytest

from cachesaver.rehearsal import Calls, Rehearsal
from cachesaver.rehearsal.app import find_api

ASK: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/chat/completions", "openai.chat"),
        ("/openai/deployments/d/chat/completions", "openai.chat"),
        ("/api/gateway/v1/responses", "openai.responses"),
        ("/v1/completions", "openai.completions"),
        ("/v1/embeddings", "openai.embeddings"),
        ("/v1/responses/input_tokens", "openai.input_tokens"),
        ("/v1/moderations", "openai.moderations"),
        ("/v1/images/generations", "openai.images"),
        ("/v1/images/edits", "openai.images.edits"),
        ("/v1/images/variations", "openai.images.variations"),
        ("/v1/audio/transcriptions", "openai.transcriptions"),
        ("/v1/audio/translations", "openai.translations"),
        ("/openai/deployments/d/audio/speech", "openai.speech"),
        ("/v1/messages", "anthropic.messages"),
        ("/v2/chat", "cohere.chat"),
        ("/v1/chat", "cohere.chat_v1"),
        ("/v1/embed", "cohere.embed"),
        ("/v2/embed", "cohere.embed"),
        ("/v1/tokenize", "cohere.tokenize"),
        ("/v1/detokenize", "cohere.detokenize"),
        ("/v2/rerank", "rerank"),
        ("/v1/messages/count_tokens", "anthropic.count_tokens"),
        ("/v1beta/models/gemini-2.5-flash:generateContent", "gemini.generate"),
        (
            "/v1/projects/p/locations/l/publishers/google/models/g:countTokens",
            "gemini.count_tokens",
        ),
        ("/v1/complete", "anthropic.complete"),
        ("/v1beta/models/e:embedContent", "gemini.embed"),
        ("/v1beta/models/e:batchEmbedContents", "gemini.embed"),
        ("/v1beta/interactions", "gemini.interactions"),
        ("/v2/query", "plain.query"),
        ("/orders", "orders"),
    ],
)
def test_paths_lead_to_apis(path: str, name: str) -> None:
    found = find_api(path, {})

    assert found is not None
    assert found[0] == name


@pytest.mark.parametrize(
    "path", ["/", "/v3/chat", "/v1/messages/batches", "/v1/chat/completions/x"]
)
def test_other_paths_are_unknown(rehearsal: Rehearsal, http: httpx2.Client, path: str) -> None:
    assert http.post(rehearsal.url + path, json=ASK).status_code == 404
    assert rehearsal.calls().calls == 1


def test_a_body_that_is_no_json_is_refused_in_the_providers_own_form(
    rehearsal: Rehearsal, http: httpx2.Client
) -> None:
    openai = http.post(f"{rehearsal.url}{CHAT}", content=b"{")
    anthropic = http.post(f"{rehearsal.url}/v1/messages", content=b"[]")

    assert openai.json()["error"]["type"] == "invalid_request_error"
    assert anthropic.json()["type"] == "error"
    assert (openai.status_code, anthropic.status_code) == (400, 400)


def test_the_control_endpoints_do_what_the_methods_do(
    rehearsal: Rehearsal, http: httpx2.Client
) -> None:
    url = rehearsal.url
    planned = http.post(f"{url}/rehearsal/faults", json={"fault": "500;times=1"})
    statuses = [http.post(f"{url}{CHAT}", json=ASK).status_code for _ in range(2)]
    calls = http.get(f"{url}/rehearsal/calls").json()

    assert (planned.status_code, statuses) == (200, [500, 200])
    assert Calls.from_json(calls) == rehearsal.calls()
    assert (rehearsal.calls().calls, rehearsal.calls().total.failed) == (2, 1)
    assert http.post(f"{url}/rehearsal/reset").status_code == 200
    assert rehearsal.calls() == Calls()


def test_a_fault_that_is_none_is_refused(rehearsal: Rehearsal, http: httpx2.Client) -> None:
    answer = http.post(f"{rehearsal.url}/rehearsal/faults", json={"fault": "explode"})

    assert answer.status_code == 400
    assert "explode" in answer.json()["error"]


def test_what_arrived_is_remembered_without_credentials(
    rehearsal: Rehearsal, http: httpx2.Client
) -> None:
    headers = {"authorization": "Bearer secret", "x-own": "1"}

    http.post(f"{rehearsal.url}{CHAT}?key=secret&a=b", json=ASK, headers=headers)

    (received,) = rehearsal.calls().received
    assert (received.method, received.path, received.status) == ("POST", f"{CHAT}?a=b", 200)
    assert dict(received.headers)["x-own"] == "1"
    assert [name[8:] for name in received.samples] == ["#0"]
    assert '"content":"Hi"' in received.body
    assert "secret" not in repr(received)


def test_unknown_models_are_unknown_only_where_they_are_listed(http: httpx2.Client) -> None:
    with Rehearsal(models=("known",)) as provider:
        url = provider.url + CHAT
        statuses = [http.post(url, json=ASK | {"model": m}).status_code for m in ("known", "other")]
        error = http.post(url, json=ASK).json()["error"]

    assert statuses == [200, 404]
    assert error["code"] == "model_not_found"


def test_every_answer_names_its_samples(rehearsal: Rehearsal, http: httpx2.Client) -> None:
    answer = http.post(f"{rehearsal.url}{CHAT}", json=ASK | {"n": 2})

    tags = answer.headers["x-rehearsal-samples"].split(",")
    texts = [choice["message"]["content"] for choice in answer.json()["choices"]]
    assert [text[1 : text.index("]")] for text in texts] == tags


def test_an_error_says_when_to_come_back(rehearsal: Rehearsal, http: httpx2.Client) -> None:
    headers = {"x-rehearsal-fault": "429;retry-after=0.25;times=1"}

    answers = [http.post(f"{rehearsal.url}{CHAT}", json=ASK, headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [429, 200]
    assert answers[0].headers["retry-after"] == "0.25"


@pytest.mark.parametrize("stream", [True, False])
def test_a_cut_breaks_the_connection_in_the_middle(
    rehearsal: Rehearsal,
    http: httpx2.Client,
    *,
    stream: bool,
) -> None:
    """Given a cut, then part of the body arrives, and the client learns that it is not all."""
    rehearsal.fault("cut-stream;after=3")
    got: list[bytes] = []

    with (
        pytest.raises(httpx2.RemoteProtocolError),
        http.stream("POST", f"{rehearsal.url}{CHAT}", json=ASK | {"stream": stream}) as answer,
    ):
        got.extend(answer.iter_raw())

    assert b"".join(got).count(b"data: ") == (3 if stream else 0)
    assert b"".join(got)
    assert rehearsal.calls().samples == 1


def test_a_hanging_answer_never_begins_and_a_stalled_one_never_ends(
    rehearsal: Rehearsal, http: httpx2.Client
) -> None:
    url = f"{rehearsal.url}{CHAT}"
    body = ASK | {"stream": True}

    with pytest.raises(httpx2.ReadTimeout):
        http.post(url, json=body, headers={"x-rehearsal-fault": "hang"}, timeout=0.2)
    stalled = {"x-rehearsal-fault": "hang;after=2"}
    with http.stream("POST", url, json=body, headers=stalled, timeout=1.0) as answer:
        chunks = answer.iter_raw()
        assert b"data: " in next(chunks)
        with pytest.raises(httpx2.ReadTimeout):
            list(chunks)

    assert rehearsal.calls().of("openai.chat").failed == 1


def test_a_whole_answer_that_cannot_have_events_is_an_error(
    rehearsal: Rehearsal, http: httpx2.Client
) -> None:
    rehearsal.fault("error-event")

    assert http.post(f"{rehearsal.url}{CHAT}", json=ASK).status_code == 500


def test_time_passes_before_the_head_and_between_tokens(http: httpx2.Client) -> None:
    """Given a paced provider, then a stream's head comes early and its end as late as the whole."""
    with Rehearsal(latency="0.1+0.02/token") as provider:
        url = provider.url + CHAT
        ask = ASK | {"max_tokens": 10}
        start = time.monotonic()
        http.post(url, json=ask)
        whole = time.monotonic() - start
        provider.latency = "0.1+0.02/token"
        start = time.monotonic()
        with http.stream("POST", url, json=ask | {"stream": True}) as answer:
            chunks = answer.iter_raw()
            next(chunks)
            head = time.monotonic() - start
            list(chunks)
        end = time.monotonic() - start

    # Lower bounds only: a busy machine is later than asked, never earlier.
    assert whole >= 0.1 + 10 * 0.02
    assert head >= 0.1
    assert end >= 0.1 + 10 * 0.02
    assert provider.latency.base == 0.1


def test_a_slow_head_is_slow(rehearsal: Rehearsal, http: httpx2.Client) -> None:
    headers = {"x-rehearsal-fault": "slow-head;seconds=0.2"}
    start = time.monotonic()

    answer = http.post(f"{rehearsal.url}{CHAT}", json=ASK, headers=headers)

    assert answer.status_code == 200
    assert time.monotonic() - start >= 0.2
