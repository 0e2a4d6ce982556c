"""A request through the gateway, byte by byte: who is let in, what goes on, what comes back."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from cachesaver.gateway import Gateway
from cachesaver.transports.loopback import LoopbackServer, Script

ASK: dict[str, Any] = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/openai/v1/chat/completions"
KEY = "0123456789abcdef"

Open = Callable[..., Gateway]

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5-mini",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yo"}}
        ],
    }
).encode()


def _event(delta: dict[str, str], finish: str | None) -> bytes:
    event = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-5-mini",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return f"data: {json.dumps(event)}\n\n".encode()


STREAM = (
    _event({"role": "assistant", "content": "Y"}, None),
    _event({"content": "o"}, "stop"),
    b"data: [DONE]\n\n",
)

SSE = (("content-type", "text/event-stream"),)
JSON = (("content-type", "application/json"),)


@pytest.fixture
def scripted(open_gateway: Open, server: LoopbackServer) -> Gateway:
    """A gateway to `server`, which is OpenAI, Anthropic and Google."""
    return open_gateway(upstreams=dict.fromkeys(("openai", "anthropic", "gemini"), server.url))


def raw(gateway: Gateway, request: bytes) -> bytes:
    """Send *request* as it is on a connection of its own; return all that comes."""
    host, _, port = gateway.url.rpartition("/")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        pieces = list[bytes]()
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


class TestWhatGoesOn:
    def test_the_provider_sees_what_a_direct_call_would_have_shown(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        server.script("/v1/chat/completions", Script(headers=JSON, chunks=(ANSWER,)))

        http.post(
            f"{scripted.url}/key/{KEY}/ns/x/id/y{CHAT}?a=%2F&b=c+d",
            json=ASK,
            headers={
                "authorization": "Bearer sk-1",
                "x-custom": "1",
                "connection": "x-mine",
                "x-mine": "2",
                "x-cachesaver-key": KEY,
                "x-cachesaver-run": "r",
                "te": "trailers",
                "proxy-authorization": "Basic x",
                "cookie": "a=b",
            },
        )

        (received,) = server.received
        assert (received.method, received.target) == ("POST", "/v1/chat/completions?a=%2F&b=c+d")
        assert json.loads(received.body) == ASK
        named = {name.lower(): value for name, value in received.headers}
        assert named["host"] == server.url.partition("://")[2]
        assert named["authorization"] == "Bearer sk-1"
        assert (named["x-custom"], named["cookie"]) == ("1", "a=b")
        assert named["content-length"] == str(len(received.body))
        assert not {"x-mine", "te", "proxy-authorization", "connection"} & named.keys()
        assert not [name for name in named if name.startswith("x-cachesaver")]
        assert KEY not in repr(received.headers)

    def test_nothing_is_added_either(self, scripted: Gateway, server: LoopbackServer) -> None:
        raw(
            scripted,
            b"GET /openai/v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )

        (received,) = server.received
        assert [name.lower() for name, _ in received.headers] == ["host"]

    def test_what_is_no_provider_call_goes_on_while_it_arrives(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        pieces = [b"a" * 70_000, b"b" * 70_000]

        sized = http.post(f"{scripted.url}/openai/v1/files", content=b"".join(pieces))
        chunked = http.put(f"{scripted.url}/openai/v1/files/x", content=iter(pieces))

        assert sized.content == chunked.content == b"".join(pieces)
        assert sized.headers["cache-status"] == "cachesaver; fwd=bypass"
        first, second = server.received
        assert first.header("content-length") == "140000"
        assert first.header("transfer-encoding") is None
        assert second.header("transfer-encoding") == "chunked"

    def test_the_head_alone_is_asked_for(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        server.script("/v1/models", Script(chunks=(b"0123456789",)))

        answer = http.head(f"{scripted.url}/openai/v1/models")

        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == "10"
        assert server.received[0].method == "HEAD"

    def test_an_upgrade_to_http2_is_declined_and_the_request_answered(
        self, scripted: Gateway, server: LoopbackServer
    ) -> None:
        """As the HTTP client of Java begins every first call."""
        said = raw(
            scripted,
            b"GET /openai/v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, "
            b"close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAE\r\n\r\n",
        )

        assert said.startswith(b"HTTP/1.1 200 ")
        assert [name.lower() for name, _ in server.received[0].headers] == ["host"]


class TestWhatComesBack:
    def test_a_body_comes_in_the_coding_the_provider_chose(
        self, scripted: Gateway, server: LoopbackServer
    ) -> None:
        packed = gzip.compress(ANSWER)
        coded = (*JSON, ("content-encoding", "gzip"), ("x-request-id", "r1"))
        server.script("/v1/models", Script(headers=coded, chunks=(packed,)))

        said = raw(
            scripted,
            b"GET /openai/v1/models HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip, br\r\n"
            b"Connection: close\r\n\r\n",
        )

        head, _, body = said.partition(b"\r\n\r\n")
        assert body == packed
        assert f"content-length: {len(packed)}".encode() in head
        assert b"content-encoding: gzip" in head
        assert b"x-request-id: r1" in head
        assert server.received[0].header("accept-encoding") == "gzip, br"

    def test_a_stream_is_kept_though_it_came_compressed(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        coded = (*SSE, ("content-encoding", "gzip"))
        packed = gzip.compress(b"".join(STREAM))
        server.script(
            "/v1/chat/completions", Script(headers=coded, chunks=(packed[:50], packed[50:]))
        )

        answers = [
            http.post(f"{scripted.url}/ns/{name}{CHAT}", json={**ASK, "stream": True})
            for name in ("a", "b")
        ]

        assert {answer.content for answer in answers} == {b"".join(STREAM)}
        assert [answer.headers.get("content-encoding") for answer in answers] == ["gzip", None]
        assert "; hit" in answers[1].headers["cache-status"]
        assert len(server.received) == 1

    def test_headers_of_the_providers_connection_stay_there(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        mine = (*JSON, ("connection", "x-mine"), ("x-mine", "1"), ("keep-alive", "timeout=5"))
        server.script("/v1/models", Script(headers=mine, chunks=(b"{}",)))

        headers = http.get(f"{scripted.url}/openai/v1/models").headers

        assert "x-mine" not in headers
        assert "keep-alive" not in headers

    def test_an_error_of_the_provider_is_passed_on_and_kept_nowhere(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        refused = Script(
            status=529, headers=(*JSON, ("retry-after", "3")), chunks=(b'{"error": 1}',)
        )
        server.script("/v1/chat/completions", refused)

        answers = [http.post(f"{scripted.url}{CHAT}", json=ASK) for _ in range(2)]

        assert [(each.status_code, each.content) for each in answers] == [
            (529, b'{"error": 1}')
        ] * 2
        assert answers[0].headers["retry-after"] == "3"
        assert len(server.received) == 2

    def test_a_redirect_is_passed_on_and_not_followed(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        away = "http://169.254.169.254/latest/meta-data/"
        server.script("/v1/models", Script(status=302, headers=(("location", away),)))

        answer = http.get(f"{scripted.url}/openai/v1/models", follow_redirects=False)

        assert (answer.status_code, answer.headers["location"]) == (302, away)
        assert len(server.received) == 1

    def test_cookies_of_one_caller_are_not_shown_to_the_next(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        server.script("/v1/models", Script(headers=(("set-cookie", "session=secret; Path=/"),)))
        http.get(f"{scripted.url}/openai/v1/models")
        http.cookies.clear()

        http.get(f"{scripted.url}/openai/v1/models")

        assert server.received[1].header("cookie") is None

    def test_a_stream_that_breaks_off_breaks_off(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        server.script("/v1/chat/completions", Script(headers=SSE, chunks=STREAM[:2], breaks=True))
        seen = list[bytes]()

        def read() -> None:
            with http.stream(
                "POST", f"{scripted.url}{CHAT}", json={**ASK, "stream": True}
            ) as answer:
                seen.extend(answer.iter_raw())

        with pytest.raises(httpx2.RemoteProtocolError):
            read()

        assert b"".join(seen) == b"".join(STREAM[:2])
        server.script("/v1/chat/completions", Script(headers=SSE, chunks=STREAM))
        again = http.post(f"{scripted.url}{CHAT}", json={**ASK, "stream": True})
        assert again.content == b"".join(STREAM)
        assert "index 0" in again.headers["cache-status"], "the draw was given back"


class TestWhoIsNotLetIn:
    @pytest.mark.parametrize(
        ("request_line", "headers", "status"),
        [
            (b"GET http://127.0.0.1:9/ HTTP/1.1", b"Host: localhost", 400),
            (b"GET http://evil.test/ HTTP/1.1", b"Host: evil.test", 403),
            (b"CONNECT api.openai.com:443 HTTP/1.1", b"Host: localhost", 405),
            (b"OPTIONS * HTTP/1.1", b"Host: localhost", 400),
            (b"GET /https/evil.test/ HTTP/1.1", b"Host: localhost", 403),
            (b"GET /openai/v1/models HTTP/1.1", b"Host: rebound.test", 403),
            (b"GET /cachesaver/health HTTP/1.1", b"Host: rebound.test", 403),
            (
                b"GET /openai/v1/models HTTP/1.1",
                b"Host: localhost\r\nOrigin: https://evil.test",
                403,
            ),
            (b"OPTIONS /openai/v1/models HTTP/1.1", b"Host: localhost\r\nOrigin: null", 403),
            (b"GET /openai/v1/x HTTP/1.1", b"Host: localhost\r\nSec-Fetch-Site: cross-site", 403),
            (b"GET /openai/v1/realtime HTTP/1.1", b"Host: localhost\r\nUpgrade: websocket", 501),
            (b"GET /openai/v1/x HTTP/1.1", b"Host: localhost\r\nContent-Length: x", 400),
        ],
    )
    def test_nothing_is_sent_for_them(
        self,
        scripted: Gateway,
        server: LoopbackServer,
        request_line: bytes,
        headers: bytes,
        status: int,
    ) -> None:
        said = raw(scripted, request_line + b"\r\n" + headers + b"\r\nConnection: close\r\n\r\n")

        assert said.startswith(f"HTTP/1.1 {status} ".encode())
        assert server.received == []
        assert b"access-control-allow-origin" not in said.lower()

    def test_a_web_page_is_not_answered_from_the_store_either(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        server.script("/v1/chat/completions", Script(headers=JSON, chunks=(ANSWER,)))
        http.post(f"{scripted.url}{CHAT}", json=ASK)

        foreign = {"origin": "https://evil.test", "content-type": "text/plain"}
        answer = http.post(
            f"{scripted.url}/ns/b{CHAT}", content=json.dumps(ASK).encode(), headers=foreign
        )

        assert answer.status_code == 403
        assert "Yo" not in answer.text

    def test_a_key_is_asked_of_everybody_where_there_is_one(
        self, open_gateway: Open, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        gateway = open_gateway(key=KEY, upstreams={"openai": server.url})

        refused = http.post(f"{gateway.url}{CHAT}", json=ASK)
        wrong = http.post(f"{gateway.url}/key/{KEY}x{CHAT}", json=ASK)
        by_path = http.get(f"{gateway.url}/key/{KEY}/openai/v1/models")
        by_header = http.get(
            f"{gateway.url}/openai/v1/models", headers={"x-cachesaver-key": KEY, "host": "gpu-7"}
        )

        assert [each.status_code for each in (refused, wrong, by_path, by_header)] == [
            401,
            401,
            200,
            200,
        ]
        assert KEY not in refused.text + wrong.text
        assert len(server.received) == 2
        assert http.get(f"{gateway.url}/cachesaver/health").json() == {"status": "ok"}

    def test_a_body_can_be_too_large(
        self, open_gateway: Open, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        gateway = open_gateway(upstreams={"openai": server.url}, largest_body=100_000)

        refused = http.post(f"{gateway.url}{CHAT}", content=b"x" * 100_001)
        passed = http.post(f"{gateway.url}/openai/v1/files", content=b"x" * 100_001)

        assert (refused.status_code, passed.status_code) == (413, 200)
        assert [each.target for each in server.received] == ["/v1/files"]


class TestWhatFails:
    def test_who_cannot_be_reached_is_a_bad_gateway(
        self, open_gateway: Open, http: httpx2.Client, unused_port: int
    ) -> None:
        gateway = open_gateway(upstreams={"openai": f"http://127.0.0.1:{unused_port}"})

        answers = [
            http.post(f"{gateway.url}{CHAT}?key=AIza-secret", json=ASK),
            http.get(f"{gateway.url}/openai/v1/models?key=AIza-secret"),
        ]

        for answer in answers:
            assert answer.status_code == 502
            assert answer.json()["error"]["code"] == "cachesaver_unreachable"
            assert f"127.0.0.1:{unused_port}" in answer.text
            assert "AIza" not in answer.text

    def test_so_is_who_goes_away_before_the_head(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        server.script("/v1/models", Script(chunks=(b"x",), breaks=True))

        # The head is out, and a length is broken: the client must notice.
        with pytest.raises(httpx2.RemoteProtocolError):
            http.get(f"{scripted.url}/openai/v1/models")

    def test_a_certificate_that_nobody_signed_is_not_accepted(
        self, open_gateway: Open, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        """Given an upstream that cannot prove who it is, then nothing is sent to it."""
        gateway = open_gateway(upstreams={"openai": server.url.replace("http://", "https://")})

        answer = http.post(f"{gateway.url}{CHAT}", json=ASK)

        assert answer.status_code == 502
        assert server.received == []

    @pytest.mark.parametrize(
        ("path", "body", "place"),
        [
            ("/openai/v1/chat/completions", ASK, ("error", "message")),
            ("/anthropic/v1/messages", {**ASK, "max_tokens": 9}, ("error", "message")),
            (
                "/gemini/v1beta/models/gemini-2.5-flash:generateContent",
                {"contents": [{"parts": [{"text": "Hi"}]}]},
                ("error", "message"),
            ),
            ("/cohere/v2/chat", ASK, ("message",)),
            ("/ollama/api/chat", {**ASK, "stream": False}, ("error",)),
        ],
    )
    def test_a_miss_by_replay_says_so_in_the_shape_of_the_provider(
        self,
        open_gateway: Open,
        http: httpx2.Client,
        path: str,
        body: dict[str, Any],
        place: tuple[str, ...],
    ) -> None:
        gateway = open_gateway(mode="replay")

        answer = http.post(gateway.url + path, json=body)

        said = answer.json()
        for name in place:
            said = said[name]
        assert answer.status_code == 412
        assert answer.headers["x-should-retry"] == "false"
        assert "is recorded" in said or "is stored" in said or "stored samples are free" in said

    @pytest.mark.parametrize("agent", ["x", "Groq/Python 1.7.0"])
    def test_it_shows_the_nearest_question(
        self,
        open_gateway: Open,
        scripted: Gateway,
        server: LoopbackServer,
        http: httpx2.Client,
        agent: str,
    ) -> None:
        server.script("/v1/chat/completions", Script(headers=JSON, chunks=(ANSWER,)))
        http.post(f"{scripted.url}{CHAT}", json=ASK)
        replaying = open_gateway("b", mode="replay", upstreams={"openai": server.url})

        asked = {**ASK, "seed": 7}
        answer = http.post(f"{replaying.url}{CHAT}", json=asked, headers={"user-agent": agent})

        assert answer.status_code == 412
        assert '"seed": 7' in answer.json()["error"]["message"]
        assert len(server.received) == 1

    @pytest.mark.parametrize("agent", ["x", "Groq/Python 1.7.0"])
    def test_a_budget_is_no_reason_to_try_again(
        self, open_gateway: Open, server: LoopbackServer, http: httpx2.Client, agent: str
    ) -> None:
        gateway = open_gateway(upstreams={"openai": server.url}, budget="0 calls")

        answer = http.post(f"{gateway.url}{CHAT}", json=ASK, headers={"user-agent": agent})

        assert (answer.status_code, answer.json()["error"]["code"]) == (402, "cachesaver_budget")
        assert server.received == []

    def test_a_replicate_is_a_number(self, scripted: Gateway, http: httpx2.Client) -> None:
        answer = http.post(f"{scripted.url}/replicate/x{CHAT}", json=ASK)

        assert answer.status_code == 400
        assert "whole number" in answer.json()["error"]["message"]


class TestHowItDraws:
    @pytest.fixture(autouse=True)
    def _numbered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing of an outer run is inherited."""
        monkeypatch.delenv("CACHESAVER_RUN", raising=False)

    @staticmethod
    def index(http: httpx2.Client, url: str, **headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = http.post(url, json=ASK, headers=named)
        assert answer.status_code == 200
        return answer.headers["cache-status"].rpartition("index ")[2].strip('"')

    def test_namespaces_share_and_replicates_do_not(
        self, gateway: Gateway, http: httpx2.Client
    ) -> None:
        ways = ("", "/ns/b", "/ns/c/replicate/0", "/ns/c/replicate/1", "/replicate/0")

        drawn = [self.index(http, f"{gateway.url}{way}{CHAT}") for way in ways]
        by_header = self.index(
            http,
            gateway.url + CHAT,
            x_cachesaver_namespace="c",
            x_cachesaver_replicate="2",
        )

        assert drawn == ["0", "0", "0", "1", "0"]
        assert by_header == "2"

    def test_an_id_draws_the_same_whenever_it_comes(
        self, open_gateway: Open, rehearsal: Any, http: httpx2.Client
    ) -> None:
        """Given two agents with ids, when they come in another order next time, then nothing changes."""
        first = open_gateway(upstreams={"openai": rehearsal.url})
        orders = (("x", "y", "y", "x"), ("y", "x", "x", "y"))

        drawn = list[dict[str, list[str]]]()
        for order in orders:
            gateway = first if not drawn else open_gateway(upstreams={"openai": rehearsal.url})
            got: dict[str, list[str]] = {"x": [], "y": []}
            for name in order:
                got[name].append(self.index(http, f"{gateway.url}/id/{name}{CHAT}"))
            drawn.append(got)

        assert drawn[0] == drawn[1] == {"x": ["0", "3"], "y": ["1", "2"]}

    def test_a_run_of_its_own_draws_from_the_beginning(
        self, gateway: Gateway, http: httpx2.Client
    ) -> None:
        ways = ("", "", "/run/1", "/run/1", "/run/2", f"/run/{gateway.session.run_id}")

        drawn = [self.index(http, f"{gateway.url}{way}{CHAT}") for way in ways]

        assert drawn == ["0", "1", "0", "1", "0", "2"]

    def test_draws_that_a_relay_has_named_are_called_that(
        self, gateway: Gateway, http: httpx2.Client
    ) -> None:
        """Given their ids, then the same are the same sample, in any order and for any number."""
        one, two = "1" * 64, "2" * 64
        url = gateway.url + CHAT
        run = {"x-cachesaver-run": "r", "x-cachesaver-request-id": "x"}
        ways: tuple[dict[str, Any], ...] = ({"n": 2}, {}, {}, {})
        ids = (one + two, two, one, one)

        drawn = [
            http.post(url, json=ASK | way, headers={**run, "x-cachesaver-draws": said}).headers
            for way, said in zip(ways, ids, strict=True)
        ]

        indexes = [each["cache-status"].rpartition("index ")[2].strip('"') for each in drawn]
        assert indexes == ["0,1", "1", "0", "0"]

    def test_a_thousand_names_fit_in_a_head(self, gateway: Gateway, http: httpx2.Client) -> None:
        """Given them for a call that wants one, then they are not its names, and it is answered."""
        said = {"x-cachesaver-run": "r", "x-cachesaver-draws": "1" * 64 * 1024}

        assert self.index(http, gateway.url + CHAT, **said) == "0"

    @pytest.mark.parametrize("said", ["x", "1" * 63, "A" * 64, "1" * 64 * 1025, ""])
    def test_what_no_relay_says_is_refused(
        self, gateway: Gateway, http: httpx2.Client, said: str
    ) -> None:
        named = {"x-cachesaver-draws": said or "1" * 64}
        run = {"x-cachesaver-run": "r"} if said else {}

        answer = http.post(gateway.url + CHAT, json=ASK, headers={**named, **run})

        assert answer.status_code == 400
        assert "x-cachesaver-request-id" in answer.text

    def test_a_relayed_draw_is_given_back_by_who_named_it(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        """Given an error and a stream left early, when the same draw comes again, then it is the first."""
        said = {"x-cachesaver-run": "r", "x-cachesaver-draws": "1" * 64}
        server.script("/v1/chat/completions", Script(status=500))
        http.post(scripted.url + CHAT, json=ASK, headers=said)
        held = Script(headers=SSE, chunks=STREAM, holds_chunks=True)
        server.script("/v1/chat/completions", held)
        streamed = {**ASK, "stream": True}
        with http.stream("POST", scripted.url + CHAT, json=streamed, headers=said) as answer:
            next(answer.iter_raw())
        assert server.wait_closed(1)
        server.script("/v1/chat/completions", Script(headers=JSON, chunks=(ANSWER,)))

        assert self.index(http, scripted.url + CHAT, **said) == "0"

    def test_a_retry_is_the_same_draw(
        self, scripted: Gateway, server: LoopbackServer, http: httpx2.Client
    ) -> None:
        server.script("/v1/chat/completions", Script(status=500))
        http.post(f"{scripted.url}/id/x{CHAT}", json=ASK)
        server.script("/v1/chat/completions", Script(headers=JSON, chunks=(ANSWER,)))

        again = self.index(http, f"{scripted.url}/id/x{CHAT}")

        assert again == "0"


def test_a_websocket_is_not_spoken_by_the_application(gateway: Gateway) -> None:
    """Given a server that hands over something else than HTTP, then it is told."""
    app = gateway._app()

    with pytest.raises(TypeError, match="not websocket"):
        app({"type": "websocket"}, None, None).send(None)  # type: ignore[arg-type]  # never called
