"""By replay nothing that looks like a provider call goes through a session, answered or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from cachesaver.contexts import is_inside
from cachesaver.errors import NotReplayableError, ReplayError
from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.session import Session

OPENAI = "https://api.openai.com/v1"


class Provider:
    """Answers, and remembers what it was asked, and whether hooks further down would be heard."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.inside: list[bool] = []

    def send(self, request: Request) -> Reply:
        self.asked.append(request)
        self.inside.append(is_inside())
        return Reply(status=200, headers=(), chunks=iter((b"{}",)), close=lambda: None)

    async def asend(self, request: Request) -> AsyncReply:
        self.asked.append(request)
        self.inside.append(is_inside())

        async def chunks() -> AsyncIterator[bytes]:
            yield b"{}"

        async def close() -> None:
            pass

        return AsyncReply(status=200, headers=(), chunks=chunks(), close=close)


def kept_out(request: Request) -> bool:
    return False


def taken(request: Request) -> bool:
    return True


def replaying(**options: Any) -> Session:
    return Session.open(store="memory://", mode="replay", **options)


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", f"{OPENAI}/models", b""),
        ("POST", f"{OPENAI}/files?key=secret", b"--b\r\n"),
        ("GET", f"{OPENAI}/batches/b", b""),
        (
            "POST",
            f"{OPENAI}/images/generations",
            b'{"model":"m","prompt":"p","response_format":"url"}',
        ),
        ("POST", f"{OPENAI}/chat/completions", b'{"model":"m"}'),
        ("POST", f"{OPENAI}/traces/ingest", b"{}"),
        ("PUT", f"{OPENAI}/whatever", b""),
        ("GET", "http://127.0.0.1:8000/v1/responses/resp_1", b""),
        (
            "POST",
            "http://127.0.0.1:8000/v1/responses",
            b'{"model":"m","input":"i","background":true}',
        ),
        ("POST", "http://127.0.0.1:8000/v1/chat/completions", b'{"shop":"tea"}'),
    ],
)
class TestRefused:
    def request(self, method: str, url: str, body: bytes) -> Request:
        return Request(method=method, url=url, body=body)

    def test_it_is_wanted_and_raises(self, method: str, url: str, body: bytes) -> None:
        provider, request = Provider(), self.request(method, url, body)
        parts = urlsplit(url)
        with replaying() as session:
            assert session.wants(method, parts.hostname or "", f"{parts.path}?{parts.query}")

            with pytest.raises(NotReplayableError) as caught:
                session.answer(request, provider.send)

        assert isinstance(caught.value, ReplayError)
        assert not isinstance(caught.value, OSError)
        assert provider.asked == []
        assert caught.value.summary == request.summary
        assert f"{request.summary} may not go out in mode='replay'" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "match=" in str(caught.value)

    def test_it_raises_in_a_coroutine_too(self, method: str, url: str, body: bytes) -> None:
        provider = Provider()
        with replaying() as session, pytest.raises(NotReplayableError):
            asyncio.run(session.aanswer(self.request(method, url, body), provider.asend))

        assert provider.asked == []

    def test_it_goes_out_in_any_other_mode(self, method: str, url: str, body: bytes) -> None:
        provider = Provider()
        with Session.open(store="memory://") as session:
            session.answer(self.request(method, url, body), provider.send)

        assert len(provider.asked) == 1

    def test_it_goes_out_if_match_says_so_and_nothing_beneath_asks_again(
        self, method: str, url: str, body: bytes
    ) -> None:
        provider = Provider()
        with replaying(match=kept_out) as session:
            session.answer(self.request(method, url, body), provider.send)
            asyncio.run(session.aanswer(self.request(method, url, body), provider.asend))

        assert provider.inside == [True, True]
        assert not is_inside()


@pytest.mark.parametrize(
    ("method", "path", "body", "condition", "nameable"),
    [
        ("GET", "models", b"", "request.method == 'GET' and '/v1/models' in request.url", False),
        ("DELETE", "files/f", b"", "request.method == 'DELETE' and '/v1/files/f' in", False),
        ("POST", "batches", b'{"input_file_id":"f"}', "'/path/of/it' in request.url", False),
        ("POST", "files", b"--b\r\n", "'/path/of/it' in request.url", False),
        ("POST", "ask", b'{"model":"m","q":"tea"}', "'/path/of/it' in request.url", True),
    ],
)
def test_what_is_advised_would_help(
    method: str, path: str, body: bytes, condition: str, *, nameable: bool
) -> None:
    """Given a request that no store answers, then only what could be recorded is said to be."""
    request, provider = Request(method=method, url=f"{OPENAI}/{path}", body=body), Provider()
    with replaying() as session, pytest.raises(NotReplayableError) as caught:
        session.answer(request, provider.send)

    assert f"match=lambda request: False if {condition}" in str(caught.value)
    assert ("hosts=[...]" in str(caught.value)) is nameable
    with Session.open(store="memory://", hosts=["api.openai.com"]) as named:
        assert (named.explain(request) is not None) is nameable

    line = next(each for each in str(caught.value).splitlines() if "match=" in each)
    match = eval(line.strip().removeprefix("match="))  # noqa: S307  # what a user would paste
    assert match(request) is (False if method != "POST" else None)


@pytest.mark.parametrize("blocking", [True, False])
def test_an_sdk_that_lets_no_error_through_is_told_by_a_response(*, blocking: bool) -> None:
    provider = Provider()
    listing = Request(
        method="GET", url=f"{OPENAI}/models", headers=(("user-agent", "Groq/Python 1.7.0"),)
    )
    with replaying() as session:
        told: Reply | AsyncReply = (
            session.answer(listing, provider.send)
            if blocking
            else asyncio.run(session.aanswer(listing, provider.asend))
        )
        misses = session.misses

    assert told.status == 412
    assert [type(miss) for miss in misses] == [NotReplayableError]
    assert provider.asked == []


@pytest.mark.parametrize(
    ("method", "host", "path"),
    [
        ("GET", "127.0.0.1", "/collections/c"),
        ("POST", "api.wandb.ai", "/graphql"),
        ("GET", "huggingface.co", "/datasets/d/resolve/main/train.parquet"),
        ("POST", "oauth2.googleapis.com", "/token"),
    ],
)
def test_what_is_no_provider_call_is_not_even_looked_at(method: str, host: str, path: str) -> None:
    with replaying() as session:
        assert not session.wants(method, host, path)


def test_what_turns_out_to_be_none_goes_out_as_it_was() -> None:
    provider = Provider()
    survey = Request(method="POST", url="https://forms.acme.test/responses", body=b'{"q":"tea"}')
    with replaying() as session:
        assert session.wants("POST", "forms.acme.test", "/responses")
        session.answer(survey, provider.send)

    assert provider.asked == [survey]
    assert provider.inside == [False]


def test_a_host_that_the_user_named_lets_nothing_out() -> None:
    provider = Provider()
    health = Request(method="GET", url="http://llm.acme.test:8000/health")
    with replaying(hosts=["llm.acme.test:8000"]) as session, pytest.raises(NotReplayableError):
        session.answer(health, provider.send)

    assert provider.asked == []


def test_what_match_calls_a_provider_call_does_not_go_out_either() -> None:
    provider = Provider()
    text = Request(method="POST", url="https://acme.test/ask", body=b"plain text")
    with replaying(match=taken) as session, pytest.raises(NotReplayableError):
        session.answer(text, provider.send)

    assert provider.asked == []


def test_a_method_in_small_letters_is_no_way_out() -> None:
    with replaying() as session:
        assert session.wants("get", "api.openai.com", "/v1/models")
