"""The rehearsal as its users meet it: with the providers' own SDKs, over real sockets."""

from __future__ import annotations

import builtins
import socket
import threading
from types import ModuleType
from typing import Any, Protocol

import httpx2
import pytest

from cachesaver.errors import ConfigurationError
from cachesaver.rehearsal import Latency, Prompt, Rehearsal, Utterance
from served import sends_at_once

ASK: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say something."}]}


class Sayer(Protocol):
    def __call__(self, provider: Rehearsal, **more: object) -> list[str]: ...


@pytest.fixture
def say(http: httpx2.Client) -> Sayer:
    def ask(provider: Rehearsal, **more: object) -> list[str]:
        answer = http.post(f"{provider.openai_url}/chat/completions", json=ASK | more)
        return [choice["message"]["content"] for choice in answer.json()["choices"]]

    return ask


def test_each_sdk_finds_its_api_at_its_url(
    rehearsal: Rehearsal, openai_client: Any, anthropic_client: Any, gemini_client: Any
) -> None:
    assert openai_client.chat.completions.create(**ASK).choices[0].message.content
    assert anthropic_client.messages.create(**ASK, max_tokens=9).content
    assert gemini_client.models.generate_content(model="gemini-2.5-flash", contents="Hi").text

    entries = [(e.endpoint, e.model, e.tally.samples) for e in rehearsal.calls().entries]
    assert entries == [
        ("anthropic.messages", "gpt-4o-mini", 1),
        ("gemini.generate", "gemini-2.5-flash", 1),
        ("openai.chat", "gpt-4o-mini", 1),
    ]


def test_no_sample_is_said_twice_and_a_reset_says_them_again(
    rehearsal: Rehearsal, say: Sayer
) -> None:
    first = say(rehearsal) + say(rehearsal, n=3)

    rehearsal.reset()

    assert say(rehearsal, n=4) == first
    assert len(set(first)) == 4


def test_samples_depend_on_seed_and_question_and_on_nothing_else(say: Sayer) -> None:
    """Given servers with other pasts and other latencies, then only the seed changes the answer."""
    said: list[list[str]] = []
    for seed, latency, past in ((1, 0.0, 0), (1, "0.001~0.5@3", 2), (2, 0.0, 0)):
        with Rehearsal(seed=seed, latency=latency) as provider:
            for n in range(past):
                say(provider, temperature=n)
            said.append(say(provider))

    assert said[0] == said[1] != said[2]


def test_a_seed_in_the_request_is_another_question(rehearsal: Rehearsal, say: Sayer) -> None:
    assert say(rehearsal, seed=1) != say(rehearsal, seed=2)


def test_how_many_for_whom_and_in_what_form_is_no_part_of_the_question(
    rehearsal: Rehearsal, say: Sayer
) -> None:
    plain = say(rehearsal)

    rehearsal.reset()

    assert say(rehearsal, n=1, user="someone", metadata={"a": "b"}, stop=None) == plain


def test_a_voice_of_ones_own_is_asked(say: Sayer) -> None:
    def shout(prompt: Prompt, rng: object) -> Utterance:
        return Utterance(text=prompt.text.upper())

    with Rehearsal(voice=shout) as provider:
        assert say(provider) == ["SAY SOMETHING."]


def test_a_stopped_port_can_be_had_again_at_once(say: Sayer, http: httpx2.Client) -> None:
    """Given a connection left open by a client, when the server stops, then the port is free."""
    with httpx2.Client() as client:
        first = Rehearsal().start().start()
        assert client.post(f"{first.openai_url}/chat/completions", json=ASK).status_code == 200
        first.stop()
        first.stop()

    with Rehearsal(port=int(first.url.rpartition(":")[2])) as second:
        assert second.url == first.url
        assert say(second)


def test_faults_and_resets_can_be_planned_before_the_start(say: Sayer, http: httpx2.Client) -> None:
    provider = Rehearsal()
    provider.fault("500")
    provider.reset()
    provider.fault("429;times=1")

    with provider:
        url = f"{provider.openai_url}/chat/completions"
        assert [http.post(url, json=ASK).status_code for _ in range(2)] == [429, 200]


def test_small_answers_do_not_wait_for_each_other(rehearsal: Rehearsal) -> None:
    """Given TCP as it comes, each would be held back for 40 ms until the last was acknowledged."""
    with httpx2.Client(trust_env=False) as keeping:
        keeping.post(f"{rehearsal.openai_url}/chat/completions", json=ASK)
        assert rehearsal._service is not None
        told = sends_at_once(rehearsal._service._server)

    assert set(told) == {True}


def test_a_taken_port_is_an_error_at_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Rehearsal(port=taken.getsockname()[1]).start()


def test_a_stop_ends_answers_under_way_and_leaves_no_thread(say: Sayer) -> None:
    """Given a request that hangs, when the server stops, then its client learns it."""
    before = set(threading.enumerate())
    provider = Rehearsal().start()
    provider.fault("hang")
    errors: list[Exception] = []

    def ask() -> None:
        try:
            say(provider)
        except httpx2.TransportError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not provider.calls().calls:
        thread.join(0.01)
    provider.stop()
    thread.join()

    assert len(errors) == 1
    assert set(threading.enumerate()) <= before


def test_without_its_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_starlette(name: str, *rest: Any) -> ModuleType:
        if name.partition(".")[0] == "starlette" or name == "cachesaver.rehearsal.app":
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_starlette)

    with pytest.raises(ConfigurationError, match=r"pip install 'cachesaver\[rehearsal\]'"):
        Rehearsal()


@pytest.mark.parametrize(
    "choice", [{"voice": "nobody"}, {"latency": "fast"}, {"latency": -1.0}, {"overload": 1.5}]
)
def test_what_makes_no_sense_is_refused_at_once(choice: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Rehearsal(**choice)


def test_repr_tells_where_it_is() -> None:
    provider = Rehearsal(latency=Latency(base=0.0))

    assert repr(provider) == "<Rehearsal stopped>"
    with provider:
        assert repr(provider) == f"<Rehearsal at {provider.url}>"


def test_keys_are_asked_for_on_request(http: httpx2.Client) -> None:
    with Rehearsal(require_key="right") as provider:
        for key, status in (("right", 200), ("wrong", 401)):
            headers = {"authorization": f"Bearer {key}"}
            answer = http.post(f"{provider.openai_url}/chat/completions", json=ASK, headers=headers)
            assert answer.status_code == status
    with Rehearsal(require_key=True) as provider:
        url = f"{provider.url}/v1beta/models/m:generateContent"
        ask = {"contents": [{"parts": [{"text": "Hi"}]}]}
        assert http.post(url, json=ask).status_code == 401
        assert http.post(f"{url}?key=any", json=ask).status_code == 200
        assert "any" not in provider.calls().received[-1].path


def test_an_overloaded_provider_refuses_a_share_in_its_own_words(http: httpx2.Client) -> None:
    """Given a share of one half, then about half are refused, each with the provider's status."""
    with Rehearsal(overload=0.5) as provider:
        url = f"{provider.anthropic_url}/v1/messages"
        statuses = [http.post(url, json={**ASK, "max_tokens": 5}).status_code for _ in range(40)]

    assert set(statuses) == {200, 529}
    assert 10 < statuses.count(529) < 30
