"""The gateway as its users meet it: with the providers' own SDKs, over real sockets."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai.errors import APIError

import cachesaver
from aws import Config, boto3
from cachesaver import leases
from cachesaver.errors import ConfigurationError
from cachesaver.gateway import Gateway
from cachesaver.rehearsal import Rehearsal
from cachesaver.transports.loopback import LoopbackServer, Script
from served import sends_at_once

Open = Callable[..., Gateway]

ASK: Any = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}
# Any, because the overloads of the SDKs do not survive `**ask`.
OpenAI: Any = openai.OpenAI
Anthropic: Any = anthropic.Anthropic
PLAYED = ("openai", "anthropic", "gemini", "acme")


def openai_client(gateway: Gateway, front: str = "", **options: Any) -> Any:
    base = gateway.url_of("openai", front=front) + "/v1"
    return OpenAI(base_url=base, **{"api_key": "sk-secret", "max_retries": 0, **options})


# --- one program for each SDK: what it was told, whole and as a stream


def by_openai(gateway: Gateway) -> list[Any]:
    with openai_client(gateway) as client:
        whole = client.chat.completions.create(**ASK, n=2)
        stream = client.chat.completions.create(**ASK, stream=True)
        told = client.responses.create(model="gpt-5-mini", input="Hi")
        vectors = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
        return [
            [choice.message.content for choice in whole.choices],
            "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices),
            told.output_text,
            [row.embedding[:3] for row in vectors.data],
        ]


def by_anthropic(gateway: Gateway) -> list[Any]:
    base = gateway.url_of("anthropic")
    with Anthropic(base_url=base, api_key="k", max_retries=0) as client:
        ask: Any = {"model": "claude-sonnet-5-5", "max_tokens": 20, "messages": ASK["messages"]}
        whole = client.messages.create(**ask)
        with client.messages.stream(**ask) as stream:
            return [whole.content[0].text, "".join(stream.text_stream)]


def by_google(gateway: Gateway) -> list[Any]:
    client: Any = genai.Client(api_key="k", http_options={"base_url": gateway.url_of("gemini")})
    ask = {"model": "gemini-2.5-flash", "contents": "Hi"}
    whole = client.models.generate_content(**ask)
    stream = client.models.generate_content_stream(**ask)
    said = [whole.text, "".join(each.text or "" for each in stream)]
    client.close()
    return said


def by_boto3(gateway: Gateway) -> list[Any]:
    client: Any = boto3.client(
        "bedrock-runtime",
        endpoint_url=gateway.url_of("acme"),
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="of nobody's",
        config=Config(retries={"total_max_attempts": 1}),
    )
    ask = {
        "modelId": "us.amazon.nova-2-lite-v1:0",
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
    }
    whole = client.converse(**ask)["output"]["message"]["content"][0]["text"]
    events = client.converse_stream(**ask)["stream"]
    deltas = (event.get("contentBlockDelta", {}).get("delta", {}) for event in events)
    return [whole, "".join(delta.get("text", "") for delta in deltas)]


SDKS = [by_openai, by_anthropic, by_google, by_boto3]


@pytest.mark.parametrize("talk", SDKS)
def test_every_sdk_is_answered_cold_and_warm(
    open_gateway: Open, rehearsal: Rehearsal, talk: Callable[[Gateway], list[Any]]
) -> None:
    """Given a program, when it runs again in another namespace, then it hears the same for nothing."""
    upstreams = dict.fromkeys(PLAYED, rehearsal.url)

    cold = talk(open_gateway("cold", upstreams=upstreams))
    calls = rehearsal.calls().calls
    warm = talk(open_gateway("warm", upstreams=upstreams))

    assert all(cold)
    assert warm == cold
    assert rehearsal.calls().calls == calls > 0


@pytest.mark.parametrize("talk", SDKS)
def test_a_miss_by_replay_is_an_error_that_no_sdk_tries_again(
    open_gateway: Open, rehearsal: Rehearsal, talk: Callable[[Gateway], list[Any]]
) -> None:
    gateway = open_gateway(mode="replay", upstreams=dict.fromkeys(PLAYED, rehearsal.url))
    kinds = (openai.APIStatusError, anthropic.APIStatusError, APIError)

    with pytest.raises(Exception, match="fingerprint") as caught:
        talk(gateway)

    error: Any = caught.value
    if isinstance(error, kinds):
        assert 412 in (getattr(error, "status_code", None), getattr(error, "code", None))
    else:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 412
        assert error.response["Error"]["Code"] == "cachesaver_not_recorded"
    assert rehearsal.calls().calls == 0


def test_by_default_an_sdk_fails_at_once_on_a_miss(open_gateway: Open) -> None:
    gateway = open_gateway(mode="replay")
    sent = list[object]()

    with (
        openai.DefaultHttpxClient(event_hooks={"request": [sent.append]}) as counted,
        openai_client(gateway, max_retries=5, http_client=counted) as client,
        pytest.raises(openai.APIStatusError),
    ):
        client.chat.completions.create(**ASK)

    assert len(sent) == 1, "it would try again five times"
    assert gateway.session.stats().requests <= 1


def test_an_error_of_the_provider_is_the_sdks_own(gateway: Gateway, rehearsal: Rehearsal) -> None:
    rehearsal.fault("429;times=1")

    with openai_client(gateway) as client:
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**ASK)
        assert client.chat.completions.create(**ASK).choices[0].message.content

    assert rehearsal.calls().samples == 1


# --- identity: a call by the gateway is the direct call


@pytest.fixture
def home() -> Iterator[None]:
    """Nothing tells the SDK of another address than the provider's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPENAI_BASE_URL", raising=False)
        yield


@pytest.mark.usefixtures("home")
def test_what_the_gateway_recorded_is_a_hit_of_a_direct_call(
    open_gateway: Open, rehearsal: Rehearsal, tmp_path: Path
) -> None:
    """Given api.openai.com played by the rehearsal, when a program calls it by itself, then it hits."""
    playing = {rehearsal.url: "https://api.openai.com"}
    gateway = open_gateway(upstreams={"openai": rehearsal.url}, aliases=playing)
    with openai_client(gateway) as client:
        recorded = client.chat.completions.create(**ASK).choices[0].message.content

    with (
        cachesaver.install(namespace="b", store=tmp_path / "pool", mode="replay", quiet=True),
        OpenAI(api_key="k", max_retries=0) as direct,
    ):
        said = direct.chat.completions.create(**ASK).choices[0].message.content

    assert said == recorded


@pytest.mark.usefixtures("home")
def test_what_a_direct_call_recorded_is_a_hit_of_the_gateway(
    open_gateway: Open, rehearsal: Rehearsal, tmp_path: Path
) -> None:
    playing = {rehearsal.url: "https://api.openai.com"}
    with (
        cachesaver.install(namespace="b", store=tmp_path / "pool", aliases=playing, quiet=True),
        OpenAI(base_url=rehearsal.openai_url, api_key="k", max_retries=0) as direct,
    ):
        recorded = direct.chat.completions.create(**ASK).choices[0].message.content

    gateway = open_gateway(mode="replay")
    with openai_client(gateway) as client:
        by_name = client.chat.completions.create(**ASK).choices[0].message.content
    base = f"{gateway.url}/run/other/https/api.openai.com:443/v1"
    with OpenAI(base_url=base, api_key="k", max_retries=0) as client:
        by_address = client.chat.completions.create(**ASK).choices[0].message.content

    assert by_name == by_address == recorded


# --- streams


def test_chunks_come_as_they_arrive_and_again_by_pace(
    open_gateway: Open, rehearsal: Rehearsal
) -> None:
    rehearsal.latency = "0+0.02/token"
    gateway = open_gateway(upstreams={"openai": rehearsal.url}, pace=1)
    spans = list[float]()
    try:
        for run in ("1", "2"):
            with openai_client(gateway, front=f"run/{run}") as client:
                moments = [
                    time.perf_counter() for _ in client.chat.completions.create(**ASK, stream=True)
                ]
            spans.append(moments[-1] - moments[0])
    finally:
        rehearsal.latency = 0.0

    assert rehearsal.calls().calls == 1
    assert min(spans) > 0.1, "all at once would take a millisecond"


def test_a_hundred_streams_at_a_time(open_gateway: Open, rehearsal: Rehearsal) -> None:
    gateway = open_gateway(upstreams={"openai": rehearsal.url})
    base = gateway.url_of("openai") + "/v1"

    async def all_of_them(run: str) -> list[str]:
        async with openai.AsyncOpenAI(
            base_url=base, api_key="k", max_retries=0, default_headers={"x-cachesaver-run": run}
        ) as client:

            async def one(number: int) -> str:
                asked: Any = {"role": "user", "content": f"Number {number % 50}"}
                stream: Any = await client.chat.completions.create(
                    model="gpt-5-mini",
                    messages=[asked],
                    stream=True,
                    extra_headers={"x-cachesaver-request-id": str(number)},
                )
                chunks = [chunk async for chunk in stream]
                return "".join(
                    each.choices[0].delta.content or "" for each in chunks if each.choices
                )

            return list(await asyncio.gather(*(one(number) for number in range(100))))

    cold = asyncio.run(all_of_them("1"))
    warm = asyncio.run(all_of_them("2"))

    assert len(set(cold)) == 100, "no sample twice in one run"
    assert warm == cold
    assert rehearsal.calls().calls == 100


def test_a_slow_reader_slows_its_provider_down_and_nobody_else(
    open_gateway: Open, server: LoopbackServer, http: httpx2.Client
) -> None:
    """Given a client that does not read, then the gateway does not hold its whole answer."""
    piece = b"data: " + b"x" * 65_000 + b"\n\n"
    many = tuple([piece] * 2000)  # 130 MB: more than sockets take by themselves
    script = Script(headers=(("content-type", "text/event-stream"),), chunks=many)
    server.script("/v1/files/x", script)
    gateway = open_gateway(upstreams={"openai": server.url})
    host, _, port = gateway.url.rpartition("/")[2].partition(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"GET /openai/v1/files/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        slow.recv(1000)
        before = _resident()
        time.sleep(0.5)

        others = [http.get(f"{gateway.url}/openai/v1/models").status_code for _ in range(5)]
        grown = _resident() - before

    assert others == [200] * 5
    assert grown < 60e6


def _resident() -> float:
    pages = Path("/proc/self/statm")
    if not pages.exists():
        pytest.skip("no /proc to read the memory of this process from")
    return int(pages.read_text().split()[1]) * 4096.0


# --- who leaves


def test_who_leaves_a_stream_leaves_no_sample_and_frees_the_draw(
    open_gateway: Open, server: LoopbackServer, http: httpx2.Client
) -> None:
    pieces = (b'data: {"choices": []}\n\n', b"data: [DONE]\n\n")
    streams = (("content-type", "text/event-stream"),)
    held = Script(headers=streams, chunks=pieces, holds_chunks=True)
    server.script("/v1/chat/completions", held)
    gateway = open_gateway(upstreams={"openai": server.url})
    url = gateway.url_of("openai") + "/v1/chat/completions"

    with http.stream("POST", url, json={**ASK, "stream": True}) as answer:
        assert next(answer.iter_raw()) == pieces[0]

    assert server.wait_closed(1), "the provider's connection is closed too"
    rest = Script(headers=streams, chunks=pieces)
    server.script("/v1/chat/completions", rest)
    again = http.post(url, json={**ASK, "stream": True})
    assert "index 0" in again.headers["cache-status"]
    assert "fwd=miss" in again.headers["cache-status"]


def test_who_leaves_a_whole_answer_finds_it_in_the_store(
    open_gateway: Open,
    rehearsal: Rehearsal,
    http: httpx2.Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given a client that gives up before the head, then what it asked for is bought and kept."""
    monkeypatch.setattr(leases, "_USUAL", 20.0)  # the call is waited for, however late it is
    rehearsal.latency = 1.0
    gateway = open_gateway(upstreams={"openai": rehearsal.url})
    url = gateway.url_of("openai") + "/v1/chat/completions"
    try:
        with pytest.raises(httpx2.ReadTimeout):
            http.post(url, json=ASK, timeout=0.2)
        answer = http.post(url, json=ASK)
    finally:
        rehearsal.latency = 0.0

    assert answer.status_code == 200
    assert rehearsal.calls().calls == 1


def test_who_leaves_in_the_middle_of_a_question_asks_nothing(
    open_gateway: Open, server: LoopbackServer, http: httpx2.Client
) -> None:
    gateway = open_gateway(upstreams={"openai": server.url})
    host, _, port = gateway.url.rpartition("/")[2].partition(":")
    with socket.create_connection((host, int(port))) as leaving:
        leaving.sendall(
            b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            b'Content-Length: 1000\r\n\r\n{"model": '
        )

    assert http.get(f"{gateway.url}/cachesaver/health").status_code == 200
    assert server.received == []


# --- clients that are not Python


def test_curl_is_answered(gateway: Gateway) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    url = gateway.url_of("openai", front="ns/curl") + "/v1/chat/completions"
    body = (
        '{"model": "gpt-5-mini", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
    )
    ask = [
        "curl",
        "-sSN",
        "--noproxy",
        "*",
        "-H",
        "content-type: application/json",
        "-d",
        body,
        url,
    ]

    said = subprocess.run(ask, capture_output=True, check=True).stdout

    assert said.rstrip().endswith(b"data: [DONE]")


NODE = """
const ask = {model: "gpt-5-mini", stream: true, messages: [{role: "user", content: "Hi"}]}
const answer = await fetch(process.argv[2] + "/chat/completions", {
    method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(ask)})
let text = ""
for await (const piece of answer.body) text += Buffer.from(piece).toString()
console.log(answer.status, answer.headers.get("cache-status"), text.trim().endsWith("[DONE]"))
"""


def test_node_is_answered(gateway: Gateway, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no node here")
    program = tmp_path / "ask.mjs"
    program.write_text(NODE)

    said = [
        subprocess.run(
            ["node", program, gateway.url_of("openai", front=f"ns/{name}") + "/v1"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in ("a", "b")
    ]

    assert [line.split()[0] for line in said] == ["200", "200"]
    assert "; hit" in said[1]
    assert all(line.strip().endswith("true") for line in said)


# --- start and end


def test_small_answers_do_not_wait_for_each_other(gateway: Gateway, http: httpx2.Client) -> None:
    """Given TCP as it comes, each would be held back for 40 ms until the last was acknowledged."""
    url = gateway.url_of("openai") + "/v1/chat/completions"

    http.post(url, json=ASK)

    assert gateway._service is not None
    assert gateway._service._server is not None
    assert set(sends_at_once(gateway._service._server)) == {True}


def test_it_can_be_stopped_twice_and_started_again(
    gateway: Gateway, rehearsal: Rehearsal, http: httpx2.Client
) -> None:
    assert repr(gateway) == f"<Gateway at {gateway.url}>"
    assert gateway.start() is gateway

    gateway.stop()
    gateway.stop()

    assert repr(gateway) == "<Gateway stopped>"
    with pytest.raises(httpx2.ConnectError):
        http.get(f"{gateway.url}/cachesaver/health")


def test_what_is_under_way_ends_before_it_does(
    open_gateway: Open, rehearsal: Rehearsal, tmp_path: Path
) -> None:
    rehearsal.latency = "0+0.01/token"
    gateway = open_gateway(upstreams={"openai": rehearsal.url})
    try:
        with openai_client(gateway) as client:
            stream = iter(client.chat.completions.create(**ASK, stream=True))
            next(stream)
            ending = asyncio.run(_stopped_meanwhile(gateway, stream))
    finally:
        rehearsal.latency = 0.0

    assert ending[-1].choices[0].finish_reason
    with cachesaver.Session.open("b", store=tmp_path / "pool", quiet=True) as session:
        assert session.store.summary().samples == 1


async def _stopped_meanwhile(gateway: Gateway, stream: Iterator[Any]) -> list[Any]:
    stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
    chunks = await asyncio.to_thread(list, stream)
    await stopping
    return chunks


def test_a_port_that_is_taken_is_said(open_gateway: Open, gateway: Gateway) -> None:
    port = int(gateway.url.rpartition(":")[2])

    with pytest.raises(OSError, match=r"in use"):
        open_gateway(port=port)


def test_it_can_listen_on_ipv6(open_gateway: Open, http: httpx2.Client) -> None:
    try:
        gateway = open_gateway(listen="::1")
    except OSError:
        pytest.skip("no IPv6 here")

    assert gateway.url.startswith("http://[::1]:")
    assert http.get(f"{gateway.url}/cachesaver/health").status_code == 200


def test_it_listens_to_this_machine_only_unless_it_has_a_key(open_gateway: Open) -> None:
    with pytest.raises(ConfigurationError, match="give it a key"):
        open_gateway(listen="0.0.0.0")


@pytest.mark.parametrize(
    "options",
    [
        {"allow": ["https://x.test"]},
        {"upstreams": {"openai": "nowhere"}},
        {"mode": "cahce"},
        {"key": "short"},
    ],
)
def test_what_cannot_be_is_said_at_once(open_gateway: Open, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        open_gateway(**options)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)  # as Python does with what it cannot find

    with pytest.raises(ConfigurationError, match=r"cachesaver\[gateway\]"):
        Gateway()


def test_hosts_that_are_answered_for_may_be_called(
    open_gateway: Open, server: LoopbackServer, http: httpx2.Client
) -> None:
    """Given a host that the session was told of, then it is allowed, and its POSTs are kept."""
    address = server.url.partition("://")[2]
    gateway = open_gateway(hosts=[address, "*"])

    said = [http.post(f"{gateway.url}/ns/{name}/http/{address}/odd", json=ASK) for name in "ab"]

    assert [each.status_code for each in said] == [200, 200]
    assert "hit" in said[1].headers["cache-status"]
    assert http.get(f"{gateway.url}/https/evil.test/").status_code == 403


def test_its_variables_lead_to_it(gateway: Gateway) -> None:
    assert gateway.variables()["OPENAI_BASE_URL"] == f"{gateway.url}/openai/v1"
    assert gateway.url_of("gemini", front="/ns/x/") == f"{gateway.url}/ns/x/gemini"
