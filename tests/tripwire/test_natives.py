"""Clients with sockets of their own: fakes of their modules, as far as they are hooked.

The real ones run with `make apart` (`tests/laws/escapes.py`), in an environment of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from cachesaver.errors import EscapeError
from cachesaver.tripwire.natives import NATIVES, hook_native
from cachesaver.tripwire.wire import Wire
from escaping import attributes

Watching = Callable[..., Wire]

REFUSED = ["https://api.openai.com/v1/x", "http://127.0.0.1:8000/v1/chat/completions"]
PASSED = [
    "https://pypi.org/simple",
    "http://127.0.0.1:8000/orders",
    "127.0.0.1:8000/orders",
    *(
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:abc/",
    ),  # for the client to refuse
]


def unhooked(module: ModuleType, wire: Wire) -> Callable[[], None]:
    return list[object]().clear


def module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(members)
    return made


class TestCurlCffi:
    def fake(self) -> Any:
        class Curl:
            def __init__(self) -> None:
                self.options: list[tuple[int, object]] = []

            def setopt(self, option: int, value: object) -> int:
                self.options.append((option, value))
                return 0

        return module("curl_cffi", Curl=Curl, CurlOpt=type("CurlOpt", (), {"URL": 10002}))

    def test_a_url_of_a_providers_is_not_set(self, watching: Watching) -> None:
        watching(hook_native, fake := self.fake())
        curl = fake.Curl()

        with pytest.raises(EscapeError, match="by curl_cffi"):
            curl.setopt(10002, REFUSED[0].encode())
        assert curl.options == []

    @pytest.mark.parametrize("url", PASSED)
    def test_others_are(self, watching: Watching, url: str) -> None:
        watching(hook_native, fake := self.fake())
        curl = fake.Curl()

        curl.setopt(10002, url.encode())
        curl.setopt(64, REFUSED[0])

        assert curl.options == [(10002, url.encode()), (64, REFUSED[0])]


class TestPycurl:
    def fake(self) -> Any:
        class Curl:
            def setopt(self, option: int, value: object) -> None:
                self.last = value

        return module("pycurl", Curl=Curl, URL=10002)

    def test_the_class_is_replaced_and_comes_back(self, watching: Watching) -> None:
        fake = self.fake()
        original = fake.Curl

        undo = NATIVES["pycurl"].hook(fake, Wire())
        between = fake.Curl
        undo()

        assert issubclass(between, original)
        assert between is not original
        assert fake.Curl is original

    def test_what_was_put_on_top_stays(self) -> None:
        fake = self.fake()
        undo = NATIVES["pycurl"].hook(fake, Wire())
        fake.Curl = theirs = type("Theirs", (fake.Curl,), {})

        undo()

        assert fake.Curl is theirs

    def test_an_instance_from_before_we_left_lets_pass(self, watching: Watching) -> None:
        fake = self.fake()
        wire = watching(unhooked, fake)
        undo = NATIVES["pycurl"].hook(fake, wire)
        curl = fake.Curl()
        with pytest.raises(EscapeError):
            curl.setopt(10002, REFUSED[0])

        undo()
        curl.setopt(10002, REFUSED[0])

        assert curl.last == REFUSED[0]


class TestByVerbs:
    def fake(self) -> Any:
        class Client:
            def get(self, url: str, **kwargs: object) -> str:
                return f"get {url}"

            def post(self, url: str, **kwargs: object) -> str:
                return f"post {url}"

            def request(self, method: str, url: str, **kwargs: object) -> str:
                return f"{method} {url}"

        def get(url: str, **kwargs: object) -> str:
            return f"got {url}"

        return module("primp", Client=Client, get=get)

    @pytest.mark.parametrize("url", REFUSED)
    def test_methods_and_functions_are_asked_about(self, watching: Watching, url: str) -> None:
        watching(hook_native, fake := self.fake())
        client = fake.Client()

        calls: list[Callable[[], object]] = [
            lambda: client.post(url),
            lambda: client.post(url=url),
            lambda: client.request("POST", url),
            lambda: client.request(method="POST", url=url),
        ]
        for call in calls:
            with pytest.raises(EscapeError, match="by primp"):
                call()

    def test_what_streams_is_asked_about(self, watching: Watching) -> None:
        class Client:
            def stream(self, method: str, url: str) -> str:
                return f"{method} {url}"

        watching(hook_native, fake := module("impit", Client=Client))

        with pytest.raises(EscapeError, match="by impit"):
            fake.Client().stream("POST", REFUSED[0])
        assert fake.Client().stream("GET", PASSED[0]) == f"GET {PASSED[0]}"

    def test_what_others_inherit_is_asked_about(self, watching: Watching) -> None:
        class RClient:
            def request(self, method: str, url: str, **kwargs: object) -> str:
                return f"{method} {url}"

            def _stream(self, method: str, url: str, **kwargs: object) -> str:
                return f"{method} {url}"

        class Client(RClient):
            pass

        watching(hook_native, fake := module("httpr", RClient=RClient, Client=Client))
        client = fake.Client()

        for call in (client.request, client._stream):
            with pytest.raises(EscapeError, match="by httpr"):
                call(method="POST", url=REFUSED[0], json={})
            assert call("POST", PASSED[0])

    @pytest.mark.parametrize(
        ("body", "asks"), [(b'{"model": "m", "input": "x"}', True), (b'{"answers": []}', False)]
    )
    def test_a_body_without_its_name_tells_too(
        self, watching: Watching, body: bytes, *, asks: bool
    ) -> None:
        def post(url: str, content: bytes) -> bytes:
            return content

        watching(hook_native, fake := module("impit", post=post))
        url = "http://127.0.0.1:8000/v1/responses"

        if asks:
            with pytest.raises(EscapeError):
                fake.post(url, body)
        else:
            assert fake.post(url, body) == body

    def test_the_method_tells_too(self, watching: Watching) -> None:
        watching(hook_native, fake := self.fake())

        assert fake.get(REFUSED[1].replace("/v1/chat/completions", "/rerank"))
        with pytest.raises(EscapeError):
            fake.get("https://api.openai.com/v1/models")

    @pytest.mark.parametrize(
        ("body", "asks"),
        [
            ({"json": {"model": "m", "input": "x"}}, True),
            ({"content": b'{"model": "m", "input": "x"}'}, True),
            ({"data": '{"model": "m", "input": "x"}'}, True),
            ({"content": iter([b"{}"])}, True),  # it cannot be read
            ({"json": {"answers": [{"model": "m"}]}}, False),
            ({"json": None}, False),
        ],
    )
    def test_the_body_tells_too(
        self, watching: Watching, body: dict[str, object], *, asks: bool
    ) -> None:
        watching(hook_native, fake := self.fake())
        url = "http://127.0.0.1:8000/v1/responses"

        try:
            fake.Client().post(url, **body)
        except EscapeError:
            assert asks
        else:
            assert not asks

    @pytest.mark.parametrize("url", PASSED)
    def test_others_pass(self, watching: Watching, url: str) -> None:
        watching(hook_native, fake := self.fake())

        assert fake.Client().request("POST", url, json={}) == f"POST {url}"
        assert fake.get(url) == f"got {url}"

    def test_nothing_is_left_behind(self) -> None:
        fake = self.fake()
        before = attributes(fake, fake.Client)

        undo = hook_native(fake, Wire())
        assert attributes(fake, fake.Client) != before
        undo()

        assert attributes(fake, fake.Client) == before

    def test_what_was_put_on_top_stays(self) -> None:
        fake = self.fake()
        undo = hook_native(fake, Wire())
        fake.get = theirs = str

        undo()

        assert fake.get is theirs

    def test_what_was_taken_before_we_left_lets_pass(self, watching: Watching) -> None:
        fake = self.fake()
        wire = watching(unhooked, fake)
        undo = hook_native(fake, wire)
        get = fake.get
        with pytest.raises(EscapeError):
            get(REFUSED[0])

        undo()

        assert get(REFUSED[0]) == f"got {REFUSED[0]}"


class TestGrpc:
    def fake(self) -> Any:
        class Channel:
            def __init__(self, target: str, options: object = None) -> None:
                self.target = target

        class _UnaryUnaryMultiCallable:
            def __init__(self, target: bytes) -> None:
                self._target = target

            def __call__(self, request: object) -> object:
                return request

            def future(self, request: object) -> object:
                return request

        return module(
            "grpc._channel", Channel=Channel, _UnaryUnaryMultiCallable=_UnaryUnaryMultiCallable
        )

    @pytest.mark.parametrize(
        "target",
        [
            "api.x.ai:443",
            "api.x.ai",
            "dns:api.x.ai:443",
            "dns:///api.x.ai",
            "dns://8.8.8.8/api.x.ai:443",
        ],
    )
    def test_no_channel_to_a_provider_is_made_or_used(
        self, watching: Watching, target: str
    ) -> None:
        fake = self.fake()
        kept = fake._UnaryUnaryMultiCallable(target.encode())
        watching(hook_native, fake)

        calls: list[Callable[[], object]] = [
            lambda: fake.Channel(target),
            lambda: fake.Channel(target=target),
            lambda: kept(1),
            lambda: kept.future(1),
        ]
        for call in calls:
            with pytest.raises(EscapeError, match=r"api\.x\.ai:443"):
                call()

    @pytest.mark.parametrize(
        "target", ["localhost:50051", "[::1]:50051", "unix:/tmp/api.x.ai", "ipv4:10.0.0.1:80"]
    )
    def test_others_are(self, watching: Watching, target: str) -> None:
        watching(hook_native, fake := self.fake())

        assert fake.Channel(target).target == target
        assert fake._UnaryUnaryMultiCallable(target.encode())(1) == 1

    def test_nothing_is_left_behind(self) -> None:
        fake = self.fake()
        before = attributes(fake.Channel, fake._UnaryUnaryMultiCallable)

        hook_native(fake, Wire())()

        assert attributes(fake.Channel, fake._UnaryUnaryMultiCallable) == before


@pytest.mark.parametrize("name", NATIVES)
def test_every_row_says_what_is_seen_and_where_it_was_read(name: str) -> None:
    row = NATIVES[name]

    assert row.seen
    assert any(each.isdigit() for each in row.source)
