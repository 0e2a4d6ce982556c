from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver import dialects
from cachesaver.dialects.gemini_embed import GeminiEmbed, VertexEmbed
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Object = dict[str, Any]

EMBED, PREDICT = GeminiEmbed(), VertexEmbed()
STUDIO = "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001"
VERTEX = "/v1/projects/p/locations/l/publishers/google/models/"
REGION = f"https://us-central1-aiplatform.googleapis.com{VERTEX}"


def asked(text: str, **more: object) -> Object:
    return {"model": "models/m", "content": {"parts": [{"text": text}]}, **more}


BATCH: Object = {"requests": [asked("a"), asked("bcd" * 9), asked("a")]}
INSTANCES: Object = {
    "instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY"}, {"content": "b"}],
    "parameters": {"outputDimensionality": 2},
}


def request(url: str = f"{STUDIO}:batchEmbedContents", body: object = BATCH) -> Request:
    coded = (("content-encoding", "gzip"), ("x-goog-api-key", "k"))
    return Request(method="POST", url=url, headers=coded, body=json.dumps(body).encode())


def response(body: object) -> Response:
    return Response(status=200, chunks=(json.dumps(body).encode(),))


def embeddings(*values: float, **more: object) -> Object:
    return {"embeddings": [{"values": [value]} for value in values], **more}


def predictions(*counts: int) -> Object:
    found = [{"embeddings": {"values": [0.5], "statistics": {"token_count": n}}} for n in counts]
    return {"predictions": found, "metadata": {"billableCharacterCount": 7}}


# -- what is ours


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (f"{STUDIO}:batchEmbedContents", BATCH),
        (f"{STUDIO}%3AbatchEmbedContents", BATCH),
        (f"{STUDIO}:embedContent", asked("a")),
        (f"{REGION}gemini-embedding-2:embedContent", asked("a")),
        (f"{REGION}gemini-embedding-2:batchEmbedContents", BATCH),
        (f"http://gateway.test{VERTEX}gemini-embedding-2:embedContent", asked("a")),
    ],
)
def test_embed_content_is_ours_wherever_it_is_served(url: str, body: Object) -> None:
    assert isinstance(dialects.recognise(request(url, body), body), GeminiEmbed)


@pytest.mark.parametrize(
    ("method", "body"),
    [
        (":batchEmbedContents", {"requests": []}),
        (":batchEmbedContents", {"requests": ["a"]}),
        (":batchEmbedContents", {"requests": [{"content": "a"}]}),
        (":batchEmbedContents", asked("a")),
        (":embedContent", {"content": "a"}),
        (":embedContent", {**asked("a"), "requests": [asked("b")]}),
        (":embedText", asked("a")),
        (":asyncBatchEmbedContent", asked("a")),
    ],
)
def test_another_shape_is_not(method: str, body: Object) -> None:
    assert dialects.recognise(request(STUDIO + method, body), body) is None


@pytest.mark.parametrize(
    "model",
    [
        "text-embedding-005",
        "text-embedding-004%40default",
        "text-multilingual-embedding-002",
        "textembedding-gecko@003",
        "gemini-embedding-001",
        "multimodalembedding@001",
    ],
)
@pytest.mark.parametrize(
    "host",
    [
        "aiplatform.googleapis.com",
        "us-central1-aiplatform.googleapis.com",
        "aiplatform.eu.rep.googleapis.com",
        "aiplatform.mtls.googleapis.com",
    ],
)
def test_predictions_of_embedding_models_are_ours_on_vertex(host: str, model: str) -> None:
    url = f"https://{host}{VERTEX}{model}:predict"

    assert isinstance(dialects.recognise(request(url, INSTANCES), INSTANCES), VertexEmbed)


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (f"{REGION}imagen-4.0-generate-001:predict", {"instances": [{"prompt": "a cat"}]}),
        (f"{REGION}text-bison:predict", {"instances": [{"content": "a"}]}),
        (f"{REGION}text-embedding-005:predictLongRunning", INSTANCES),
        (f"https://x.test{VERTEX}text-embedding-005:predict", INSTANCES),
        (f"{REGION}text-embedding-005:predict", {"instances": [{"prompt": "a"}]}),
        (f"{REGION}text-embedding-005:predict", {"instances": []}),
        (f"{REGION}text-embedding-005:predict", {"instances": "a"}),
        (
            "https://l-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/1:predict",
            {"instances": [{"content": "a"}]},
        ),
    ],
)
def test_other_predictions_pass_through(url: str, body: Object) -> None:
    assert dialects.recognise(request(url, body), body) is None


# -- a batch is as many questions as it has requests


def test_an_input_is_asked_alone_as_in_a_batch() -> None:
    assert EMBED.inputs(BATCH) == tuple({"requests": [each]} for each in BATCH["requests"])
    assert PREDICT.inputs(INSTANCES)[1] == {
        "instances": [{"content": "b"}],
        "parameters": {"outputDimensionality": 2},
    }
    assert EMBED.inputs(asked("a")) == (asked("a"),)


def test_what_shapes_an_embedding_is_its_question() -> None:
    bodies = [
        {"requests": [asked("a")]},
        {"requests": [asked("a", taskType="RETRIEVAL_QUERY")]},
        {"requests": [asked("a", outputDimensionality=768)]},
        {"requests": [asked("b")]},
    ]

    assert len({identify(request(body=b), EMBED).fingerprint for b in bodies}) == len(bodies)


def test_fewer_inputs_are_asked_for_in_their_order() -> None:
    fewer = EMBED.ask_inputs(request(), BATCH, [0, 1])

    assert json.loads(fewer.body) == {"requests": BATCH["requests"][:2]}
    assert fewer.header("content-encoding") is None
    assert fewer.header("x-goog-api-key") == "k"
    assert EMBED.ask_inputs(request(), BATCH, [0, 1, 2]) == request()
    assert EMBED.ask_inputs(request(), asked("a"), [0]) == request()


def test_an_answer_is_taken_apart_and_put_together() -> None:
    usage = {
        "promptTokenCount": 30,
        "promptTokenDetails": [{"modality": "TEXT", "tokenCount": 30}],
    }
    whole = response(embeddings(0.1, 0.2, 0.1, usageMetadata=usage))

    parts = EMBED.split_inputs(whole, EMBED.inputs(BATCH))

    assert [json.loads(part.body)["embeddings"] for part in parts] == [
        [{"values": [0.1]}],
        [{"values": [0.2]}],
        [{"values": [0.1]}],
    ]
    counts = [int(str(EMBED.usage(part)[1]["promptTokenCount"])) for part in parts]
    assert counts[1] == max(counts)
    assert sum(counts) == 30
    assert json.loads(EMBED.join(parts).body) == json.loads(whole.body)
    assert all(map(EMBED.sound, parts))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6), st.data())
def test_any_batch_comes_back_from_its_parts(counts: list[int], data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.text(), min_size=len(counts), max_size=len(counts)))
    body = {"instances": [{"content": text} for text in texts]}
    whole = response(predictions(*counts))

    parts = PREDICT.split_inputs(whole, PREDICT.inputs(body))

    assert json.loads(PREDICT.join(parts).body) == json.loads(whole.body)
    told = [PREDICT.usage(part)[1] for part in parts]
    assert sum(int(str(each["token_count"])) for each in told) == sum(counts)
    assert sum(int(str(each["billableCharacterCount"])) for each in told) == 7


def test_answers_without_counts_are_joined_without() -> None:
    parts = EMBED.split_inputs(response(embeddings(0.1, 0.2, 0.3)), EMBED.inputs(BATCH))
    counted = response(embeddings(0.4, usageMetadata={"promptTokenCount": 1}))

    assert json.loads(EMBED.join([*parts, counted]).body) == embeddings(0.1, 0.2, 0.3, 0.4)
    assert EMBED.join([counted]) is counted
    assert EMBED.usage(parts[0]) == ("", {})


@pytest.mark.parametrize(
    "answer",
    [
        embeddings(0.1, 0.2),
        embeddings(0.1, 0.2, 0.3, 0.4),
        embeddings(0.1, 0.2, 0.3, truncated=True),
        {"embeddings": [0.1, 0.2, 0.3]},
        {"embeddings": {"values": [0.1]}},
        {},
        [],
    ],
)
def test_an_answer_that_cannot_be_taken_apart_for_sure_is_refused(answer: object) -> None:
    with pytest.raises(DialectError):
        EMBED.split_inputs(response(answer), EMBED.inputs(BATCH))


NONE: list[float] = []


def test_one_request_has_one_embedding() -> None:
    """Given a surplus, then it is not kept to be taken for the answer to an input that comes later."""
    (one,) = EMBED.inputs({"requests": [asked("a")]})

    with pytest.raises(DialectError):
        EMBED.split_inputs(response(embeddings(0.1, 0.2)), [one])
    assert EMBED.split_inputs(response(embeddings(0.1)), [one]) == (response(embeddings(0.1)),)
    assert EMBED.split_inputs(response({"embedding": {}}), [asked("a")])


def test_nothing_to_join_is_refused() -> None:
    with pytest.raises(DialectError):
        EMBED.join([])


def test_what_is_nested_too_deeply_is_refused() -> None:
    deep: object = 0
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(DialectError):
        EMBED.split_inputs(response(embeddings(0.1, 0.2)), [{"requests": deep}, {"requests": 1}])
    with pytest.raises(DialectError):
        EMBED.ask_inputs(request(), {"requests": [deep, 1]}, [0])

    nested: object = 0
    for _ in range(900):
        nested = {"a": nested}
    counted = response(embeddings(0.1, 0.2, 0.3, usageMetadata=nested))
    with contextlib.suppress(DialectError):
        EMBED.join(EMBED.split_inputs(counted, EMBED.inputs(BATCH)))


# -- what is an answer


@pytest.mark.parametrize(
    ("dialect", "answer", "sound"),
    [
        (EMBED, embeddings(0.1), True),
        (EMBED, {"embedding": {"values": [0.1]}, "usageMetadata": {}}, True),
        (EMBED, {"embedding": {}}, False),
        (EMBED, {"embeddings": []}, False),
        (EMBED, {"embeddings": [{"values": None}]}, False),
        (EMBED, {"embeddings": [{"values": NONE}]}, False),
        (EMBED, {"embedding": {"values": NONE}}, False),
        (PREDICT, {"predictions": [{"embeddings": {"values": NONE}}]}, False),
        (PREDICT, {"predictions": [{"imageEmbedding": NONE}]}, False),
        (EMBED, {**embeddings(0.1), "error": {"code": 500}}, False),
        (EMBED, "text", False),
        (PREDICT, predictions(3), True),
        (PREDICT, {"predictions": [{"imageEmbedding": [0.1], "textEmbedding": [0.2]}]}, True),
        (PREDICT, {"predictions": [{"bytesBase64Encoded": "AA=="}]}, False),
        (PREDICT, {"predictions": [{"embeddings": {"values": "none"}}]}, False),
        (PREDICT, {"predictions": []}, False),
    ],
)
def test_an_answer_holds_an_embedding_for_each(
    dialect: GeminiEmbed | VertexEmbed, answer: object, sound: object
) -> None:
    assert dialect.sound(response(answer)) is sound


def test_what_was_counted_is_told() -> None:
    single = {"embedding": {"values": [1]}, "usageMetadata": {"promptTokenCount": 3}}

    assert EMBED.usage(response(single)) == ("", {"promptTokenCount": 3})
    assert PREDICT.usage(response(predictions(3, 4))) == (
        "",
        {"token_count": 7, "billableCharacterCount": 7},
    )
    assert PREDICT.usage(response({"predictions": [{"textEmbedding": [1]}]})) == ("", {})
    assert not EMBED.wants_stream(request(), {"stream": True})
    assert EMBED.deterministic
    assert PREDICT.deterministic
