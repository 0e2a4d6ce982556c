"""Models mounted in this process, by OpenAI's own SDK."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

import cachesaver
import local_app
from cachesaver.errors import ConfigurationError
from cachesaver.local import EngineClosedError, Params
from cachesaver.local.app.served import Served
from cachesaver.local.mounting import mount

USER: list[Any] = [{"role": "user", "content": "the quick"}]
URL = "http://local"


@pytest.fixture(scope="module")
def model() -> Served:
    return local_app.served_writer()


@pytest.fixture(scope="module", autouse=True)
def _mounted(model: Served) -> Iterator[None]:
    with mount(URL, model, local_app.served_encoder()):
        yield


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0) as made:
        yield made


def ask(client: Any, **fields: Any) -> Any:
    given: dict[str, Any] = {"model": "tiny", "messages": USER, "max_tokens": 12, **fields}
    return client.chat.completions.create(**given)


def test_the_sdk_reaches_it_without_a_socket(client: openai.OpenAI) -> None:
    whole = ask(client, seed=1)
    streamed = [*ask(client, seed=1, stream=True)]

    text = "".join(chunk.choices[0].delta.content or "" for chunk in streamed)
    assert text == whole.choices[0].message.content
    assert {each.id for each in client.models.list()} == {"tiny", "tiny-bert"}
    assert len(client.embeddings.create(model="tiny-bert", input="a").data[0].embedding) == 16


def test_errors_are_the_sdks_own(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        ask(client, model="other")


def test_leaving_frees_the_slots(client: openai.OpenAI, model: Served) -> None:
    before = model.writer.stats().cancelled

    with ask(client, stream=True, max_tokens=480, n=3, extra_body={"ignore_eos": True}) as chunks:
        next(iter(chunks))

    until = time.monotonic() + 5
    while model.writer.stats().cancelled < before + 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert model.writer.stats().cancelled == before + 3
    assert model.writer.stats().running == 0


def test_a_cancelled_task_frees_its_slot(model: Served) -> None:
    before = model.writer.stats().cancelled

    async def cancel() -> None:
        async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key="x", max_retries=0) as client:
            asking = asyncio.create_task(
                ask(client, max_tokens=480, extra_body={"ignore_eos": True})
            )
            await asyncio.sleep(0.3)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(cancel())

    until = time.monotonic() + 5
    while model.writer.stats().cancelled == before and time.monotonic() < until:
        time.sleep(0.01)
    assert model.writer.stats().cancelled == before + 1


def test_samples_are_kept_and_found(client: openai.OpenAI, model: Served) -> None:
    """Given a session, when another namespace asks the same, then the model draws nothing."""
    with cachesaver.install(store="memory://", quiet=True) as session:
        with cachesaver.namespace("a"):
            first = ask(client, n=4)
        drawn = model.writer.stats().answer_tokens
        with cachesaver.namespace("b"):
            again = ask(client, n=4)

        assert [c.message.content for c in again.choices] == [
            c.message.content for c in first.choices
        ]
        assert model.writer.stats().answer_tokens == drawn
        assert session.stats().hits == 4
        # Each choice still says how to draw it again.
        assert [c.sample for c in again.choices] == [0, 1, 2, 3]


@pytest.mark.parametrize("url", ["local", "http://local/v1", "http://", ""])
def test_a_url_that_is_none_is_refused(url: str, model: Served) -> None:
    with pytest.raises(ConfigurationError, match="a scheme and a host"):
        mount(url, model)


def test_a_mount_has_a_model() -> None:
    with pytest.raises(ConfigurationError, match="a model"):
        mount("http://other")


def test_a_model_that_is_not_there(tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        mount("http://other", str(tmp_path))


def test_its_end_closes_the_engines() -> None:
    other = local_app.served_writer("other")
    mounted = mount("http://other", other)
    assert repr(mounted) == "<Mounted at other: other>"

    mounted.close()
    mounted.close()

    with pytest.raises(EngineClosedError):
        other.writer.submit([5], 1, Params())
