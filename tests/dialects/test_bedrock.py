"""Who is asked: Bedrock by its hosts, by what a request is signed for, or because the user says so."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from aws import AWSRequest, Credentials, SigV4Auth
from cachesaver.dialects import aws_events, recognise
from cachesaver.dialects.bedrock import (
    HOSTS,
    BedrockDialect,
    event_stream,
    events_of,
    is_signed_for_bedrock,
    model_of,
    object_of,
)
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

CONVERSE: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
AWAY = "http://127.0.0.1:4566"


def ask(url: str, *headers: tuple[str, str]) -> Request:
    body = json.dumps(CONVERSE).encode()
    return Request(method="POST", url=url, headers=headers, body=body)


def signed(url: str, service: str = "bedrock") -> Request:
    """As botocore signs it."""
    request: Any = AWSRequest(method="POST", url=url, data=json.dumps(CONVERSE))
    SigV4Auth(Credentials("AKIDEXAMPLE", "secret", "token"), service, "eu-west-1").add_auth(request)
    return ask(url, *request.headers.items())


def found(request: Request, *hosts: str) -> str | None:
    dialect = recognise(request, CONVERSE, hosts=hosts)
    return dialect.name if dialect else None


@pytest.mark.parametrize(
    "host",
    [
        "bedrock-runtime.us-east-1.amazonaws.com",
        "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
        "bedrock-runtime.cn-north-1.amazonaws.com.cn",
        "bedrock-runtime.eusc-de-east-1.amazonaws.eu",
        "bedrock-runtime.us-east-1.api.aws",
        "vpce-0a1b-2c3d.bedrock-runtime.us-east-1.vpce.amazonaws.com",
    ],
)
def test_its_hosts_are_known(host: str) -> None:
    assert found(ask(f"https://{host}/model/m/converse")) == "bedrock.converse"


@pytest.mark.parametrize(
    "host",
    [
        "bedrock.us-east-1.amazonaws.com",
        "bedrock-runtime.us-east-1.amazonaws.com.evil.test",
        "bedrock-runtime.evil.test",
        "xbedrock-runtime.us-east-1.amazonaws.com",
        "bedrock-agent-runtime.us-east-1.amazonaws.com",
    ],
)
def test_others_are_not_taken_for_them(host: str) -> None:
    assert re.fullmatch(HOSTS, f"{host}:443") is None
    assert found(ask(f"https://{host}/model/m/converse")) is None


def test_what_is_signed_for_it_is_its_on_any_host() -> None:
    url = f"{AWAY}/model/m/converse"

    assert found(signed(url)) == "bedrock.converse"
    assert found(ask(url)) is None
    assert found(signed(url, "s3")) is None
    assert found(signed(url, "bedrock-agentcore")) is None


def test_a_host_the_user_named_is_taken_for_one_of_its() -> None:
    assert found(ask(f"{AWAY}/model/m/converse"), "127.0.0.1") == "bedrock.converse"


@pytest.mark.parametrize(
    ("authorization", "is_signed"),
    [
        (
            "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/bedrock/aws4_request, Signature=x",
            True,
        ),
        ("AWS4-ECDSA-P256-SHA256 Credential=A/20260101/bedrock/aws4_request,Signature=x", True),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Credential=A/1/r/bedrock/aws4_request", True),
        ("AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, Signature=x", False),
        ("Bearer Credential=A/20260101/us-east-1/bedrock/aws4_request", False),
        ("Bearer bedrock", False),
        ("", False),
    ],
)
def test_the_scope_of_the_credential_names_the_service(
    authorization: str, *, is_signed: bool
) -> None:
    request = ask(AWAY, ("Authorization", authorization))

    assert is_signed_for_bedrock(request) is is_signed


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/model/us.amazon.nova-lite-v1%3A0/converse", "us.amazon.nova-lite-v1:0"),
        ("/model/a.b-v1:0/invoke", "a.b-v1:0"),
        ("/model/arn%3Aaws%3Abedrock%3Ar%3A1%3Ap%2Fx/invoke", "arn:aws:bedrock:r:1:p/x"),
        ("/models", ""),
    ],
)
def test_the_path_names_the_model(path: str, model: str) -> None:
    assert model_of(ask(f"{AWAY}{path}")) == model


def response(body: bytes, kind: str = "") -> Response:
    headers = (("content-type", kind),) if kind else ()
    return Response(status=200, headers=headers, chunks=(body,))


class Shouted(BedrockDialect):
    name = "bedrock.shouted"
    last_event = "end"


SHOUTED = Shouted()
END = aws_events.event("end", b'{"loud":true,"p":"abc"}')
LIKE = Response(status=200, headers=(("x-amzn-requestid", "r"), ("content-type", "x")))


def test_events_are_written_and_read_without_their_padding() -> None:
    stream = event_stream(LIKE, [("say", {"a": 1}), ("end", {})], dialect="d")

    assert events_of(stream, dialect="d") == [("say", {"a": 1}), ("end", {})]
    assert len(stream.chunks) == 2
    assert stream.content_type == aws_events.MEDIA_TYPE
    assert stream.header("x-amzn-requestid") == "r"
    assert events_of(response(aws_events.encode(END)), dialect="d") == [("end", {"loud": True})]


@pytest.mark.parametrize("payload", [b"[]", b"", b"\xff", b"{", b"NaN"])
def test_an_event_that_is_no_json_object_is_refused(payload: bytes) -> None:
    body = aws_events.encode(aws_events.event("end", payload))

    with pytest.raises(DialectError):
        events_of(response(body), dialect="d")
    assert not SHOUTED.finished(body)
    assert not SHOUTED.sound(response(body))


def test_an_exception_is_no_answer() -> None:
    body = aws_events.encode(aws_events.failure("throttlingException", b"{}"))

    with pytest.raises(DialectError, match="went wrong"):
        events_of(response(body), dialect="d")
    assert not SHOUTED.finished(body)
    assert not SHOUTED.sound(response(body))


def test_a_stream_is_told_by_its_body_before_its_label() -> None:
    """Given recordings without a label, and errors under a stream's."""
    assert SHOUTED.streamed(response(aws_events.encode(END)))
    assert SHOUTED.streamed(response(b"", aws_events.MEDIA_TYPE))
    assert not SHOUTED.streamed(response(b' {"message":"no"}', aws_events.MEDIA_TYPE))
    assert not SHOUTED.streamed(response(b"", "application/json"))


def test_a_stream_is_over_with_its_last_event() -> None:
    body = aws_events.encode(aws_events.event("say", b"{}"))

    assert SHOUTED.finished(body + aws_events.encode(END))
    assert not SHOUTED.finished(body)
    assert not SHOUTED.finished(body + aws_events.encode(END)[:-1])
    assert SHOUTED.sound(response(body + aws_events.encode(END)))
    assert not SHOUTED.sound(response(b"", aws_events.MEDIA_TYPE))
    assert not SHOUTED.sound(response(b"{}"))
    assert not SHOUTED.recognises(ask(AWAY), {})


def test_what_is_no_object_is_an_empty_one() -> None:
    assert object_of({"a": 1}) == {"a": 1}
    assert object_of([1]) == object_of(None) == {}
