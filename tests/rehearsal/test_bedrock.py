"""What all of Bedrock's operations share, judged by botocore."""

from __future__ import annotations

from typing import Any

import pytest

from aws import EventStreamBuffer
from cachesaver.rehearsal.bedrock import BedrockApi, frame, model_in
from cachesaver.rehearsal.values import NamesErrors, RejectedError

API = BedrockApi()


def read(body: bytes) -> list[Any]:
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return list(buffer)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "ValidationException"),
        (429, "ThrottlingException"),
        (503, "ServiceUnavailableException"),
        (418, "InternalServerException"),
    ],
)
def test_a_header_says_which_error_it_is(status: int, name: str) -> None:
    error = RejectedError(status, "no")

    assert isinstance(API, NamesErrors)
    assert API.error_headers(error)["x-amzn-errortype"].partition(":")[0] == name
    assert API.error(error) == {"message": "no"}


@pytest.mark.parametrize(
    ("status", "name"),
    [(429, "throttlingException"), (404, "internalServerException")],
)
def test_in_a_stream_an_exception_says_so(status: int, name: str) -> None:
    (message,) = read(API.error_frame(RejectedError(status, "no"), 2))

    assert message.headers[":message-type"] == "exception"
    assert message.headers[":exception-type"] == name
    assert message.payload == b'{"message":"no"}'


def test_events_are_padded_by_what_they_say() -> None:
    one, again, other = (frame("messageStop", {"stopReason": r}) for r in ("a", "a", "b"))

    (message,) = read(one)
    assert message.headers[":event-type"] == "messageStop"
    assert b'"p":"' in message.payload
    assert one == again != other


def test_the_model_stands_in_the_path() -> None:
    assert model_in("/model/us.amazon.nova-lite-v1:0/converse") == "us.amazon.nova-lite-v1:0"
    assert model_in("/model/arn:aws:bedrock:r:1:p/x/invoke") == "arn:aws:bedrock:r:1:p/x"
    assert model_in("/models") == ""


def test_every_answer_has_its_own_id() -> None:
    assert API.headers(0) != API.headers(1)
