"""The gate: what it takes, what it lets through, and what happens when something fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from cachesaver import scopes
from cachesaver.contexts import inside, is_inside
from cachesaver.dialects.routing import FIRST_INDEX
from cachesaver.errors import CachesaverError, NotRecordedError, StoreError
from cachesaver.exchange import AsyncReply, Reply, Request, get_header
from cachesaver.mounts import MOUNTS, Mount
from cachesaver.ports import Grant, Policy, Run, Store
from cachesaver.session import Session
from cachesaver.statistics import Statistics
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.memory import MemoryStore

URL = "https://api.openai.com/v1/chat/completions"
ASK: dict[str, Any] = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}


class Provider:
    """Answers each call with the next number; `fault` is raised or sent instead."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.fault: BaseException | None = None
        self.status = 200

    def send(self, request: Request) -> Reply:
        self.asked.append(request)
        if self.fault is not None:
            raise self.fault
        return Reply(
            status=self.status,
            headers=(("Content-Type", "application/json"), ("X-Request-Id", "r")),
            chunks=iter((self._answer(),)),
            close=lambda: None,
        )

    async def asend(self, request: Request) -> AsyncReply:
        reply = self.send(request)

        async def chunks() -> AsyncIterator[bytes]:
            for chunk in reply.chunks:
                yield chunk

        async def close() -> None:
            pass

        return AsyncReply(status=reply.status, headers=reply.headers, chunks=chunks(), close=close)

    def _answer(self) -> bytes:
        message = {"role": "assistant", "content": str(len(self.asked))}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        return orjson.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": "gpt-5-mini",
                "choices": [choice],
                "usage": usage,
            }
        )


class BrokenStore(MemoryStore):
    """Fails where it is told to."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def acquire(
        self, run: Run, fingerprint: str, draws: Sequence[str], *, owner: str, policy: Policy
    ) -> tuple[Grant, ...]:
        if self.where == "acquire":
            raise StoreError("the disk is full", location="x")
        return super().acquire(run, fingerprint, draws, owner=owner, policy=policy)

    def join(self, run: str, *, owner: str) -> int:
        if self.where == "join":
            raise StoreError("the disk is full", location="x")
        return super().join(run, owner=owner)

    def enter(self, run: str, member: str, *, owner: str, lasting: bool = False) -> None:
        if self.where == "enter":
            raise StoreError("the disk is full", location="x")
        super().enter(run, member, owner=owner, lasting=lasting)

    def leave(self, run: str, member: str) -> None:
        if self.where == "leave":
            raise StoreError("the disk is full", location="x")
        super().leave(run, member)

    def release(
        self, run: Run, fingerprint: str, index: int, token: str, *, keeps: bool = False
    ) -> None:
        if self.where == "release":
            raise StoreError("the disk is full", location="x")
        super().release(run, fingerprint, index, token, keeps=keeps)

    def fill(self, *args: Any, **kwargs: Any) -> Any:
        if self.where == "fill":
            raise StoreError("the disk is full", location="x")
        return super().fill(*args, **kwargs)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def session() -> Iterator[Session]:
    with Session.open(namespace="ns", store="memory://", strict=True) as session:
        yield session


def request(body: object = ASK, url: str = URL, **headers: str) -> Request:
    said = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method="POST", url=url, headers=said, body=orjson.dumps(body))


def text(reply: Reply) -> str:
    answer = orjson.loads(b"".join(reply.chunks))
    return str(answer["choices"][0]["message"]["content"])


def test_two_draws_are_two_samples_and_a_second_session_draws_them_again(
    provider: Provider,
) -> None:
    store = MemoryStore()

    def run(namespace: str) -> list[str]:
        with Session.open(namespace=namespace, store=store) as session:
            return [text(session.answer(request(), provider.send)) for _ in range(2)]

    assert run("a") == run("b") == run("a") == ["1", "2"]
    assert len(provider.asked) == 2


def test_async_and_blocking_calls_share_everything(provider: Provider) -> None:
    store = MemoryStore()
    with Session.open(namespace="a", store=store) as one:
        bought = text(one.answer(request(), provider.send))

    async def ask(session: Session) -> bytes:
        reply = await session.aanswer(request(), provider.asend)
        return b"".join([chunk async for chunk in reply.chunks])

    with Session.open(namespace="b", store=store) as other:
        answer = asyncio.run(ask(other))

    assert orjson.loads(answer)["choices"][0]["message"]["content"] == bought
    assert len(provider.asked) == 1


def test_a_request_for_n_is_n_draws(session: Session, provider: Provider) -> None:
    """Given a provider that gives one choice whatever n is, then it is called until there are n."""
    reply = session.answer(request({**ASK, "n": 3}), provider.send)

    answer = orjson.loads(b"".join(reply.chunks))
    assert [(each["index"], each["message"]["content"]) for each in answer["choices"]] == [
        (0, "1"),
        (1, "2"),
        (2, "3"),
    ]
    assert session.stats().fetched == 3


def test_cache_status_says_where_an_answer_came_from(provider: Provider) -> None:
    store, said = MemoryStore(), list[str | None]()
    for namespace in ("a", "b"):
        with Session.open(namespace=namespace, store=store) as session:
            reply = session.answer(request(), provider.send)
            said.append(get_header(reply.headers, "cache-status"))

    assert said == [
        'cachesaver; fwd=miss; stored; detail="index 0"',
        'cachesaver; hit; detail="index 0"',
    ]


def test_statistics_add_up(provider: Provider) -> None:
    store = MemoryStore()
    with Session.open(namespace="a", store=store) as session:
        session.answer(request(), provider.send)
    with Session.open(namespace="b", store=store) as session:
        session.answer(request(), provider.send)
        session.answer(request(), provider.send)
        provider.status = 429
        session.answer(request(), provider.send)

        assert session.stats() == Statistics(
            requests=3, hits=1, fetched=1, errors=1, calls=1, tokens_saved=7, tokens_bought=7
        )


NOT_BY_PATH: list[dict[str, Any]] = [
    {"hosts": ["*.acme.test"]},
    {"match": bool},
    {"mode": "replay"},
]


class TestWhatIsWanted:
    def test_a_post_to_an_endpoint_we_know(self, session: Session) -> None:
        assert session.wants("POST", "api.openai.com", "/v1/chat/completions?x=1")
        assert not session.wants("GET", "api.openai.com", "/v1/chat/completions")
        assert not session.wants("POST", "api.openai.com", "/v1/files")
        assert not session.wants("POST", "shop.test", "/orders")

    def test_nothing_while_we_are_sending(self, session: Session) -> None:
        with inside():
            assert not session.wants("POST", "api.openai.com", "/v1/chat/completions")

    def test_nothing_when_live_or_closed(self) -> None:
        live = Session.open(store="memory://", mode="live")
        assert not live.wants("POST", "api.openai.com", "/v1/chat/completions")

        closed = Session.open(store="memory://")
        closed.close()
        closed.close()
        assert not closed.wants("POST", "api.openai.com", "/v1/chat/completions")

    def test_what_has_no_endpoint_is_ignored_at_once(self, session: Session) -> None:
        assert session.ignores("/orders")
        assert not session.ignores("/v1/chat/completions")

    @pytest.mark.parametrize("options", NOT_BY_PATH, ids=str)
    def test_nothing_is_ignored_where_not_the_path_alone_decides(
        self, options: dict[str, Any]
    ) -> None:
        with Session.open(store="memory://", **options) as session:
            assert not session.ignores("/orders")

    def test_nothing_is_ignored_where_a_gateway_answers_for_providers(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CACHESAVER_GATEWAY", "http://gateway.test")
        with Session.open(store="memory://") as session:
            assert not session.ignores("/acme/v1/x")

    def test_hosts_and_match_widen_and_narrow(self, provider: Provider) -> None:
        def match(request: Request) -> bool | None:
            return {"/yes": True, "/no": False}.get(request.url[len("https://x.test") :])

        named = Session.open(store="memory://", hosts=["*.acme.test"])
        asked = Session.open(store="memory://", match=match)

        assert named.wants("POST", "api.acme.test", "/anything")
        assert named.explain(request({"q": 1}, "https://api.acme.test/v9/think")) is not None
        assert named.explain(request({"q": 1}, "https://api.other.test/v9/think")) is None
        assert asked.explain(request({"q": 1}, "https://x.test/yes")) is not None
        assert asked.explain(request(ASK, "https://x.test/no")) is None
        assert asked.explain(request(ASK)) is not None
        assert asked.explain(request({"q": 1}, "https://x.test/else")) is None


class TestPassingThrough:
    def test_what_is_no_provider_call_goes_out_as_it_is(
        self, session: Session, provider: Provider
    ) -> None:
        survey = request({"answers": [1, 2]}, "https://survey.test/v1/responses")

        session.answer(survey, provider.send)

        assert provider.asked == [survey]
        assert session.stats().requests == 0

    def test_our_own_headers_never_leave(self, session: Session, provider: Provider) -> None:
        session.answer(request(x_cachesaver_request_id="agent-3", x_other="o"), provider.send)
        session.answer(
            request({"q": 1}, "https://x.test/", x_cachesaver_request_id="agent-3"), provider.send
        )

        assert [each.headers[:1] for each in provider.asked] == [(("x-other", "o"),), ()]

    def test_a_clients_own_error_is_the_very_one(
        self, session: Session, provider: Provider
    ) -> None:
        provider.fault = TimeoutError("read")

        with pytest.raises(TimeoutError) as caught:
            session.answer(request(), provider.send)

        assert caught.value is provider.fault

    def test_an_error_answer_gives_its_draw_back(
        self, session: Session, provider: Provider
    ) -> None:
        """Given a 429, when an SDK retries, then the retry is the same draw and gets index 0."""
        provider.status = 429
        refused = session.answer(request(), provider.send)
        provider.status = 200

        retried = session.answer(request(), provider.send)

        assert refused.status == 429
        assert get_header(refused.headers, "cache-status") == "cachesaver; fwd=miss; fwd-status=429"
        assert "index 0" in (get_header(retried.headers, "cache-status") or "")

    def test_a_body_that_says_two_things_is_never_written_anew(
        self, session: Session, provider: Provider
    ) -> None:
        """Given a key that stands twice, then one sample is kept, and several pass through."""
        body = b'{"model":"m","model":"m","messages":[{"role":"user","content":"hi"}]}'
        one = Request(method="POST", url=URL, body=body)
        several = Request(method="POST", url=URL, body=body.replace(b"{", b'{"n":2,', 1))

        session.answer(several, provider.send)
        assert session.stats().requests == 0
        session.answer(one, provider.send)
        assert session.stats().fetched == 1
        assert [each.body for each in provider.asked] == [several.body, one.body]
        with (
            Session.open(store=session.store, mode="replay") as replaying,
            pytest.raises(CachesaverError, match="says something twice"),
        ):
            replaying.answer(several, provider.send)


class TestFailure:
    @pytest.mark.parametrize("where", ["acquire", "fill", "join", "enter"])
    def test_a_failing_store_lets_the_program_go_on_live_with_one_warning(
        self, where: str, provider: Provider, caplog: pytest.LogCaptureFixture
    ) -> None:
        session = Session.open(store=BrokenStore(where))

        answers = [text(session.answer(request(), provider.send)) for _ in range(3)]

        assert answers == ["1", "2", "3"]
        assert [each.levelno for each in caplog.records] == [logging.WARNING]
        assert "the disk is full" in caplog.text

    def test_a_store_that_fails_at_the_end_is_a_warning(
        self, provider: Provider, caplog: pytest.LogCaptureFixture
    ) -> None:
        session = Session.open(store=BrokenStore("leave"), strict=True)
        session.answer(request(), provider.send)

        session.close()

        assert "the disk is full" in caplog.text

    @pytest.mark.parametrize("where", ["acquire", "fill", "join", "enter"])
    def test_strict_raises_it(self, where: str, provider: Provider) -> None:
        session = Session.open(store=BrokenStore(where), strict=True)

        with pytest.raises(StoreError, match="the disk is full"):
            session.answer(request(), provider.send)

    def test_a_store_that_raises_what_it_should_not_costs_no_second_call(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given somebody's store with a bug, when a sample has been bought, then it is answered."""
        store = MemoryStore()
        monkeypatch.setattr(store, "fill", _fail)
        session = Session.open(store=store)

        assert text(session.answer(request(), provider.send)) == "1"
        assert len(provider.asked) == 1

    def test_what_goes_on_live_is_seen_by_no_hook_further_down(self, provider: Provider) -> None:
        session, seen = Session.open(store=BrokenStore("acquire")), list[bool]()

        def send(request: Request) -> Reply:
            seen.append(is_inside())
            return provider.send(request)

        session.answer(request(), send)

        assert seen == [True]

    def test_a_fault_of_ours_does_not_break_the_program(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        session = Session.open(store="memory://")
        monkeypatch.setattr("cachesaver.answering.identify", _fail)

        assert text(session.answer(request(), provider.send)) == "1"
        assert "going on live" in caplog.text

    def test_a_store_that_fails_does_not_swallow_a_cancellation(self) -> None:
        """Given a cancelled call whose slot cannot be given up, then it is not sent live instead."""
        session = Session.open(store=BrokenStore("release"))
        sent = list[Request]()

        async def send(request: Request) -> AsyncReply:
            sent.append(request)
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(session.aanswer(request(), send))

        assert len(sent) == 1

    def test_warnings_come_to_an_end(self, caplog: pytest.LogCaptureFixture) -> None:
        session = Session.open(store="memory://")

        for number in range(3000):
            session.passed(f"POST https://x.test/{number}", "a pipe")

        assert len(caplog.records) == len(session._warned) <= 1001

    def test_a_warning_holds_no_query(
        self, session: Session, caplog: pytest.LogCaptureFixture
    ) -> None:
        session.passed(Request(method="POST", url="https://u:p@x.test/v1?key=k").summary, "a pipe")

        assert "POST https://x.test/v1 went out live, unseen: a pipe" in caplog.text
        assert "key" not in caplog.text


class TestReplay:
    def replaying(self, store: MemoryStore | str = "memory://") -> Session:
        return Session.open(namespace="ns", store=store, mode="replay")

    def test_a_miss_raises_and_nothing_goes_out(self, provider: Provider) -> None:
        with pytest.raises(NotRecordedError, match="chat/completions asks for 1 sample"):
            self.replaying().answer(request(), provider.send)

        assert provider.asked == []

    def test_a_miss_shows_what_differs(self, provider: Provider) -> None:
        store = MemoryStore()
        with Session.open(namespace="ns", store=store) as recording:
            recording.answer(request(), provider.send)

        with pytest.raises(NotRecordedError) as caught:
            self.replaying(store).answer(request({**ASK, "seed": 7}), provider.send)

        assert '+  "seed": 7' in str(caught.value)

    def test_a_failing_store_lets_nothing_out(self, provider: Provider) -> None:
        session = Session.open(store=BrokenStore("acquire"), mode="replay")

        with pytest.raises(StoreError):
            session.answer(request(), provider.send)

        assert provider.asked == []

    def test_a_request_that_cannot_be_read_may_not_go_out(self) -> None:
        with pytest.raises(CachesaverError, match="may not go out in mode='replay'"):
            self.replaying().passed("POST https://x.test/", "a pipe")


def test_refresh_buys_anew_and_the_namespace_remembers(provider: Provider) -> None:
    store = MemoryStore()

    def run(mode: str) -> str:
        with Session.open(namespace="ns", store=store, mode=mode) as session:
            return text(session.answer(request(), provider.send))

    assert [run("cache"), run("refresh"), run("cache")] == ["1", "2", "2"]


def test_an_explicit_id_names_a_draw_whatever_came_before(provider: Provider) -> None:
    store = MemoryStore()

    def run(*names: str) -> list[str]:
        with Session.open(namespace="ns", store=store) as session:
            ask: Callable[[str], Reply] = lambda name: session.answer(  # noqa: E731
                request(x_cachesaver_request_id=name), provider.send
            )
            return [text(ask(name)) for name in names]

    assert run("x", "y", "x") == ["1", "2", "3"]
    assert run("y", "x", "x") == ["2", "1", "3"]


def _fail(*_: object, **__: object) -> None:
    raise RuntimeError("a fault of ours")


class TestReplicates:
    @pytest.fixture(params=["memory", "lmdb"])
    def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
        store = MemoryStore() if request.param == "memory" else LmdbStore(tmp_path)
        yield store
        store.close()

    @staticmethod
    def drawn(session: Session, provider: Provider) -> list[str]:
        return [text(session.answer(request(), provider.send)) for _ in range(2)]

    def test_what_one_drew_is_not_free_in_the_other_and_each_replays(
        self, store: Store, provider: Provider
    ) -> None:
        def replicate(number: int) -> list[str]:
            with Session.open(namespace="ns", replicate=number, store=store) as session:
                return self.drawn(session, provider)

        first = [replicate(number) for number in (0, 1)]

        assert len({each for texts in first for each in texts}) == len(provider.asked) == 4
        assert [replicate(number) for number in (1, 0)] == first[::-1]
        assert len(provider.asked) == 4

    def test_a_process_may_go_through_several(self, store: Store, provider: Provider) -> None:
        """Given a loop over replicates, then each draws what it draws in a session of its own."""

        def looped(*numbers: int) -> list[list[str]]:
            with Session.open(namespace="ns", store=store) as session:
                found = list[list[str]]()
                for number in numbers:
                    with scopes.namespace("ns", replicate=number):
                        found.append(self.drawn(session, provider))
                return found

        first = looped(0, 1, 2)
        with Session.open(namespace="ns", replicate=1, store=store) as session:
            alone = self.drawn(session, provider)

        assert len({each for texts in first for each in texts}) == 6
        assert looped(2, 0) == [first[2], first[0]]
        assert alone == first[1]
        assert len(provider.asked) == 6

    def test_another_namespace_is_not_bound_by_them(self, store: Store, provider: Provider) -> None:
        for name, number in (("ns", 0), ("other", 1), ("third", None)):
            with Session.open(namespace=name, replicate=number, store=store) as session:
                self.drawn(session, provider)

        assert len(provider.asked) == 2


class Drawing(Provider):
    """Says of each choice which sample of the seed it is; *numbers*: it is told, and says, which."""

    def __init__(self, *, numbers: bool = True) -> None:
        super().__init__()
        self.numbers = numbers

    def send(self, request: Request) -> Reply:
        self.asked.append(request)
        body = orjson.loads(request.body)
        first = int(request.header(FIRST_INDEX) or 0) if self.numbers else 0
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": str(first + index)},
                "finish_reason": "stop",
            }
            for index in range(body.get("n") or 1)
        ]
        answer = {"id": "c", "object": "chat.completion", "model": "m", "choices": choices}
        said = ((FIRST_INDEX, str(first)),) if self.numbers else ()
        return Reply(
            status=200,
            headers=(("content-type", "application/json"), *said),
            chunks=iter((orjson.dumps(answer),)),
            close=lambda: None,
        )

    @property
    def told(self) -> list[str | None]:
        """What it was told of numbers, call by call."""
        return [each.header(FIRST_INDEX) for each in self.asked]


def _none(_: Request) -> bool:
    return False


SEEDED = {**ASK, "seed": 3}


class TestSamplesByNumber:
    def test_another_server_in_a_known_ones_place_is_told_nothing(self) -> None:
        """Given samples of a local model, when another server has its address, then it is as any."""
        store, local, foreign = MemoryStore(), Drawing(), Drawing(numbers=False)
        with Session.open(store=store, quiet=True) as session:
            session.answer(request({**SEEDED, "n": 3}), local.send)
        with Session.open(store=store, quiet=True) as session:
            session.answer(request({**SEEDED, "n": 5}), foreign.send)

        assert len(foreign.asked) == 1
        assert foreign.told == [None]

    def test_a_server_where_something_was_mounted_is_told_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        local, foreign = Drawing(), Drawing(numbers=False)
        with Session.open(store="memory://", quiet=True) as session:
            mount = Mount(send=local.send, asend=local.asend, numbers=True)
            monkeypatch.setitem(MOUNTS, "api.openai.com", mount)
            session.answer(request(SEEDED), local.send)
            monkeypatch.delitem(MOUNTS, "api.openai.com")
            session.answer(request(SEEDED), foreign.send)

        assert (local.told, foreign.told) == (["0"], [None])

    @pytest.mark.parametrize("what", ["several prompts", "a store that fails", "kept out"])
    def test_what_goes_out_live_says_what_its_program_says(self, what: str) -> None:
        """Given a program that says from which sample on, then it gets no other where nothing is kept."""
        server, numbers = Drawing(), {"x-cachesaver-first-index": "5"}
        failing = what == "a store that fails"
        with Session.open(
            store=BrokenStore("acquire") if failing else "memory://",
            match=_none if what == "kept out" else None,
        ) as session:
            if what == "several prompts":
                body = {"model": "m", "prompt": ["a", "b"], "seed": 3}
                url = "https://api.openai.com/v1/completions"
                asked = request(body, url, **numbers, **{"x-cachesaver-request-id": "a"})
            else:
                asked = request(SEEDED, **numbers, **{"x-cachesaver-request-id": "a"})
            blocking = session.answer(asked, server.send)
            waiting = asyncio.run(session.aanswer(asked, server.asend))

        assert (blocking.status, waiting.status) == (200, 200)
        assert server.told == ["5", "5"]
        assert [each.header("x-cachesaver-request-id") for each in server.asked] == [None, None]
