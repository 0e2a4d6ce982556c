"""A stored list of samples of a seed goes on where it ends: real servers, OpenAI's own SDK."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

import cachesaver
import local_app
from cachesaver.gateway import Gateway
from cachesaver.local.mounting import mount
from cachesaver.local.server import Server
from cachesaver.stores.memory import MemoryStore

USER: list[Any] = [{"role": "user", "content": "the quick"}]
MOUNTED = "http://numbered"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with local_app.start() as running:
        yield running


@pytest.fixture(scope="module", params=["socket", "mount"])
def url(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "socket":
        yield server.openai_url
    else:
        with mount(MOUNTED, local_app.served_writer()):
            yield f"{MOUNTED}/v1"


def ask(url: str, n: int = 1, **fields: Any) -> list[str]:
    """Return what is said; streamed, put together."""
    given: dict[str, Any] = {"model": "tiny", "messages": USER, "max_tokens": 12, "seed": 3}
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        answer: Any = client.chat.completions.create(**given, n=n, **fields)
        if not fields.get("stream"):
            return [str(choice.message.content) for choice in answer.choices]
        texts = [""] * n
        for chunk in answer:
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
        return texts


def drawn(url: str, namespace: str, n: int = 1, **fields: Any) -> list[str]:
    with cachesaver.namespace(namespace):
        return ask(url, n, **fields)


@pytest.fixture
def eight(url: str) -> list[str]:
    said = ask(url, 8)
    assert len(set(said)) == 8
    return said


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_later_samples_are_what_more_at_once_would_have_been(
    url: str, eight: list[str], *, stream: bool
) -> None:
    store = MemoryStore()
    with cachesaver.install(store=store, quiet=True):
        first = drawn(url, "a", 3, stream=stream)
        more = drawn(url, "a", 5, stream=stream)
        again = drawn(url, "b", 8, stream=stream)

    assert first == eight[:3]
    assert more == eight[3:]
    assert again == eight


def test_another_process_goes_on_too(url: str, eight: list[str]) -> None:
    """Given three in a store, when a session that knows nothing of the server wants eight, it has them."""
    store = MemoryStore()
    with cachesaver.install(store=store, quiet=True):
        drawn(url, "a", 3)
    with cachesaver.install(store=store, quiet=True) as session:
        assert drawn(url, "b", 8) == eight
        assert session.stats().calls == 1


@pytest.mark.parametrize("window", ["turn", 0.2], ids=["apart", "together"])
def test_leads_of_several_requests_at_once(url: str, eight: list[str], window: Any) -> None:
    ready = threading.Barrier(5)

    def one(number: int) -> str:
        ready.wait(10)
        with cachesaver.request_id(str(number)):
            (said,) = drawn(url, "a")
        return said

    with cachesaver.install(store=MemoryStore(), quiet=True, window=window):
        drawn(url, "a", 3)
        with ThreadPoolExecutor(5) as pool:
            more = [*pool.map(one, range(5))]

    assert sorted(more) == sorted(eight[3:])


def test_gaps_are_asked_for_one_by_one(url: str, eight: list[str]) -> None:
    """Given samples 0, 1 and 4 of a seed, when eight are wanted, then 2, 3 and 5 to 7 are drawn."""
    whole, store = MemoryStore(), MemoryStore()
    with cachesaver.install(store=whole, quiet=True):
        drawn(url, "a", 8)
    (question,) = whole.questions()
    for index, sample in whole.samples(question[0]):
        if index in {0, 1, 4}:
            store.fill(question[0], index, "", sample, question=question[1])

    with cachesaver.install(store=store, quiet=True) as session:
        assert sorted(drawn(url, "a", 8)) == sorted(eight)
        assert session.stats().calls == 2
    kept = {index: sample.response.body for index, sample in store.samples(question[0])}
    assert [*kept] == [*range(8)]
    assert kept.keys() == dict(whole.samples(question[0])).keys()
    assert [drawn_text(body) for body in kept.values()] == eight


def drawn_text(body: bytes) -> str:
    said = httpx.Response(200, content=body).json()
    return str(said["choices"][0]["message"]["content"])


def test_a_program_may_name_the_sample_itself(url: str, eight: list[str]) -> None:
    """Given a session, when a call says from which sample on, then it gets those, and again."""
    store, number = MemoryStore(), {"x-cachesaver-first-index": "5"}
    with cachesaver.install(store=store, quiet=True) as session:
        for namespace in "ab":
            assert drawn(url, namespace, 2, extra_headers=number) == eight[5:7]
        assert session.stats().fetched == 2
        assert drawn(url, "a", extra_headers=number) == eight[7:]
        assert drawn(url, "a") == eight[:1]
    assert store.summary().fingerprints == 2


def test_a_named_sample_of_a_mount_without_a_session() -> None:
    with mount(MOUNTED + "-bare", local_app.served_writer()):
        url = f"{MOUNTED}-bare/v1"
        later = ask(url, 2, extra_headers={"x-cachesaver-first-index": "5"})
        assert later == ask(url, 8)[5:7]


def test_through_a_gateway(server: Server, tmp_path: Path) -> None:
    """Given a gateway before the endpoint, then lists go on there as well."""
    whole = ask(server.openai_url, 8)
    store, allow = str(tmp_path / "store"), server.url.partition("://")[2]
    with Gateway(store=store, allow=[allow]) as gateway:
        url = f"{gateway.url}/ns/a/{server.openai_url.replace('://', '/')}"
        other = url.replace("/ns/a/", "/ns/b/")
        assert ask(url, 3) == whole[:3]
        assert ask(url, 5) == whole[3:]
        assert ask(other, 8) == whole
        assert ask(url, 2, extra_headers={"x-cachesaver-first-index": "5"}) == whole[5:7]


def test_the_number_is_no_part_of_the_question(server: Server) -> None:
    """Given samples bought by number, then what is kept of the question does not say any."""
    store = MemoryStore()
    with cachesaver.install(store=store, quiet=True):
        drawn(server.openai_url, "a", 3)
        drawn(server.openai_url, "a", 2)

    ((fingerprint, question),) = store.questions()
    assert b"first-index" not in question
    numbers = [
        sample.response.header("x-cachesaver-first-index")
        for _, sample in store.samples(fingerprint)
    ]
    assert numbers == ["0", "1", "2", "3", "4"]


def test_an_answer_to_a_seed_says_its_number(server: Server) -> None:
    def headers(stream: bool, **fields: Any) -> httpx.Headers:  # noqa: FBT001
        body = {"model": "tiny", "messages": USER, "max_tokens": 2, "stream": stream, **fields}
        number = {"x-cachesaver-first-index": "4"}
        url = f"{server.openai_url}/chat/completions"
        return httpx.post(url, json=body, headers=number).headers

    for stream in (False, True):
        assert headers(stream, seed=1)["x-cachesaver-first-index"] == "4"
        assert "x-cachesaver-first-index" not in headers(stream)
