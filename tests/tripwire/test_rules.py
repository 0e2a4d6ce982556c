"""What the two rules let out, and what not."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from cachesaver.contexts import inside
from cachesaver.errors import EscapeError
from cachesaver.exchange import Request
from cachesaver.tripwire.heads import Sent
from cachesaver.tripwire.rules import Blocking, OfContexts, OfThreads, Replaying

CHAT = Sent(method="POST", target="/v1/chat/completions")
LOCAL = "http://127.0.0.1:8000/v1/chat/completions"


class TestReplaying:
    def test_providers_are_refused_by_name_and_this_machine_is_not(self) -> None:
        rule = Replaying(hosts=("localhost:8000", "llm.acme.test"))

        assert rule.of_name("api.openai.com", None)
        assert rule.of_name("llm.acme.test", 443)
        assert rule.of_name("localhost", 8000) == ""
        assert rule.of_name("db.acme.test", 5432) == ""

    def test_everything_named_is_no_reason_to_cut_the_machine_off(self) -> None:
        rule = Replaying(hosts=("*",))

        assert rule.of_name("db.acme.test", 5432) == ""
        assert rule.of_request(Sent(method="GET", target="/x"), "http://db.acme.test/x")

    def test_an_address_is_refused_where_all_its_names_are(self) -> None:
        rule = Replaying(hosts=("10.0.0.9",))

        assert rule.of_connection("10.0.0.1", 443, ("api.openai.com",))
        assert rule.of_connection("10.0.0.1", 443, ("api.openai.com", "cdn.test")) == ""
        assert rule.of_connection("10.0.0.1", 443, ()) == ""
        assert rule.of_connection("10.0.0.9", 443, ())

    def test_requests_are_refused_by_their_path_or_host(self) -> None:
        rule = Replaying(hosts=("127.0.0.1:9000",))
        survey = Sent(method="POST", target="/responses", names=frozenset({"q"}))
        asked = Sent(method="POST", target="/responses", names=frozenset({"model", "input"}))
        packed = Sent(method="POST", target="/responses", headers=(("Content-Encoding", "br"),))

        assert rule.of_request(CHAT, LOCAL)
        assert rule.of_request(survey, "http://127.0.0.1:8000/responses") == ""
        assert rule.of_request(asked, "http://127.0.0.1:8000/responses")
        assert rule.of_request(packed, "http://127.0.0.1:8000/responses")
        assert rule.of_request(survey, "http://127.0.0.1:9000/responses")

    def test_what_is_refused_is_told_before(self) -> None:
        told: list[EscapeError] = []
        error = EscapeError("x", reason="r", advice="", library="", place="")

        Replaying(missed=told.append).refused(error)
        Replaying().refused(error)

        assert told == [error]

    def test_a_gateway_of_ours_answers_for_itself(self) -> None:
        rule = Replaying(gateway="http://127.0.0.1:8000")

        assert rule.of_request(CHAT, LOCAL) == ""
        assert rule.of_request(CHAT, LOCAL.replace("8000", "80000"))
        assert rule.of_request(CHAT, LOCAL.replace("127.0.0.1", "127.0.0.2"))

    @pytest.mark.parametrize(
        ("target", "is_refused"),
        [("api.openai.com:443", True), ("[::1]:443", False), ("pypi.org:443", False), ("x", False)],
    )
    def test_a_proxy_is_not_asked_for_a_provider(self, target: str, *, is_refused: bool) -> None:
        rule = Replaying()

        assert bool(rule.of_request(Sent(method="CONNECT", target=target), target)) is is_refused

    def test_match_excludes_connections_and_requests(self) -> None:
        asked: list[tuple[str, str]] = []

        def match(request: Request) -> bool | None:
            asked.append((request.method, request.url))
            return False if "openai" in request.url or request.header("x-mine") else None

        rule = Replaying(match=match)
        mine = Sent(method="POST", target=CHAT.target, headers=(("X-Mine", "1"),))

        assert rule.of_name("api.openai.com", 443) == ""
        assert rule.of_name("api.anthropic.com", None)
        assert rule.of_request(mine, LOCAL) == ""
        assert rule.of_request(CHAT, LOCAL)
        assert rule.of_name("pypi.org", 443) == ""
        assert asked == [
            ("CONNECT", "https://api.openai.com:443/"),
            ("CONNECT", "https://api.anthropic.com:443/"),
            ("POST", LOCAL),
            ("POST", LOCAL),
        ]

    def test_half_a_head_is_refused_at_once_but_match_waits_for_the_rest(self) -> None:
        half = Sent(method="POST", target=CHAT.target, is_whole=False)

        assert Replaying().of_request(half, LOCAL)
        assert Replaying(match=lambda request: None).of_request(half, LOCAL) == ""
        assert Replaying(match=lambda request: None).of_request(CHAT, LOCAL)

    def test_what_a_hook_lets_through_is_let_out(self) -> None:
        rule = Replaying()

        assert not rule.lets_out()
        with inside():
            assert rule.lets_out()

    def test_a_mock_in_the_place_of_sockets_is_left_alone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kind = type("MocketSocket", (), {"__module__": "mocket.socket"})
        monkeypatch.setitem(sys.modules, "socket", SimpleNamespace(socket=kind))

        assert Replaying().lets_out()
        assert not Replaying(through_mocks=True).lets_out()


class TestOfContexts:
    def test_it_holds_where_it_is_meant_and_nowhere_else(self) -> None:
        for is_meant in (True, False):
            rule = OfContexts(Replaying(hosts=("10.0.0.9",)), lambda: is_meant)  # noqa: B023  # called here
            assert bool(rule.of_name("api.openai.com", 443)) is is_meant
            assert bool(rule.of_connection("10.0.0.9", 443, ())) is is_meant
            assert bool(rule.of_request(CHAT, LOCAL)) is is_meant
            assert not rule.lets_out()
            assert rule.advice == Replaying.advice
            assert not rule.is_strict

    def test_of_what_is_let_out_it_tells_why_so_that_its_connection_is_known(self) -> None:
        rule = OfContexts(Replaying(), lambda: False)

        with inside():
            assert rule.lets_out()
            assert rule.of_request(CHAT, LOCAL)

    def test_what_is_refused_is_told(self) -> None:
        told: list[EscapeError] = []
        error = EscapeError("x", reason="r", advice="", library="", place="")

        OfContexts(Replaying(missed=told.append), lambda: True).refused(error)

        assert told == [error]


class TestBlocking:
    def test_only_what_is_allowed_and_this_machine_may_be_spoken_to(self) -> None:
        rule = Blocking(allow=[r".*[.]pypi[.]org", r"db[.]test:5432", r"10[.]0[.]0[.]\d+"])

        allowed = [("files.PyPI.org.", 443), ("db.test", 5432), ("10.0.0.7", 1), ("localhost", 80)]
        assert [rule.of_name(*each) for each in allowed] == [""] * 4
        for refused in [("pypi.org.evil.test", 443), ("db.test", 80), ("api.openai.com", 443)]:
            assert rule.of_name(*refused) == "the network is blocked"

    def test_this_machine_can_be_cut_off_too(self) -> None:
        assert Blocking(loopback=False).of_name("127.0.0.1", 80)

    def test_an_address_may_be_spoken_to_by_any_of_its_names(self) -> None:
        rule = Blocking(allow=["a[.]test"])

        assert rule.of_connection("10.0.0.1", 80, ("b.test", "a.test")) == ""
        assert rule.of_connection("10.0.0.1", 80, ("b.test",))
        assert rule.of_connection("10.0.0.1", 80, ())

    def test_a_proxy_that_is_allowed_is_no_way_out(self) -> None:
        rule = Blocking(allow=["a[.]test"])

        assert rule.of_request(Sent(method="CONNECT", target="b.test:443"), "b.test:443")
        assert rule.of_request(Sent(method="CONNECT", target="a.test:443"), "a.test:443") == ""
        assert rule.of_request(CHAT, LOCAL) == ""

    def test_nothing_is_let_out_because_a_hook_saw_it(self) -> None:
        with inside():
            assert not Blocking().lets_out()


class TestOfThreads:
    def test_what_is_refused_to_some_threads_is_not_to_others(self) -> None:
        def asked(rule: OfThreads) -> list[bool]:
            told = (rule.of_name("a.test", 80), rule.of_connection("10.0.0.1", 80, ()))
            return [*map(bool, told), bool(rule.of_request(CONNECT, "a.test:80"))]

        with ThreadPoolExecutor(1) as pool:
            thread = pool.submit(threading.current_thread).result()
            rule = OfThreads(Blocking(), [thread])

            assert pool.submit(asked, rule).result() == [True] * 3
            assert asked(rule) == [False] * 3
            assert rule.is_needed
            assert rule.is_strict
            assert "outlived" in rule.advice
        assert not rule.is_needed

    def test_for_the_rest_it_is_the_rule_it_stands_for(self) -> None:
        told: list[EscapeError] = []
        rule = OfThreads(Replaying(missed=told.append), [])
        error = EscapeError("x", reason="r", advice="", library="", place="")

        rule.refused(error)

        assert told == [error]
        with inside():
            assert rule.lets_out()


CONNECT = Sent(method="CONNECT", target="a.test:80")
